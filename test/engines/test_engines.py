"""What every engine promises, and what `auto` does when one does not work."""

import os
import shutil
import sys
import threading
import time
import weakref
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from seg_ros.agreement import agreement, street_pictures
from seg_ros.engines import ENGINES, QUANTISED, cache, inductor, openvino
from seg_ros.engines.library import Library
from seg_ros.engines.opening import engine_error, open_engine
from seg_ros.engines.plan import installed
from seg_ros.errors import EngineError
from seg_ros.models import create
from seg_ros.models.graph import SemanticGraph
from seg_ros.quantization import observed, with_ranges
from seg_ros.weights import digest, load_model
from test.objects import assert_same_objects

SHAPE = (1, 64, 96)
NEEDS_TENSORRT = pytest.mark.skipif(
    not torch.cuda.is_available() or not installed(), reason="needs an NVIDIA GPU and TensorRT"
)
NEEDS_OPENVINO = pytest.mark.skipif(not find_spec("openvino"), reason="needs openvino")
NEEDS = {"tensorrt": NEEDS_TENSORRT, "openvino": NEEDS_OPENVINO}
EVERY_ENGINE = [pytest.param(name, marks=NEEDS.get(name, ())) for name in ENGINES]


@pytest.fixture(scope="module")
def network(small_weights):
    """A small network's graph and the digest of its weights."""
    model, manifest = load_model(small_weights)
    return SemanticGraph(model, manifest.mean, manifest.std).eval(), digest(model.state_dict(), manifest)


@pytest.fixture
def graph(network):
    return network[0]


@pytest.fixture
def weights(network):
    return network[1]


@pytest.fixture
def cache_dir(engine_cache):
    return engine_cache


# Compilers reorder sums, so a pixel whose two best classes tie may go either way, and bfloat16 ties sooner.
@pytest.mark.compiles
@pytest.mark.parametrize(("precision", "agreement", "error"), [("fp32", 0.999, 1), ("bf16", 0.98, 8)])
@pytest.mark.parametrize("name", EVERY_ENGINE)
def test_engine_computes_what_the_graph_says(
    name, precision, agreement, error, graph, cache_dir, weights, planted, monkeypatch
):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # on a GPU float32 as on the CPU
    folder, ran = planted
    before = sorted(folder.rglob("*"))
    try:
        engine = open_engine(name, graph, SHAPE, weights, cache_dir, precision)
    except EngineError as error:
        if "on this processor" not in str(error):
            raise
        pytest.skip(str(error))
    assert (engine.name, engine.precision) == (name, precision)
    for seed in range(3):
        pixels = torch.randint(0, 256, (*SHAPE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            label, confidence = graph(pixels)
        ours = [output.cpu() for output in engine.run(pixels.to(engine.device))]
        assert (ours[0] == label).float().mean() > agreement
        assert (ours[1].int() - confidence.int()).abs().max() <= error
    assert not ran.exists()
    assert sorted(folder.rglob("*")) == before


@NEEDS_OPENVINO
def test_openvino_takes_instances_whole(mask_rcnn_graph, cache_dir):  # inductor: test/models/test_not_finite.py
    graph = mask_rcnn_graph
    with torch.no_grad():  # as if trained: some places and classes stand out
        graph.model.rpn.head.cls_logits.weight.mul_(50)
        graph.model.roi_heads.box_predictor.cls_score.weight.mul_(20)
    engine = open_engine("openvino", graph, SHAPE, "instances", cache_dir, "fp32")
    for seed in range(3):
        pixels = torch.randint(0, 256, (*SHAPE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            theirs = graph(pixels)
        assert (theirs[1] > 0).any()
        assert_same_objects(engine.run(pixels), theirs)
    assert engine.seconds > 0


@NEEDS_OPENVINO
def test_auto_on_a_cpu_takes_the_fastest_that_is_at_hand(graph, tmp_path, weights):
    engine = open_engine("auto", graph, SHAPE, weights, tmp_path, "fp32", "cpu")
    assert set(engine.measured) == {"openvino fp32", "eager fp32"}
    assert engine.measured[f"{engine.name} fp32"] <= 1.05 * min(engine.measured.values())
    assert set(engine.refused) == {"tensorrt", "inductor fp32"}
    again = open_engine("auto", graph, SHAPE, weights, tmp_path, "fp32", "cpu")
    assert (again.name, again.measured, again.seconds) == (engine.name, engine.measured, 0.0)


def test_auto_falls_through_and_says_why(graph, tmp_path, monkeypatch, weights):
    def missing():
        raise EngineError("openvino is not installed")

    which = shutil.which
    monkeypatch.setattr(inductor.shutil, "which", lambda name: None if "++" in name else which(name))
    monkeypatch.setattr(openvino, "versions", missing)
    engine = open_engine("auto", graph, SHAPE, weights, tmp_path, device="cpu")
    assert engine.name == "eager"
    assert "install g++" in engine.refused["inductor"]


def test_a_named_engine_does_not_fall_through(graph, tmp_path, monkeypatch, weights):
    monkeypatch.setattr(inductor.shutil, "which", lambda name: None)
    with pytest.raises(EngineError, match="needs a C\\+\\+ compiler") as caught:
        open_engine("inductor", graph, SHAPE, weights, tmp_path)
    assert not caught.value.fatal


def test_unknown_engine_names_the_known_ones(graph):
    with pytest.raises(EngineError, match="'cuda': expected one of auto, tensorrt, inductor, openvino, eager"):
        open_engine("cuda", graph, SHAPE, "weights")


def test_second_open_loads_instead_of_compiling(graph, cache_dir, monkeypatch, weights):
    open_engine("inductor", graph, SHAPE, weights, cache_dir, "fp32")

    def fail(*_, **__):
        raise AssertionError("compiled again")

    monkeypatch.setattr(inductor, "run_apart", fail)
    assert open_engine("inductor", graph, SHAPE, weights, cache_dir, "fp32").name == "inductor"


CHANGES = {
    "other weights": lambda monkeypatch: "other weights",
    "another graph": lambda monkeypatch: monkeypatch.setattr(cache, "graph_source", lambda: "another"),
    "another PyTorch": lambda monkeypatch: monkeypatch.setattr(torch, "__version__", "9.9"),
    "another number of threads": lambda monkeypatch: monkeypatch.setattr(torch, "get_num_threads", lambda: 77),
    "another processor": lambda monkeypatch: monkeypatch.setattr(cache, "machine", lambda device: {"processor": "x"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_stale_or_foreign_is_not_loaded(change, graph, cache_dir, monkeypatch, weights):
    open_engine("inductor", graph, SHAPE, weights, cache_dir, "fp32")
    weights = CHANGES[change](monkeypatch) or weights
    compiled = []
    monkeypatch.setattr(inductor, "_compile", lambda *_: compiled.append(1) or 1 / 0)
    with pytest.raises(EngineError, match="ZeroDivisionError"):
        open_engine("inductor", graph, SHAPE, weights, cache_dir, "fp32")
    assert compiled


@pytest.mark.parametrize(("option", "value"), [("precision", "fp64"), ("device", "tpu")])
def test_unknown_precisions_and_devices_name_the_known_ones(option, value, graph):
    with pytest.raises(EngineError, match=f"{option} '{value}': expected one of auto, "):
        open_engine("eager", graph, SHAPE, "weights", **{option: value})


def test_bfloat16_is_refused_where_it_is_faulty(cache_dir, weights):
    model = create("fcn", classes=3, depth=18, width=0.1)  # its shortcuts have 6 channels
    graph = SemanticGraph(model, (0.5,) * 3, (0.25,) * 3).eval()
    with pytest.raises(EngineError, match="fewer than 16 channels"):
        open_engine("eager", graph, SHAPE, weights, cache_dir, "bf16", "cpu")
    assert open_engine("eager", graph, SHAPE, weights, cache_dir, "auto", "cpu").precision == "fp32"


@pytest.mark.parametrize("has", [True, False])
def test_auto_precision_is_what_the_processor_is_made_for(has, graph, cache_dir, monkeypatch, weights):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    engine = open_engine("eager", graph, SHAPE, weights, cache_dir, device="cpu")
    assert engine.precision == ("bf16" if has else "fp32")


def test_a_missing_gpu_is_said(graph):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(EngineError, match="PyTorch sees no GPU here"):
        open_engine("eager", graph, SHAPE, "weights", device="cuda")


@pytest.mark.parametrize("name", EVERY_ENGINE)
def test_other_threads_run_during_inference(name, graph, weights, cache_dir):
    """A node whose engine holds Python's lock takes no message and answers no service while it infers."""
    engine = open_engine(name, graph, SHAPE, weights, cache_dir, "fp32")
    pixels, ticks, done = torch.zeros(*SHAPE, 3, dtype=torch.uint8, device=engine.device), [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(1)
            time.sleep(1e-4)

    thread = threading.Thread(target=tick)
    thread.start()
    free = 0
    for _ in range(5000):  # a busy machine may starve the thread, now and then or often
        before = len(ticks)
        engine.run(pixels)
        free += len(ticks) - before > 1  # an engine that holds the lock lets one tick in, when it takes or gives it
        if free == 10:
            break
    done.set()
    thread.join()
    assert free == 10


@pytest.mark.parametrize("name", EVERY_ENGINE)
def test_memory_stays_constant(name, graph, cache_dir, weights):
    engine = open_engine(name, graph, SHAPE, weights, cache_dir, "fp32")
    pixels = torch.zeros(*SHAPE, 3, dtype=torch.uint8, device=engine.device)

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    outputs = [weakref.ref(tensor) for _ in range(50) for tensor in engine.run(pixels)]
    assert not any(output() is not None for output in outputs)
    growth = []
    while len(growth) < 20 and min(growth, default=1e9) > 1e5:
        before = resident()
        for _ in range(50):
            engine.run(pixels)
        growth.append(resident() - before)
    assert min(growth) < 1e5, growth  # a leak grows in every round, an allocator now and then


@pytest.fixture(scope="module")
def quantised(network):
    """The small network's graph, with ranges for INT8."""
    return with_ranges(network[0], observed(network[0], street_pictures(SHAPE).split(1)))


@NEEDS_OPENVINO
def test_int8_agrees_with_float_and_is_compiled_anew_where_its_file_was_changed(
    quantised, cache_dir, weights, monkeypatch
):
    engine = open_engine("openvino", quantised, SHAPE, weights, cache_dir, "int8")
    assert (engine.name, engine.precision) == ("openvino", "int8")
    assert agreement(engine, quantised, street_pictures(SHAPE)).labels > 0.97
    monkeypatch.setattr(openvino, "compiled", lambda *_: 1 / 0)
    open_engine("openvino", quantised, SHAPE, weights, cache_dir, "int8")  # it is in the cache
    newest = max(cache_dir.glob("*.blob"), key=lambda path: path.stat().st_ctime)
    blob = newest.read_bytes()
    newest.write_bytes(blob[:-1] + bytes([blob[-1] ^ 1]))
    with pytest.raises(EngineError, match="ZeroDivisionError"):
        open_engine("openvino", quantised, SHAPE, weights, cache_dir, "int8")
    newest.write_bytes(blob)


@pytest.mark.parametrize("name", [name for name in ENGINES if name not in QUANTISED])
def test_engines_without_int8_name_the_one_that_has_it(name, quantised, cache_dir, weights):
    with pytest.raises(EngineError, match=f"{name} does not compute in int8; use another .*, or the engine openvino"):
        open_engine(name, quantised, SHAPE, weights, cache_dir, "int8", "cpu")


@NEEDS_OPENVINO
def test_openvino_does_not_report_to_its_makers(graph, weights, cache_dir):
    open_engine("openvino", graph, SHAPE, weights, cache_dir, "fp32")
    assert sys.modules["openvino_telemetry"] is None


@NEEDS_OPENVINO
def test_openvino_refuses_pixels_of_another_size(graph, weights, cache_dir):
    engine = open_engine("openvino", graph, SHAPE, weights, cache_dir, "fp32")
    with pytest.raises(ValueError, match=r"expected \(1, 64, 96, 3\) uint8 pixels, got \(1, 32, 96, 3\) torch.uint8"):
        engine.run(torch.zeros(1, 32, 96, 3, dtype=torch.uint8))


def test_a_device_that_is_lost_and_memory_that_is_short_are_told_apart():
    lost = engine_error("eager", RuntimeError("CUDA error: an illegal memory access was encountered"))
    short = engine_error("eager", torch.OutOfMemoryError("tried to allocate"))
    other = engine_error("eager", RuntimeError("sizes do not match"))
    assert [(error.fatal, error.reason) for error in (lost, short, other)] == [
        (True, "engine"), (False, "memory"), (False, "engine")
    ]  # fmt: skip


def test_a_file_that_is_no_library_is_an_engine_error(tmp_path):
    (tmp_path / "a.so").write_text("no library")
    with pytest.raises(EngineError, match=r"a\.so does not load"):
        Library(tmp_path / "a.so")
