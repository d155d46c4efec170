"""The Python API without ROS: what comes out has the size of what goes in."""

import numpy as np
import pytest

import seg_ros
from seg_ros.engines.opening import Engine
from seg_ros.geometry import MODES
from seg_ros.results import Frame
from seg_ros.segmenter import Segmenter


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
    assert segmenter.runner.input_size == (32, 48)
    assert segmenter(Frame(np.zeros((64, 96, 3), np.uint8))).label.shape == (64, 96)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(64, 96), (479, 641), (100, 1000), (1080, 1920)])
def test_every_mode_serves_every_size(small_weights, mode, size):
    segmenter = Segmenter.open(small_weights, engine="eager", mode=mode)
    result = segmenter(Frame(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)))
    assert result.label.shape == result.confidence.shape == size


def test_native_agrees_with_an_input_of_that_size(small_weights):
    frame = Frame(np.random.default_rng(0).integers(0, 256, (61, 93, 3), np.uint8))
    native = Segmenter.open(small_weights, engine="eager", mode="native")(frame)
    fixed = Segmenter.open(small_weights, engine="eager", input_size=(61, 93))(frame)
    assert np.array_equal(native.label, fixed.label)


@pytest.mark.parametrize(
    ("precision", "wrong", "labels", "level"),
    [
        ("fp32", 0, "100.00", "INFO"),
        ("fp32", 5, "94.79", "WARNING"),
        ("int8", 5, "94.79", "INFO"),
        ("int8", 20, "79.17", "WARNING"),
    ],
)
def test_what_was_compiled_just_now_is_compared_with_plain_pytorch(
    small_weights, monkeypatch, caplog, precision, wrong, labels, level
):
    def compiled(name, graph, shape, *_):
        def run(pixels):
            label, confidence = graph(pixels)
            label[:, :, :wrong] = 254
            return label, confidence

        return Engine("compiled", precision, "cpu", run, {}, seconds=12.0)

    monkeypatch.setattr("seg_ros.segmenter.open_engine", compiled)
    with caplog.at_level("INFO", "seg_ros"):
        Segmenter.open(small_weights)
    [said] = [record for record in caplog.records if "of the labels" in record.message]
    assert said.levelname == level
    assert said.message.startswith(f"engine compiled {precision}: {labels} %")


def test_the_front_door_takes_what_opencv_reads(small_weights):
    net = seg_ros.open(small_weights, engine="eager")
    pixels = np.random.default_rng(5).integers(0, 256, (48, 60, 3), np.uint8)
    result = net(pixels)
    assert isinstance(result, seg_ros.SemanticMap)
    assert np.array_equal(result.label, net(seg_ros.Frame(pixels, bgr=True)).label)
    assert net(pixels, seg_ros.Wanted(confidence=False)).confidence is None
    assert (net.task, len(net.classes)) == ("semantic", 11)


def test_what_is_no_picture_is_refused(segmenter):
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\) uint8 pixels as cv2.imread gives them, got None"):
        segmenter(None)
