"""The Python API without ROS: what comes out has the size of what goes in."""

import numpy as np
import pytest
import torch

from seg_ros.engines.opening import Engine
from seg_ros.errors import EngineError
from seg_ros.geometry import MODES
from seg_ros.results import Frame
from seg_ros.segmenter import Segmenter
from seg_ros.weights import load


@pytest.fixture(scope="module")
def segmenter(small_weights):
    return Segmenter.open(small_weights, engine="eager")


@pytest.mark.parametrize("size", [(64, 96), (48, 60), (479, 641), (100, 1000), (1, 1)])
def test_result_has_the_size_of_the_frame(segmenter, size):
    frame = Frame(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))
    result = segmenter(frame)
    for array in (result.label, result.confidence):
        assert array.shape == size
        assert array.dtype == np.uint8
    assert result.label.max() < 11
    assert set(segmenter.stages) == {"resize", "infer", "restore"}


def test_channel_order_does_not_matter(segmenter):
    rgb = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    one = segmenter(Frame(rgb)).label.copy()
    other = segmenter(Frame(np.ascontiguousarray(rgb[..., ::-1]), bgr=True)).label
    assert np.array_equal(one, other)


def test_padded_rows_do_not_matter(segmenter):
    wide = np.random.default_rng(2).integers(0, 256, (64, 110, 3), np.uint8)
    view = wide[:, :96]
    assert np.array_equal(segmenter(Frame(view)).label, segmenter(Frame(view.copy())).label)


def test_the_frame_is_not_written(segmenter):
    pixels = np.random.default_rng(3).integers(0, 256, (64, 96, 3), np.uint8)
    before = pixels.copy()
    segmenter(Frame(pixels, bgr=True))
    assert np.array_equal(pixels, before)


def test_results_do_not_share_memory(segmenter):
    rng = np.random.default_rng(4)
    first = segmenter(Frame(rng.integers(0, 256, (64, 96, 3), np.uint8)))
    kept = first.label.copy()
    segmenter(Frame(rng.integers(0, 256, (64, 96, 3), np.uint8)))
    assert np.array_equal(first.label, kept)


def test_input_size_can_be_chosen(small_weights):
    segmenter = Segmenter.open(small_weights, engine="eager", input_size=(32, 48))
    assert segmenter.input_size == (32, 48)
    assert segmenter(Frame(np.zeros((64, 96, 3), np.uint8))).label.shape == (64, 96)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(64, 96), (479, 641), (100, 1000), (2160, 3840)])
def test_every_mode_serves_every_size(small_weights, mode, size):
    segmenter = Segmenter.open(small_weights, engine="eager", mode=mode)
    result = segmenter(Frame(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)))
    assert result.label.shape == result.confidence.shape == size
    assert segmenter.input_size == (size if mode == "native" else (64, 96))


def test_native_agrees_with_an_input_of_that_size(small_weights):
    frame = Frame(np.random.default_rng(0).integers(0, 256, (61, 93, 3), np.uint8))
    native = Segmenter.open(small_weights, engine="eager", mode="native")(frame)
    fixed = Segmenter.open(small_weights, engine="eager", input_size=(61, 93))(frame)
    assert np.array_equal(native.label, fixed.label)


@pytest.mark.parametrize(
    ("raised", "fatal", "reason"),
    [
        (torch.OutOfMemoryError("no memory"), False, "memory"),
        (RuntimeError("bad shape"), False, "engine"),
        (RuntimeError("CUDA error: an illegal memory access"), True, "engine"),
        (RuntimeError("CUDA error: out of memory"), False, "memory"),  # pinned memory
    ],
)
def test_what_an_engine_raises_becomes_an_engine_error(small_weights, raised, fatal, reason):
    def run(pixels):
        raise raised

    manifest, _ = load(small_weights)
    with pytest.raises(EngineError) as caught:
        Segmenter(manifest, lambda size: Engine("broken", "fp32", "cpu", run, {}), (64, 96))(
            Frame(np.zeros((64, 96, 3), np.uint8))
        )
    assert (caught.value.fatal, caught.value.reason) == (fatal, reason)


@pytest.mark.parametrize("size", [(64, 96), (30, 40)])
def test_pixels_that_are_not_finite_cost_the_frame(small_weights, size):
    def run(pixels):
        label = torch.zeros(1, 64, 96, dtype=torch.uint8)
        label[0, 11, 13 : 13 + bad] = 255
        return label, torch.zeros_like(label)

    manifest, _ = load(small_weights)
    segmenter = Segmenter(manifest, lambda shape: Engine("fast", "bf16", "cpu", run, {}), (64, 96))
    frame, bad = Frame(np.zeros((*size, 3), np.uint8)), 1
    with pytest.raises(EngineError, match=r"fast bf16 .* NaN or Inf at 1 of 6144 pixels; try the precision") as caught:
        segmenter(frame)
    assert (caught.value.fatal, caught.value.reason) == (False, "not_finite")
    bad = 0
    assert not segmenter(frame).label.any()


def test_objects_that_are_not_finite_cost_the_frame(small_instance_weights):
    def run(pixels):
        box = torch.tensor([0.0, 0.0, 48.0, 64.0])
        return box.expand(1, 2, 4), torch.full((1, 2), score), torch.tensor([[8, 9]]), torch.ones(1, 2, 28, 28)

    manifest, _ = load(small_instance_weights)
    segmenter = Segmenter(manifest, lambda shape: Engine("fast", "bf16", "cpu", run, {}), (64, 96), task="instances")
    frame, score = Frame(np.zeros((64, 96, 3), np.uint8)), -1.0
    with pytest.raises(EngineError, match="NaN or Inf among the numbers of its objects") as caught:
        segmenter(frame)
    assert caught.value.reason == "not_finite"
    for score, count in ((0.0, 0), (0.9, 2)):  # noqa: B007 (`run` reads it)
        assert len(segmenter(frame).masks) == count


@pytest.mark.parametrize(("wrong", "level"), [(0, "INFO"), (20, "WARNING")])
def test_what_was_compiled_just_now_is_compared_with_plain_pytorch(small_weights, monkeypatch, caplog, wrong, level):
    def compiled(name, graph, shape, *_):
        def run(pixels):
            label, confidence = graph(pixels)
            label[:, :, :wrong] = 254
            return label, confidence

        return Engine("compiled", "fp32", "cpu", run, {}, seconds=12.0)

    monkeypatch.setattr("seg_ros.segmenter.open_engine", compiled)
    with caplog.at_level("INFO", "seg_ros"):
        Segmenter.open(small_weights)
    [said] = [record for record in caplog.records if "of the labels" in record.message]
    assert said.levelname == level
    assert said.message.startswith("engine compiled: 100.00 %" if not wrong else "engine compiled: 79.17 %")
