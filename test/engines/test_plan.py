"""Running a plan, on a stand-in for TensorRT that computes on the CPU; a GPU's own tests are in test_tensorrt.py."""

import ctypes
from enum import Enum
from types import SimpleNamespace

import pytest
import torch

from seg_ros.engines import plan
from seg_ros.errors import EngineError

SIZES = (1, 3)
"""Batches that the stand-in takes."""
Type = Enum("Type", ["UINT8", "HALF", "INT32", "FLOAT"])
BYTES = {Type.UINT8: ctypes.c_uint8, Type.HALF: ctypes.c_uint16, Type.INT32: ctypes.c_int32}


class Runtime:
    def __init__(self, logger):
        pass

    def deserialize_cuda_engine(self, file):
        return Engine(*(Type[name] for name in file.decode().split())) if file else None


class Engine:
    """Adds 1 to pixels for the label and 2 for the confidence; its outputs come in another order than the graph's."""

    names = ("output1", "pixels", "output0")
    num_io_tensors = len(names)

    def __init__(self, pixels, output):
        self.types = {"pixels": pixels, "output0": output, "output1": output}

    def create_runtime_config(self):
        return SimpleNamespace()

    def create_execution_context(self, *configs):
        self.strategies = [config.dynamic_shapes_kernel_specialization_strategy for config in configs]
        return Context(self)

    def get_tensor_name(self, index):
        return self.names[index]

    def get_tensor_mode(self, name):
        return Enum("Mode", ["INPUT", "OUTPUT"])["INPUT" if name == "pixels" else "OUTPUT"]

    def get_tensor_dtype(self, name):
        return self.types[name]

    def get_tensor_profile_shape(self, name, index):
        return [(n, 4, 5, 3) for n in (SIZES[0], SIZES[1], SIZES[1])]


class Context:
    def __init__(self, engine):
        self.engine, self.addresses = engine, {}

    def set_input_shape(self, name, shape):
        self.shape = shape
        return SIZES[0] <= shape[0] <= SIZES[1] and shape[1:] == (4, 5, 3)

    def get_tensor_shape(self, name):
        return self.shape[:3]

    def set_tensor_address(self, name, address):
        self.addresses[name] = address

    def execute_async_v3(self, stream):
        def at(name, shape):
            count = torch.Size(shape).numel()
            return torch.frombuffer((BYTES[self.engine.types[name]] * count).from_address(self.addresses[name]),
                                    dtype=plan._TYPES[self.engine.types[name].name]).view(shape)  # fmt: skip

        red = at("pixels", self.shape)[..., 0].to(torch.int32)
        at("output0", self.shape[:3]).copy_(red + 1)
        at("output1", self.shape[:3]).copy_(red + 2)
        return red.max() < 200


@pytest.fixture(params=["tensorrt", "tensorrt_rtx"])
def library(request, monkeypatch):
    strategy = SimpleNamespace(EAGER="eager")
    module = SimpleNamespace(
        __name__=request.param, Runtime=Runtime, DynamicShapesKernelSpecializationStrategy=strategy,
    )  # fmt: skip
    monkeypatch.setattr(plan, "library", lambda: module)
    monkeypatch.setattr(plan, "logger", lambda trt: None)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: SimpleNamespace(cuda_stream=0))
    return module


@pytest.fixture
def load(library, tmp_path):
    def load(types, labels=True):
        (tmp_path / "one.plan").write_text(types)
        return plan.Plan(tmp_path / "one.plan", labels)

    return load


@pytest.mark.parametrize("types", ["UINT8 UINT8", "HALF INT32"])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_outputs_come_in_the_graphs_order_in_its_types(types, batch, load):
    pixels = torch.randint(0, 199, (batch, 3, 4, 5), dtype=torch.uint8).permute(0, 2, 3, 1)  # not contiguous
    label, confidence = load(types)(pixels)
    assert label.dtype == confidence.dtype == torch.uint8
    assert torch.equal(label, pixels[..., 0] + 1)
    assert torch.equal(confidence, pixels[..., 0] + 2)


def test_what_is_no_label_keeps_its_type(load):
    assert load("HALF INT32", labels=False)(torch.zeros(1, 4, 5, 3, dtype=torch.uint8))[0].dtype == torch.int32


def test_another_shape_is_refused_with_those_it_takes(load):
    engine = load("UINT8 UINT8")
    with pytest.raises(EngineError, match=r"takes pixels of \(1, 4, 5, 3\) to \(3, 4, 5, 3\), got \(4, 4, 5, 3\)"):
        engine(torch.zeros(4, 4, 5, 3, dtype=torch.uint8))
    assert len(engine(torch.zeros(2, 4, 5, 3, dtype=torch.uint8))) == 2


def test_an_engine_that_fails_is_an_error(load):
    with pytest.raises(EngineError, match="does not run"):
        load("UINT8 UINT8")(torch.full((1, 4, 5, 3), 255, dtype=torch.uint8))


def test_a_plan_that_does_not_load_is_an_error(load, library):
    with pytest.raises(EngineError, match=f"one.plan does not load: {library.__name__} refuses it"):
        load("")


def test_kernels_of_a_batch_size_are_compiled_before_a_cuda_graph_captures_others(load, library):
    strategies = load("UINT8 UINT8")._engine.strategies
    assert strategies == (["eager"] if library.__name__ == "tensorrt_rtx" else [])


def test_the_stand_in_has_nothing_that_tensorrt_has_not(rtx):
    for ours, theirs in ((Runtime, rtx.Runtime), (Engine, rtx.ICudaEngine), (Context, rtx.IExecutionContext)):
        assert {name for name in vars(ours) if name[0] != "_"} - {"names"} <= set(dir(theirs))
    assert {t.name for t in Type} <= set(rtx.DataType.__members__)
    assert "EAGER" in rtx.DynamicShapesKernelSpecializationStrategy.__members__
