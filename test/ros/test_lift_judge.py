"""The judge of lifted clouds and boxes: right and wrong ones give the figures that they should."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from visualization_msgs.msg import Marker

from seg_ros.classes import CAMVID
from seg_ros.lifting import POINT, Box
from seg_ros.lifting.boxes import OPTICAL
from seg_ros.overlay import id_colors
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


def test_boxes_have_the_colour_of_their_track_and_a_trail_which_is_no_box(judge):
    made = Box(1, CAR, 1.0, np.float64((0, 0, 10)), np.float64((4, 2, 1.5)), 0.3, 99, track_id=2**31 + 4)
    trail = np.float64([(0, 0, 12), (0, 0, 11), (0, 0, 10)])
    lifted = Lifted((1, 0), "eye", np.empty(0), [made], OPTICAL, {2**31 + 4: trail, 9: trail[:1]})
    _, cube, line = markers(lifted, CAMVID).markers
    color = id_colors([2**31 + 4])[0] / 255
    for marker in (cube, line):
        assert marker.id == 5
        np.testing.assert_allclose((marker.color.r, marker.color.g, marker.color.b), color, atol=1e-6)
    assert (line.ns, line.type, [p.z for p in line.points]) == ("trail", Marker.LINE_STRIP, [12, 11, 10])
    judge._came_boxes(judge._true_boxes, boxes(10.0))
    judge._came_boxes(judge._boxes, markers(lifted, CAMVID))
    assert judge.figures()["box3d_iou50"] == 1.0
