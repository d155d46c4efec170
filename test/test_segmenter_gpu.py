"""Frames that go through the step of a GPU, which a stand-in plays here."""

import numpy as np
import pytest
import torch

from seg_ros import segmenter as module
from seg_ros.engines.opening import Engine
from seg_ros.errors import EngineError
from seg_ros.geometry import MODES, Fit
from seg_ros.results import Frame
from seg_ros.segmenter import Segmenter
from seg_ros.weights import load
from test.objects import noise


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
    engine = Engine("fast", "fp16", "cuda", None, {})
    return lambda mode, batch=1: Segmenter(manifest, lambda shape: engine, (64, 96), mode, batch=batch)


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
    with pytest.raises(EngineError, match="NaN or Inf at 2880 of 2880 pixels"):
        segmenter(Frame(np.full((48, 60, 3), 255, np.uint8)))


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


# Several frames at once


def test_a_step_of_a_gpu_holds_frames_that_are_alike(on_gpu):
    segmenter = on_gpu("stretch", batch=2)
    alike = [noise((48, 60), seed=seed) for seed in (1, 2)]
    for frame in alike:
        frame.pixels[frame.pixels == 255] = 0  # label 255 is an error
    assert [len(alike[part]) for part in segmenter.batches(alike)] == [2]
    for frame, result in zip(alike, segmenter.segment(alike), strict=True):
        assert np.array_equal(result.label, frame.pixels[..., 0])
        assert np.array_equal(result.confidence, frame.pixels[..., 1])
    for other in (noise((48, 61)), noise((48, 60), bgr=True)):
        assert list(segmenter.batches([alike[0], other])) == [slice(0, 1), slice(1, 2)]
