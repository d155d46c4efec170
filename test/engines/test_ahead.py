"""Engines that are compiled without a GPU, for a machine that has one."""

import pytest
import torch

from seg_ros.engines import cache, tensorrt
from seg_ros.engines.ahead import compile_ahead
from seg_ros.errors import EngineError
from seg_ros.models import create
from seg_ros.models.graph import make_graph

SHAPE = (2, 32, 32)


@pytest.fixture
def graph():
    return make_graph(create("unet", classes=3, width=4, depth=1), (0.5,) * 3, (0.25,) * 3)


def test_a_machine_with_a_gpu_finds_what_was_compiled_on_one_without(graph, tmp_path, rtx, monkeypatch):
    made = compile_ahead(graph, SHAPE, "weights", tmp_path)
    assert made.seconds > 0
    assert made.precision == "fp16"
    assert made.path.parent == tmp_path
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "__version__", torch.__version__.partition("+")[0] + "+cu130")
    key = cache.key("tensorrt", tensorrt.versions(), "weights", SHAPE, "fp16", "cuda")  # as `open_engine` makes it

    def fail(path):
        raise AssertionError("compiled again")

    assert cache.Artefact(tmp_path, key).get(fail, ".plan") == made.path
    assert compile_ahead(graph, SHAPE, "weights", tmp_path).seconds == 0.0


def test_a_precision_that_tensorrt_is_not_given_is_refused_with_those_it_is(graph, tmp_path):
    with pytest.raises(EngineError, match="precision 'int8': expected one of auto, fp32, fp16, bf16 for tensorrt"):
        compile_ahead(graph, SHAPE, "weights", tmp_path, "int8")


@pytest.mark.parametrize("installed", [None, "tensorrt"])
def test_without_tensorrt_for_rtx_it_says_what_to_install(installed, graph, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(tensorrt, "installed", lambda: installed)
    with pytest.raises(EngineError, match=r"pip install -r requirements/tensorrt-rtx\.txt"):
        compile_ahead(graph, SHAPE, "weights", tmp_path)
