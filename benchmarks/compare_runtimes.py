"""The semantic networks on CPU runtimes: plain PyTorch, our inductor, OpenVINO and ONNX Runtime, INT8 among them.

    pip install openvino onnxruntime onnx onnxscript nncf torchao  # what is not there is left out
    python scripts/compare_runtimes.py --weights unet_street unet_camvid fcn_camvid --int8

All run the same graph, uint8 pixels to uint8 label and confidence, batch 1, at the size of the manifest. (With a plain
tail of interpolation, arg-max and soft-max instead of models/labels.py ONNX Runtime was no faster, OpenVINO slower.)
Each is a process of its own, so that no thread pool gets in the way of another. They take turns for several rounds; of
each, the half of the rounds counts in which other processes used the processor least: p50 and p99 are medians of these.
INT8 is static quantisation after training, on training pictures. mIoU in percent is of pictures held out from training
(the street: rendered; CamVid: `val`); agreement is the share of pixels with the label that plain PyTorch gives, others
the cores that other processes used meanwhile. The last line is JSON, a list of rows.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seg_ros import weights
from benchmarks.baselines import Plain
from seg_ros.cli.common import one_line_errors, print_table
from seg_ros.cli.evaluate import STREET_TEST
from seg_ros.engines import inductor
from seg_ros.engines.opening import Engine, open_engine
from seg_ros.engines.cache import Artefact
from seg_ros.engines.threads import set_threads
from seg_ros.errors import EngineError
from seg_ros.models.graph import SemanticGraph, make_graph
from seg_ros.models.precision import at_precision
from seg_ros.results import Frame
from seg_ros.segmenter import Segmenter
from seg_ros.training.datasets import pairs, read_sample, render_street
from seg_ros.metrics.confusion import Confusion

PLAIN = ("pytorch", "fp32")
RUNS = [PLAIN, *((r, p) for r in ("inductor", "openvino", "onnxruntime") for p in ("fp32", "bf16", "int8"))]
RUNS.remove(("onnxruntime", "bf16"))  # its kernels for CPUs have no bfloat16
STREET_TRAIN = range(0, 100)
COLUMNS = ("model", "runtime", "precision", "p50_ms", "p99_ms", "best_ms", "vs_eager", "miou", "agreement", "others")
Run = Callable[[Tensor], tuple[Tensor, ...]]
"""Maps `(1, H, W, 3) uint8` RGB pixels to label and confidence, `(1, H, W) uint8`."""


def build(run: tuple[str, str], name: str, training: list[np.ndarray]) -> Run:
    """A runtime at a precision, ready; `training`: pictures `(1, H, W, 3) uint8` to calibrate INT8 on."""
    runtime, precision = run
    model, manifest = weights.load_model(name)
    graph = make_graph(model, manifest.mean, manifest.std, ())
    shape = (1, *manifest.input_size)
    if run == PLAIN:
        return torch.inference_mode()(Plain(graph))
    if runtime == "inductor" and precision != "int8":
        digest = weights.digest(model.state_dict(), manifest)
        return open_engine("inductor", graph, shape, digest, precision=precision, device="cpu").run
    graph, example = at_precision(graph, "fp32"), torch.zeros(*shape, 3, dtype=torch.uint8)
    with torch.no_grad():
        if runtime == "inductor":
            return quantised_inductor(graph, example, training)
        graph = graph.to(memory_format=torch.contiguous_format)  # these two choose the layout themselves
        return (on_openvino if runtime == "openvino" else on_onnxruntime)(graph, example, precision, training)


def quantised_inductor(graph: SemanticGraph, example: Tensor, training: list[np.ndarray]) -> Run:
    """INT8 by torchao. Not max-pooling: quantised, AOTInductor does not compile it into the library."""
    from torchao.quantization.pt2e import quantize_pt2e
    from torchao.quantization.pt2e.inductor_passes import x86 as _  # noqa: F401
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    x86.int8_in_int8_out_ops.discard(torch.ops.aten.max_pool2d.default)
    quantizer = x86.X86InductorQuantizer().set_global(x86.get_default_x86_inductor_quantization_config())
    observed = quantize_pt2e.prepare_pt2e(torch.export.export(graph, (example,)).module(), quantizer)
    for picture in training:
        observed(torch.from_numpy(picture))
    with tempfile.TemporaryDirectory() as folder:
        return inductor.build(quantize_pt2e.convert_pt2e(observed), example, Artefact(Path(folder), {}))


def on_openvino(graph: SemanticGraph, example: Tensor, precision: str, training: list[np.ndarray]) -> Run:
    """INT8 by NNCF. What is not quantised is bfloat16 then, which is faster than float32."""
    import openvino

    network = openvino.convert_model(torch.export.export(graph, (example,)).run_decompositions({}))
    if precision == "int8":
        import nncf

        nncf.set_log_level(logging.ERROR)
        # Quantised additions and products, of the labels above all, cost time and mIoU.
        keep = nncf.IgnoredScope(types=["Add", "Subtract", "Multiply", "Divide", "Maximum", "Exp"], validate=False)
        network = nncf.quantize(network, nncf.Dataset(training), subset_size=len(training), ignored_scope=keep)
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    options["INFERENCE_PRECISION_HINT"] = "f32" if precision == "fp32" else "bf16"
    request = openvino.Core().compile_model(network, "CPU", options).create_infer_request()

    def run(pixels: Tensor) -> tuple[Tensor, ...]:
        found = request.infer([pixels.numpy()], share_inputs=True, share_outputs=True)
        return torch.from_numpy(found[0]), torch.from_numpy(found[1])

    return run


def on_onnxruntime(graph: SemanticGraph, example: Tensor, precision: str, training: list[np.ndarray]) -> Run:
    """INT8 by its own static quantisation: QDQ, weights by channel."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        options = {"input_names": ["pixels"], "external_data": False, "verbose": False}
        torch.onnx.export(graph, (example,), path, dynamo=True, **options)
        if precision == "int8":
            path = _quantised_onnx(path, training)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda pixels: tuple(torch.from_numpy(a) for a in session.run(None, {"pixels": pixels.numpy()}))


def _quantised_onnx(path: Path, training: list[np.ndarray]) -> Path:
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Pictures(CalibrationDataReader):
        left = iter([{"pixels": picture} for picture in training])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.left, None)

    quant_pre_process(path, path.with_name("shapes.onnx"), skip_symbolic_shape=True)
    quantize_static(
        path.with_name("shapes.onnx"), path.with_name("int8.onnx"), Pictures(), per_channel=True,
        op_types_to_quantize=["Conv", "ConvTranspose", "MaxPool", "Concat"],
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    return path.with_name("int8.onnx")


def work(run: tuple[str, str], name: str, data: Path, threads: int, seconds: float, pipe: Connection) -> None:
    """A process: sends labels of the held-out pictures, `(K, H, W) uint8`, or why not; then rounds when asked for."""
    try:
        set_threads(threads)
        manifest = weights.load_model(name)[1]
        training = pairs(data / "train") if run[1] == "int8" else []
        training = training[:: max(1, len(training) // 100)]  # about a hundred, from all over the set
        ready = build(run, name, [read_sample(*pair, len(manifest.classes))[0][None] for pair in training])
        segmenter = Segmenter(manifest, lambda _: Engine(*run, "cpu", ready, {}), manifest.input_size)
        pictures = [read_sample(*pair, len(manifest.classes))[0] for pair in pairs(data / "val")]
        pipe.send(np.stack([segmenter(Frame(pixels)).label.copy() for pixels in pictures]))
    except (ImportError, ValueError, EngineError) as error:
        pipe.send(str(error))
        return
    pixels = torch.randint(0, 256, (1, *manifest.input_size, 3), dtype=torch.uint8)
    while pipe.recv():
        for _ in range(10):
            ready(pixels)
        times, busy, begin = [], _others(), time.perf_counter()
        while len(times) < 10 or time.perf_counter() < begin + seconds:
            start = time.perf_counter()
            ready(pixels)
            times.append(1e3 * (time.perf_counter() - start))
        pipe.send((np.array(times), (_others() - busy) / (time.perf_counter() - begin)))


def _others() -> float:
    """Seconds that other processes have used the processors, since some moment."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK") - time.process_time()


def compare(name: str, runs: list[tuple[str, str]], data: Path, threads: int, seconds: float, rounds: int) -> list:
    """The rows of one network."""
    manifest = weights.load_model(name)[1]
    truths = [read_sample(*pair, len(manifest.classes))[1] for pair in pairs(data / "val")]
    context, pipes, labels = get_context("spawn"), {}, {}  # a fork would start with the threads of this one
    for run in runs:  # one by one: they compile on all cores
        ours, theirs = context.Pipe()
        context.Process(target=work, args=(run, name, data, threads, seconds, theirs), daemon=True).start()
        theirs.close()
        found = ours.recv()
        if isinstance(found, str):
            print(f"{name}: no row for {' '.join(run)}: {found}", flush=True)
        else:
            pipes[run], labels[run] = ours, found
    print(f"{name}: load average before measuring {os.getloadavg()[0]:.2f}", flush=True)
    measured = {run: [] for run in pipes}
    for _ in range(rounds):
        for run, pipe in pipes.items():
            pipe.send(True)
            measured[run].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(False)
    rows = []
    for run in pipes:
        quiet = sorted(measured[run], key=lambda one: one[1])[: (rounds + 1) // 2]
        confusion = Confusion(len(manifest.classes))
        for truth, label in zip(truths, labels[run], strict=True):
            confusion.add(truth, label)
        rows.append({
            "model": name, "runtime": run[0], "precision": run[1],
            "p50_ms": round(float(np.median([np.median(times) for times, _ in quiet])), 2),
            "p99_ms": round(float(np.median([np.percentile(times, 99) for times, _ in quiet])), 2),
            "best_ms": round(float(min(times.min() for times, _ in quiet)), 2),
            "miou": round(100 * confusion.miou(), 2),
            "agreement": round(float((labels[run] == labels[PLAIN]).mean()), 4),
            "others": round(float(np.median([others for _, others in quiet])), 2),
        })  # fmt: skip
        rows[-1]["vs_eager"] = round(rows[0]["p50_ms"] / rows[-1]["p50_ms"], 2)
    return rows


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--weights", nargs="+", default=["unet_street", "unet_camvid", "fcn_camvid"], help="of semantic networks")
    add("--int8", action="store_true", help="also quantised")
    add("--data", type=Path, default=Path("../shared/data"), help="holds the data sets that the weights name")
    add("--seconds", type=float, default=3.0, help="of measuring each, in each round")
    add("--rounds", type=int, default=6)
    add("--threads", type=int, default=0, help="of each runtime (default: one per core)")
    args = parser.parse_args(arguments)
    runs = [run for run in RUNS if args.int8 or run[1] != "int8"]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.weights:
            data = args.data / weights.load_model(name)[1].dataset
            if data.name == "street":
                data = Path(folder)
                render_street(data / "train", STREET_TRAIN, 1)
                render_street(data / "val", STREET_TEST, 3)
            rows += compare(name, runs, data, args.threads, args.seconds, args.rounds)
    print_table(rows, COLUMNS)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
