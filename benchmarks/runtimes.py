"""Opens semantic networks on CPU runtimes, those of others included, at their precisions."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seg_ros import weights
from seg_ros.cli.plain import Plain
from seg_ros.engines import inductor
from seg_ros.engines.cache import Artefact
from seg_ros.engines.opening import open_engine
from seg_ros.models.graph import SemanticGraph, make_graph
from seg_ros.models.precision import at_precision

PLAIN = ("pytorch", "fp32")
RUNS = [PLAIN, *((r, p) for r in ("inductor", "openvino", "onnxruntime") for p in ("fp32", "bf16", "int8"))]
RUNS.remove(("onnxruntime", "bf16"))  # its kernels for CPUs have no bfloat16
Run = Callable[[Tensor], tuple[Tensor, ...]]
"""Maps `(1, H, W, 3) uint8` RGB pixels to label and confidence, `(1, H, W) uint8`."""


def build(run: tuple[str, str], name: str, training: list[np.ndarray]) -> Run:
    """Makes a runtime at a precision ready; `training`: pictures `(1, H, W, 3) uint8` to calibrate INT8 on."""
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
    """Quantises to INT8 by torchao. Not max-pooling: quantised, AOTInductor does not compile it into the library."""
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
    """Compiles for OpenVINO; INT8 by NNCF. What is not quantised is bfloat16 then, which is faster than float32."""
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
    """Opens ONNX Runtime; INT8 by its own static quantisation: QDQ, weights by channel."""
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
