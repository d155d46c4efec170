"""Several frames in one inference: each gets its own result, and no camera waits for another."""

import numpy as np
import pytest

from seg_ros.engines.opening import Engine
from seg_ros.results import Selection
from seg_ros.segmenter import Segmenter
from seg_ros.weights import load
from test.objects import noise


@pytest.fixture
def built(small_weights):
    """Makes a segmenter whose labels are the red and whose confidence the green, and a list of its engines' shapes."""

    def built(**options):
        shapes, (manifest, _) = [], load(small_weights)

        def build(shape):
            shapes.append(shape)
            return Engine("red", "fp32", "cpu", lambda pixels: (pixels[..., 0] // 25, pixels[..., 1]), {})

        return Segmenter(manifest, build, (64, 96), **options), shapes

    return built


@pytest.mark.parametrize("mode", ["stretch", "letterbox"])
def test_each_frame_of_a_batch_has_its_own_result(built, mode):
    segmenter, _ = built(mode=mode, batch=4)
    kinds = [((64, 96), False), ((48, 60), True), ((101, 37), True), ((64, 96), True)]
    frames = [noise(*kind, seed) for seed, kind in enumerate(kinds)]
    for frame, result in zip(frames, segmenter.segment(frames), strict=True):
        alone = segmenter(frame)
        assert result.label.shape == (frame.height, frame.width)
        assert len(np.unique(result.label)) > 5
        np.testing.assert_array_equal(result.label, alone.label)
        np.testing.assert_array_equal(result.confidence, alone.confidence)


def test_a_batch_gives_what_one_by_one_gives(small_weights):
    segmenter = Segmenter.open(small_weights, engine="eager", precision="fp32", batch=4)
    sizes = [(64, 96), (48, 60), (101, 37), (64, 96)]
    frames = [
        noise(size, bgr, seed) for seed, (size, bgr) in enumerate(zip(sizes, [False, True, True, True], strict=True))
    ]
    together = segmenter.segment(frames)
    assert [result.label.shape for result in together] == sizes
    for frame, result in zip(frames, together, strict=True):
        alone = segmenter(frame)
        assert (result.label == alone.label).mean() > 0.999  # sums in another order may turn a tie
        assert np.abs(result.confidence.astype(int) - alone.confidence).max() <= 2


def test_a_batch_of_objects_gives_what_one_by_one_gives(small_instance_weights):
    segmenter = Segmenter.open(small_instance_weights, engine="eager", precision="fp32", batch=2)
    frames, selection = [noise((64, 96)), noise((48, 60), True, 1)], Selection(score_threshold=0.0)
    for frame, result in zip(frames, segmenter.segment(frames, selection), strict=True):
        alone = segmenter(frame, selection)
        assert len(result) > 0
        np.testing.assert_array_equal(result.class_id, alone.class_id)
        np.testing.assert_allclose(result.score, alone.score, atol=1e-4)
        np.testing.assert_allclose(result.box, alone.box, atol=0.1)


@pytest.mark.parametrize(
    ("batch", "count", "sizes"),
    [(1, 3, [1, 1, 1]), (4, 0, []), (4, 1, [1]), (4, 3, [1, 1, 1]), (4, 4, [4]), (4, 6, [4, 1, 1]), (2, 5, [2, 2, 1])],
)
def test_full_batches_then_one_by_one(small_weights, batch, count, sizes):
    segmenter = Segmenter.open(small_weights, engine="eager", batch=batch)
    frames = [noise((8, 8 + i)) for i in range(count)]
    slices = list(segmenter.batches(frames))
    assert [len(frames[part]) for part in slices] == sizes
    assert [frame for part in slices for frame in frames[part]] == frames


@pytest.mark.parametrize("count", [0, 2, 3, 5])
def test_the_wrong_number_of_frames_is_refused(small_weights, count):
    segmenter = Segmenter.open(small_weights, engine="eager", batch=4)
    with pytest.raises(ValueError, match=f"expected 1 or 4 frames, got {count}"):
        segmenter.segment([noise((64, 96))] * count)


@pytest.mark.parametrize("mode", ["stretch", "letterbox"])
def test_an_engine_for_full_batches_and_one_for_single_frames(built, mode):
    segmenter, shapes = built(mode=mode, batch=4)
    for count in (4, 1, 4, 1):
        segmenter.segment([noise((48, 60))] * count)
    assert sorted(shapes) == [(1, 64, 96), (4, 64, 96)]


def test_native_takes_one_frame_at_a_time_and_keeps_four_engines(built):
    segmenter, shapes = built(mode="native", batch=4)
    assert segmenter.batch == 1
    sizes = [(64, 96), (10, 10), (20, 20), (30, 30)]
    frames = [noise(size) for size in sizes]
    assert [len(frames[part]) for part in segmenter.batches(frames)] == [1, 1, 1, 1]
    for frame in frames * 2:
        segmenter(frame)
    assert shapes == [(1, *size) for size in sizes]
    segmenter(frames[0])  # used last: it stays
    segmenter(noise((40, 40)))
    segmenter(frames[0])
    segmenter(frames[1])  # used longest ago: it had to go
    assert shapes == [(1, *size) for size in [*sizes, (40, 40), (10, 10)]]
