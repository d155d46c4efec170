"""What a judge makes of messages and their truth, and how figures are told."""

import json

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from seg_ros.classes import CAMVID
from seg_ros.metrics.tracks import find_trackeval
from seg_ros.models import INSTANCES, SEMANTIC, TASKS
from seg_ros.results import Frame
from seg_ros.ros import messages
from seg_ros.ros.figures import Figures
from seg_ros.ros.judges import JUDGES, objects
from test.objects import followed, found

FRAME = Frame(np.zeros((20, 30, 3), np.uint8))


def mono8(pixels):
    return messages.image(messages.header(FRAME), pixels, "mono8")


def test_there_is_one_for_each_task():
    assert set(JUDGES) == set(TASKS)


def test_labels():
    judge = JUDGES[SEMANTIC](CAMVID)
    assert judge.figures() == {"miou": None, "iou": None}
    assert judge.by_class(judge.figures()) == {}
    truth = np.zeros((20, 30), np.uint8)
    truth[:10] = CAMVID.names.index("car")
    judge.add((mono8(truth),), mono8(truth))
    assert judge.live()["miou"] == 1.0
    judge.add((mono8(truth),), mono8(np.zeros_like(truth)))
    figures = judge.figures()
    assert 0.5 < figures["miou"] < 1.0
    assert judge.by_class(figures)["car"] == 0.5
    assert judge.judged == 2
    with pytest.raises(ValueError, match="differ in shape"):
        judge.add((mono8(truth),), mono8(truth[:5]))
    judge.reset()
    assert judge.figures()["miou"] is None


def test_objects():
    result = found()
    message = messages.instances(messages.header(FRAME), result, CAMVID)
    back = objects(message)
    assert (back.size, back.class_id.tolist(), back.roi.tolist()) == (
        result.size, result.class_id.tolist(), result.roi.tolist(),
    )  # fmt: skip
    assert all(np.array_equal(a, b) for a, b in zip(back.masks, result.masks, strict=True))
    judge = JUDGES[INSTANCES](CAMVID)
    assert judge.figures()["mask_ap50"] is None
    assert (judge.live(), judge.summary(judge.figures())) == ({}, "")
    ids = result.ids()
    label = np.zeros_like(ids, np.uint8)
    for number, class_id in enumerate(result.class_id, start=1):
        label[ids == number] = class_id
    truth = messages.image(messages.header(FRAME), ids.astype(np.uint16), "16UC1")
    judge.add((mono8(label), truth), message)
    assert judge.figures()["hota"] is None  # no object has a track
    judge.add((mono8(label), truth), message)  # within a fifth of a second
    assert judge.judged == 1
    figures = judge.figures()
    assert 0.5 < figures["mask_ap50"] <= 1.0
    assert judge.summary(figures).startswith("mask_ap ")
    assert judge.by_class(figures).keys() == {"car", "pedestrian", "bicyclist"}


def test_tracks():
    if not find_trackeval():
        pytest.skip("TrackEval is not installed: requirements/tracking.txt")
    result, judge = followed(), JUDGES[INSTANCES](CAMVID)
    message = messages.instances(messages.header(FRAME), result, CAMVID)
    assert objects(message).tracks.track_id.tolist() == [7, 0, 65540]
    label = result.semantic().label
    truth = messages.image(messages.header(FRAME), result.ids(), "16UC1")
    for track in (7, 7, 9):
        message.instances[0].track_id = track
        judge._last = 0.0  # as if time had passed
        judge.add((mono8(label), truth), message)
    figures = judge.figures()
    assert figures["id_switches"] == 1
    assert 0.3 < figures["hota"] < 0.9
    assert "id_switches 1" in judge.summary(figures)


def test_figures_are_one_line_of_json_and_one_for_people():
    figures = Figures(9, 7, {"stale": 2}, 3.5, 10.0, 20.0, {"infer": 8.0}, "eager", {"miou": 0.5})
    assert list(json.loads(figures.to_json())) == [
        "frames_in", "labels_out", "dropped", "fps", "age_p50_ms", "age_p99_ms", "stages_ms", "engine", "miou",
    ]  # fmt: skip
    assert "mIoU 0.500  eager  dropped: 2 stale  ms: infer 8.0" in figures.line("miou", "mIoU")
    assert "AP" not in figures.line("mask_ap50", "mask AP50")
