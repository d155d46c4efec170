"""The TensorRT engine: what can be said of it on a machine that has none, and what it does where it runs."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from seg_ros.engines import ENGINES, cache, tensorrt
from seg_ros.engines.opening import open_engine
from seg_ros.errors import EngineError
from seg_ros.models import create
from seg_ros.models.graph import make_graph
from seg_ros.models.precision import at_precision
from seg_ros.weights import load_model

THINGS = (8, 9, 10)


def shipped(name: str) -> tuple[nn.Module, tuple[int, int]]:
    """The graph of shipped weights, and their input size."""
    model, manifest = load_model(name)
    graph = make_graph(model, manifest.mean, manifest.std, sorted(manifest.classes.things))
    return graph, manifest.input_size


def untrained(name: str, **arguments) -> nn.Module:
    torch.manual_seed(0)
    return make_graph(create(name, **arguments), (0.5,) * 3, (0.25,) * 3, THINGS)


@torch.no_grad()
def test_the_graph_for_tensorrt_computes_the_same_in_wider_types(small_weights):
    graph = at_precision(shipped(small_weights)[0], "fp32", portable=True)
    program = tensorrt.exported(graph, torch.zeros(3, 64, 96, 3, dtype=torch.uint8)).run_decompositions({}).module()
    for batch in (1, 2, 3):
        pixels = torch.randint(0, 256, (batch, 64, 96, 3), dtype=torch.uint8)
        for ours, theirs in zip(program(pixels.half()), graph(pixels), strict=True):
            assert ours.dtype == torch.int32
            assert torch.equal(ours, theirs.int())


def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(tensorrt, "installed", lambda: "tensorrt")
    with pytest.raises(EngineError, match="tensorrt needs an NVIDIA GPU"):
        tensorrt.versions()


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for name in ("tensorrt", "tensorrt_rtx"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EngineError, match=r"pip install -r requirements/tensorrt\.txt"):
        tensorrt.versions()


def test_it_does_not_run_on_the_cpu(small_weights, tmp_path):
    graph, _ = shipped(small_weights)
    with pytest.raises(EngineError, match="use 'cuda', or another engine"):
        tensorrt.build(graph, torch.zeros(1, 64, 96, 3, dtype=torch.uint8), cache.Artefact(tmp_path, {}))


def missing() -> str:
    if not torch.cuda.is_available():
        return "needs an NVIDIA GPU"
    try:
        tensorrt.versions()
    except EngineError as error:
        return str(error)
    return ""


NEEDS_TENSORRT = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("engines")


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, (*shape, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).cuda()


@NEEDS_TENSORRT
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", ["unet_street", "fcn_camvid"])
def test_labels_are_those_of_eager_at_every_batch(name, precision, cache_dir):
    graph, size = shipped(name)
    engine = open_engine("tensorrt", graph, (3, *size), name, cache_dir, precision)
    for batch in (1, 2, 3):
        pixels = noise(batch, *size)
        with torch.no_grad():
            label, confidence = graph.cuda()(pixels)
        ours = engine.run(pixels)
        assert ours[0].dtype == ours[1].dtype == torch.uint8
        assert (ours[0] == label).float().mean() > 0.99
        assert (ours[1].int() - confidence.int()).abs().float().mean() < 2
    with pytest.raises(EngineError, match="the TensorRT engine takes pixels of"):
        engine.run(noise(4, *size))


@NEEDS_TENSORRT
def test_instances_are_one_engine(cache_dir):
    graph, size = shipped("mask_rcnn_street")
    engine = open_engine("tensorrt", graph, (1, *size), "instances", cache_dir, "fp32")
    pixels = noise(1, *size)
    with torch.no_grad():
        theirs = graph.cuda()(pixels)
    for ours, tensor in zip(engine.run(pixels), theirs, strict=True):
        assert (ours.shape, ours.dtype) == (tensor.shape, tensor.dtype)
        assert (ours - tensor).abs().float().median() < 1e-2


@NEEDS_TENSORRT
def test_second_open_loads_instead_of_compiling(cache_dir, monkeypatch):
    graph = untrained("unet", classes=11, width=8, depth=2)
    open_engine("tensorrt", graph, (1, 64, 96), "small", cache_dir)

    def fail(*_):
        raise AssertionError("compiled again")

    monkeypatch.setattr(ENGINES["tensorrt"], "_compile", fail)
    assert open_engine("tensorrt", graph, (1, 64, 96), "small", cache_dir).name == "tensorrt"


class Scene(nn.Module):
    """A graph of one function of the pixels, for which Torch-TensorRT has no converter."""

    task = "semantic"

    def forward(self, pixels):
        return torch.linalg.det(pixels.float().mean(-1) / 255)


@NEEDS_TENSORRT
def test_an_operator_without_converter_is_named(cache_dir):
    with pytest.raises(EngineError, match="linalg_det"):
        tensorrt.build(Scene().cuda(), noise(1, 64, 64), cache.Artefact(cache_dir, {}))


@NEEDS_TENSORRT
@torch.inference_mode()
def test_a_cuda_graph_captures_it(cache_dir):
    graph, size = shipped("unet_street")
    engine = open_engine("tensorrt", graph, (1, *size), "unet_street", cache_dir)
    pixels = noise(1, *size)
    expected = engine.run(pixels)
    captured, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        engine.run(pixels)
    torch.cuda.current_stream().wait_stream(stream)
    with torch.cuda.graph(captured):
        label, _ = engine.run(pixels)
    captured.replay()
    torch.cuda.synchronize()
    assert torch.equal(label, expected[0])
