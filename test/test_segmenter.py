"""The Python API without ROS: what comes out has the size of what goes in."""

import numpy as np
import pytest
import torch

from seg_ros import segmenter as module
from seg_ros.engines import Engine
from seg_ros.errors import EngineError
from seg_ros.geometry import MODES, Fit
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
    ("raised", "fatal"),
    [
        (torch.OutOfMemoryError("no memory"), False),
        (RuntimeError("bad shape"), False),
        (RuntimeError("CUDA error: an illegal memory access"), True),
        (RuntimeError("CUDA error: out of memory"), False),  # pinned memory
    ],
)
def test_what_an_engine_raises_becomes_an_engine_error(small_weights, raised, fatal):
    def run(pixels):
        raise raised

    manifest, _ = load(small_weights)
    with pytest.raises(EngineError) as caught:
        Segmenter(manifest, lambda size: Engine("broken", "fp32", "cpu", run, {}), (64, 96))(
            Frame(np.zeros((64, 96, 3), np.uint8))
        )
    assert caught.value.fatal is fatal


class Step:
    """Stands for the step of a GPU: as label the frame's red, as confidence its green, in buffers that it keeps."""

    made = ()

    def __init__(self, run, fit, bgr, task, count):
        Step.made += ((fit, bgr, task),)
        self.staging = np.zeros((count, *fit.frame, 3), np.uint8)
        self.order = (2, 1) if bgr else (0, 1)
        self.results = np.zeros((2, count, *fit.frame), np.uint8)

    def run(self):
        for result, channel in zip(self.results, self.order, strict=True):
            result[:] = self.staging[..., channel]
        return tuple(self.results)


@pytest.fixture
def on_gpu(small_weights, monkeypatch):
    monkeypatch.setattr(module, "Step", Step)
    monkeypatch.setattr(Step, "made", ())
    manifest, _ = load(small_weights)
    return lambda mode: Segmenter(manifest, lambda size: Engine("fast", "fp16", "cuda", None, {}), (64, 96), mode)


def test_on_a_gpu_the_frame_goes_through_the_step(on_gpu):
    segmenter = on_gpu("stretch")
    wide = np.random.default_rng(0).integers(1, 255, (48, 70, 3), np.uint8)  # label 255 is an error
    frame = Frame(wide[:, :60])
    first = segmenter(frame)
    assert np.array_equal(first.label, frame.pixels[..., 0])
    assert np.array_equal(first.confidence, frame.pixels[..., 1])
    assert set(segmenter.stages) == {"resize", "infer", "restore"}
    segmenter(Frame(255 - frame.pixels))
    assert np.array_equal(first.label, frame.pixels[..., 0])  # results are the caller's


@pytest.mark.parametrize("mode", MODES)
def test_a_step_serves_until_the_camera_changes(on_gpu, mode):
    segmenter = on_gpu(mode)
    frames = [Frame(np.zeros((*size, 3), np.uint8), bgr) for size, bgr in [((48, 60), 0), ((48, 60), 1), ((64, 96), 1)]]
    for frame in frames:
        for _ in range(3):
            assert segmenter(frame).label.shape == (frame.height, frame.width)
    assert Step.made == tuple((Fit.of((f.height, f.width), (64, 96), mode), f.bgr, "semantic") for f in frames)


def test_a_step_that_cannot_be_made_is_tried_again(on_gpu, monkeypatch):
    def fail(*_):
        raise torch.OutOfMemoryError("no memory")

    segmenter, frame = on_gpu("stretch"), Frame(np.full((48, 60, 3), 7, np.uint8))
    with monkeypatch.context() as patch:
        patch.setattr(module, "Step", fail)
        for _ in range(2):
            with pytest.raises(EngineError, match="out of memory"):
                segmenter(frame)
    assert (segmenter(frame).label == 7).all()


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
