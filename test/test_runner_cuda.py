"""Frames that go through the step of a GPU, which a stand-in plays here."""

import numpy as np
import pytest
import torch

from seg_ros import runner as module
from seg_ros.engines.opening import Engine
from seg_ros.errors import EngineError
from seg_ros.geometry import MODES, Resize
from seg_ros.results import Frame, Wanted
from seg_ros.runner import CudaRunner
from test.objects import noise, segmented


class Step:
    """Stands for the step of a GPU: as label the frame's red, as confidence its green, in buffers that it keeps."""

    made = ()

    def __init__(self, run, resize, bgr, maps, count):
        Step.made += ((resize, bgr, maps),)
        self.staging = np.zeros((count, *resize.frame, 3), np.uint8)
        self.order = (2, 1) if bgr else (0, 1)
        self.results = np.zeros((2, count, *resize.frame), np.uint8)

    def run(self):
        for result, channel in zip(self.results, self.order, strict=True):
            result[:] = self.staging[..., channel]
        return tuple(self.results)


@pytest.fixture
def on_gpu(monkeypatch):
    monkeypatch.setattr(module, "Step", Step)
    monkeypatch.setattr(Step, "made", ())
    engine = Engine("fast", "fp16", "cuda", None, {})
    return lambda mode, batch=1: CudaRunner(lambda shape: engine, "semantic", (64, 96), mode, batch)


def test_on_a_gpu_the_frame_goes_through_the_step(on_gpu):
    runner = on_gpu("stretch")
    wide = np.random.default_rng(0).integers(1, 255, (48, 70, 3), np.uint8)  # label 255 is an error
    frame = Frame(wide[:, :60])
    first = segmented(runner, frame)
    assert np.array_equal(first.label, frame.pixels[..., 0])
    assert np.array_equal(first.confidence, frame.pixels[..., 1])
    assert runner.run([frame], Wanted(confidence=False))[0].output.confidence is None
    segmented(runner, Frame(255 - frame.pixels))
    assert np.array_equal(first.label, frame.pixels[..., 0])  # results are the caller's
    with pytest.raises(EngineError, match="NaN or Inf at 2880 of 2880 pixels"):
        segmented(runner, Frame(np.full((48, 60, 3), 255, np.uint8)))


@pytest.mark.parametrize("mode", MODES)
def test_a_step_serves_until_the_camera_changes(on_gpu, mode):
    runner = on_gpu(mode)
    frames = [Frame(np.zeros((*size, 3), np.uint8), bgr) for size, bgr in [((48, 60), 0), ((48, 60), 1), ((64, 96), 1)]]
    for frame in frames:
        runner.prepare(frame)
        for _ in range(3):
            assert segmented(runner, frame).label.shape == (frame.height, frame.width)
    assert Step.made == tuple((Resize.of((f.height, f.width), (64, 96), mode), f.bgr, True) for f in frames)


def test_a_step_that_cannot_be_made_is_tried_again(on_gpu, monkeypatch):
    def fail(*_):
        raise torch.OutOfMemoryError("no memory")

    runner, frame = on_gpu("stretch"), Frame(np.full((48, 60, 3), 7, np.uint8))
    with monkeypatch.context() as patch:
        patch.setattr(module, "Step", fail)
        for _ in range(2):
            with pytest.raises(EngineError, match="out of memory"):
                segmented(runner, frame)
    assert (segmented(runner, frame).label == 7).all()


# Several frames at once


def test_a_step_of_a_gpu_holds_frames_that_are_alike(on_gpu):
    runner = on_gpu("stretch", batch=2)
    alike = [noise((48, 60), seed=seed) for seed in (1, 2)]
    for frame in alike:
        frame.pixels[frame.pixels == 255] = 0  # label 255 is an error
    assert [len(alike[part]) for part in runner.batches(alike)] == [2]
    for frame, result in zip(alike, runner.run(alike, Wanted()), strict=True):
        assert result.frame is frame
        assert np.array_equal(result.output.label, frame.pixels[..., 0])
        assert np.array_equal(result.output.confidence, frame.pixels[..., 1])
    for other in (noise((48, 61)), noise((48, 60), bgr=True)):
        assert list(runner.batches([alike[0], other])) == [slice(0, 1), slice(1, 2)]
