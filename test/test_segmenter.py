"""The Python API without ROS: what comes out has the size of what goes in."""

import numpy as np
import pytest
import torch

from seg_ros import segmenter as module
from seg_ros.engines import Engine
from seg_ros.errors import EngineError
from seg_ros.geometry import MODES, Fit
from seg_ros.results import Frame, Selection
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


def noise(size, bgr=False, seed=0):
    return Frame(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8), bgr)


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
