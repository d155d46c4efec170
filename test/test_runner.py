"""The CPU's runner: sizes, batches, errors, what is wanted. Each frame of a batch has its own result."""

import numpy as np
import pytest
import torch

from seg_ros.engines.opening import Engine
from seg_ros.errors import EngineError
from seg_ros.results import Frame, Selection, Wanted
from seg_ros.runner import CpuRunner
from seg_ros.segmenter import Segmenter
from test.objects import noise, segmented

RED = Engine("red", "fp32", "cpu", lambda pixels: (pixels[..., 0] // 25, pixels[..., 1]), {})


@pytest.fixture
def built():
    """Makes a runner whose labels are the red and whose confidence the green, and a list of its engines' shapes."""

    def built(**options):
        shapes = []

        def build(shape):
            shapes.append(shape)
            return RED

        return CpuRunner(build, "semantic", (64, 96), **options), shapes

    return built


def outputs(results):
    return [result.output for result in results]


@pytest.mark.parametrize("mode", ["stretch", "letterbox"])
def test_each_frame_of_a_batch_has_its_own_result(built, mode):
    runner, _ = built(mode=mode, batch=4)
    kinds = [((64, 96), False), ((48, 60), True), ((101, 37), True), ((64, 96), True)]
    frames = [noise(*kind, seed) for seed, kind in enumerate(kinds)]
    for frame, result in zip(frames, outputs(runner.run(frames, Wanted())), strict=True):
        alone = segmented(runner, frame)
        assert result.label.shape == (frame.height, frame.width)
        assert len(np.unique(result.label)) > 5
        np.testing.assert_array_equal(result.label, alone.label)
        np.testing.assert_array_equal(result.confidence, alone.confidence)


def test_a_batch_gives_what_one_by_one_gives(small_weights):
    runner = Segmenter.open(small_weights, engine="eager", precision="fp32", batch=4).runner
    sizes = [(64, 96), (48, 60), (101, 37), (64, 96)]
    frames = [
        noise(size, bgr, seed) for seed, (size, bgr) in enumerate(zip(sizes, [False, True, True, True], strict=True))
    ]
    together = outputs(runner.run(frames, Wanted()))
    assert [result.label.shape for result in together] == sizes
    for frame, result in zip(frames, together, strict=True):
        alone = segmented(runner, frame)
        assert (result.label == alone.label).mean() > 0.999  # sums in another order may turn a tie
        assert np.abs(result.confidence.astype(int) - alone.confidence).max() <= 2


def test_a_batch_of_objects_gives_what_one_by_one_gives(small_instance_weights):
    runner = Segmenter.open(small_instance_weights, engine="eager", precision="fp32", batch=2).runner
    frames, wanted = [noise((64, 96)), noise((48, 60), True, 1)], Wanted(selection=Selection(score_threshold=0.0))
    for frame, result in zip(frames, outputs(runner.run(frames, wanted)), strict=True):
        alone = segmented(runner, frame, wanted)
        assert len(result) > 0
        np.testing.assert_array_equal(result.class_id, alone.class_id)
        np.testing.assert_allclose(result.score, alone.score, atol=1e-4)
        np.testing.assert_allclose(result.box, alone.box, atol=0.1)


@pytest.mark.parametrize(
    ("batch", "count", "sizes"),
    [(1, 3, [1, 1, 1]), (4, 0, []), (4, 1, [1]), (4, 3, [1, 1, 1]), (4, 4, [4]), (4, 6, [4, 1, 1]), (2, 5, [2, 2, 1])],
)
def test_full_batches_then_one_by_one(batch, count, sizes):
    runner = CpuRunner(lambda shape: RED, "semantic", (64, 96), batch=batch)
    frames = [noise((8, 8 + i)) for i in range(count)]
    slices = list(runner.batches(frames))
    assert [len(frames[part]) for part in slices] == sizes
    assert [frame for part in slices for frame in frames[part]] == frames


@pytest.mark.parametrize("count", [0, 2, 3, 5])
def test_the_wrong_number_of_frames_is_refused(count):
    runner = CpuRunner(lambda shape: RED, "semantic", (64, 96), batch=4)
    with pytest.raises(ValueError, match=f"expected 1 or 4 frames, got {count}"):
        runner.run([noise((64, 96))] * count, Wanted())


@pytest.mark.parametrize("mode", ["stretch", "letterbox"])
def test_an_engine_for_full_batches_and_one_for_single_frames(built, mode):
    runner, shapes = built(mode=mode, batch=4)
    for count in (4, 1, 4, 1):
        runner.run([noise((48, 60))] * count, Wanted())
    assert sorted(shapes) == [(1, 64, 96), (4, 64, 96)]


def test_native_takes_one_frame_at_a_time_and_keeps_four_sizes(built):
    runner, shapes = built(mode="native", batch=4)
    assert runner.batch == 1
    sizes = [(10, 10), (20, 20), (30, 30), (40, 40)]
    frames = [noise(size) for size in sizes]
    assert [len(frames[part]) for part in runner.batches(frames)] == [1, 1, 1, 1]
    for frame in frames * 2:
        runner.prepare(frame)
    assert shapes == [(1, 64, 96)] + [(1, *size) for size in sizes]
    segmented(runner, frames[0])  # used last: it stays
    runner.prepare(noise((50, 50)))
    assert [runner.ready(frame) for frame in frames] == [True, False, True, True]  # used longest ago: it had to go
    assert runner.ready(noise((64, 96)))  # always


def test_native_letterboxes_what_it_is_not_prepared_for(built):
    runner, shapes = built(mode="native")
    frame = noise((48, 60))
    assert not runner.ready(frame)
    before = segmented(runner, frame)
    np.testing.assert_array_equal(before.label, segmented(built(mode="letterbox")[0], frame).label)
    assert shapes == [(1, 64, 96)]
    runner.prepare(frame)
    assert runner.ready(frame)
    assert (segmented(runner, frame).label == frame.pixels[..., 0] // 25).all()


def test_confidence_comes_only_if_it_is_wanted(built):
    runner, _ = built()
    frame = noise((48, 60))
    both = runner.run([frame], Wanted())[0]
    label = runner.run([frame], Wanted(confidence=False))[0]
    assert label.output.confidence is None
    assert both.output.confidence.shape == (48, 60)
    np.testing.assert_array_equal(label.output.label, both.output.label)
    assert set(both.timings) == {"resize", "infer", "restore"}
    assert both.frame is frame


@pytest.mark.parametrize(
    ("raised", "fatal", "reason"),
    [
        (torch.OutOfMemoryError("no memory"), False, "memory"),
        (RuntimeError("bad shape"), False, "engine"),
        (RuntimeError("CUDA error: an illegal memory access"), True, "engine"),
        (RuntimeError("CUDA error: out of memory"), False, "memory"),  # pinned memory
    ],
)
def test_what_an_engine_raises_becomes_an_engine_error(raised, fatal, reason):
    def run(pixels):
        raise raised

    runner = CpuRunner(lambda shape: Engine("broken", "fp32", "cpu", run, {}), "semantic", (64, 96))
    with pytest.raises(EngineError) as caught:
        segmented(runner, noise((64, 96)))
    assert (caught.value.fatal, caught.value.reason) == (fatal, reason)


@pytest.mark.parametrize("size", [(64, 96), (30, 40)])
def test_pixels_that_are_not_finite_cost_the_frame(size):
    def run(pixels):
        label = torch.zeros(1, 64, 96, dtype=torch.uint8)
        label[0, 11, 13 : 13 + bad] = 255
        return label, torch.zeros_like(label)

    runner = CpuRunner(lambda shape: Engine("fast", "bf16", "cpu", run, {}), "semantic", (64, 96))
    frame, bad = Frame(np.zeros((*size, 3), np.uint8)), 1
    with pytest.raises(EngineError, match=r"fast bf16 .* NaN or Inf at 1 of 6144 pixels; try the precision") as caught:
        segmented(runner, frame)
    assert (caught.value.fatal, caught.value.reason) == (False, "not_finite")
    bad = 0
    assert not segmented(runner, frame).label.any()


def test_objects_that_are_not_finite_cost_the_frame():
    def run(pixels):
        box = torch.tensor([0.0, 0.0, 48.0, 64.0])
        return box.expand(1, 2, 4), torch.full((1, 2), score), torch.tensor([[8, 9]]), torch.ones(1, 2, 28, 28)

    runner = CpuRunner(lambda shape: Engine("fast", "bf16", "cpu", run, {}), "instances", (64, 96))
    frame, score = Frame(np.zeros((64, 96, 3), np.uint8)), -1.0
    with pytest.raises(EngineError, match="NaN or Inf among the numbers of its objects") as caught:
        segmented(runner, frame)
    assert caught.value.reason == "not_finite"
    for score, count in ((0.0, 0), (0.9, 2)):  # noqa: B007 (`run` reads it)
        assert len(segmented(runner, frame).masks) == count
