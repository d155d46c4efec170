"""The judge of lifted clouds and boxes: right and wrong ones give the figures that they should."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from seg_ros.classes import CAMVID
from seg_ros.lifting import POINT, Box
from seg_ros.lifting.boxes import OPTICAL
from seg_ros.ros import messages
from seg_ros.ros.clouds import write_cloud
from seg_ros.ros.lift_judge import LiftJudge
from seg_ros.ros.lift_outputs import Lifted, markers

CAR, PEDESTRIAN, ROAD = 8, 9, 3


@pytest.fixture
def judge(graph):
    return LiftJudge(graph.client, "/lift", "/camera", False, CAMVID)


def test_points_are_compared_with_the_label_of_their_pixel(judge):
    truth = np.full((4, 5), ROAD, np.uint8)
    truth[:, 3:] = CAR
    cloud = np.zeros((4, 5), POINT)
    cloud["label"], cloud["z"] = truth, 5
    cloud["label"][:, 2] = CAR  # bleeds over a column of four
    cloud["z"][:, 0] = np.nan
    cloud["label"][0, 1] = 255
    judge._came(judge._truths, (1, 0), messages.serialized_image((1, 0), "eye", truth, "mono8"))
    assert judge.figures()["point_accuracy"] is None
    judge._came(judge._clouds, (1, 0), write_cloud((1, 0), "eye", cloud))
    figures = judge.figures()
    assert figures["point_accuracy"] == pytest.approx(11 / 15)
    assert figures["bleed"] == pytest.approx(4 / 12)


def boxes(*places, class_id=CAR, truncated=False):
    """A message of boxes of 4 x 2 x 1.5 m at these distances."""
    made = [
        Box(i, class_id, 1.0, np.float64((0, 0, z)), np.float64((4, 2, 1.5)), 0.3, 99, truncated)
        for i, z in enumerate(places, 1)
    ]
    return markers(Lifted((1, 0), "eye", np.empty(0), made, OPTICAL), CAMVID)


@pytest.mark.parametrize(
    ("found", "true", "centre", "iou50"),
    [
        (boxes(10.0), boxes(10.0), 0.0, 1.0),
        (boxes(10.5, 20.0), boxes(10.0, 20.0, 28.0), 0.25, 2 / 3),
        (boxes(12.0), boxes(10.0), 2.0, 0.0),
        (boxes(10.4), boxes(10.0, 12.0), 0.4, 1 / 2),  # one box is not of two objects
        (boxes(10.0, class_id=PEDESTRIAN), boxes(10.0), None, None),
        (boxes(10.0), boxes(10.0, truncated=True), None, None),
        (boxes(40.0), boxes(40.0), None, None),
    ],
)
def test_boxes_are_paired_with_the_nearest_of_their_class(judge, found, true, centre, iou50):
    judge._came_boxes(judge._true_boxes, true)
    judge._came_boxes(judge._boxes, found)
    figures = judge.figures()
    assert figures["box3d_centre_m"] == (None if centre is None else pytest.approx(centre, abs=1e-5))
    assert figures["box3d_iou50"] == (None if iou50 is None else pytest.approx(iou50))
