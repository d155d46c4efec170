"""What the lift node says of itself: the worst of the last second, with its reason."""

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from seg_ros.ros.diagnostics import ERROR, OK, WARN
from seg_ros.ros.failures import CallbackErrors, Problem
from seg_ros.ros.lift_diagnosis import LiftDiagnosis, Sight
from seg_ros.ros.transitions import Progress

BEFORE = {"came": 100, "out": 50, "labelled": 50, "unmatched": 40, "size": 10}


def sight(state="lifting", came=0, out=0, labelled=0, **dropped):
    counts = {"frames_in": came, "frames_out": out, "dropped": dropped, "period": 0.1, "work": 0.0}
    return Sight(state, "/depth", "/seg/label", counts, labelled, {})


class Published:
    """A node whose diagnostics are kept."""

    def __init__(self, node):
        self.get_clock, self.get_fully_qualified_name = node.get_clock, node.get_fully_qualified_name
        self.get_logger, self.arrays = node.get_logger, []

    def create_publisher(self, *_):
        return self

    def publish(self, array):
        self.arrays.append(array)


@pytest.fixture
def says(graph):
    """Gives the level and message of the second that ends with these counts; others are those of its beginning."""
    problem, node = Problem(), Published(graph.client)
    diagnosis = LiftDiagnosis(node, problem, Progress(), CallbackErrors(graph.client))

    def says(**now):
        diagnosis.publish(sight(**BEFORE))
        diagnosis.publish(sight(**BEFORE | now))
        status = node.arrays[-1].status[0]
        assert status.name == "/client: lift"
        return status.level, status.message

    says.problem = problem
    return says


@pytest.mark.parametrize(
    ("now", "level", "message"),
    [
        ({"came": 130, "out": 60, "labelled": 60, "unmatched": 60}, OK, "lifting"),
        ({"came": 130, "out": 60, "labelled": 60, "size": 12}, WARN, "bad measurements: 2 size"),
        ({"came": 130, "labelled": 60, "size": 40}, ERROR, "only bad measurements: 30 size"),
        ({"labelled": 60}, ERROR, "nothing on /depth"),
        ({"came": 130, "unmatched": 70}, ERROR, "no label on /seg/label"),
        ({"came": 130, "labelled": 60, "unmatched": 70}, WARN, "within the tolerance: 30 unmatched"),
        ({"state": "idle: no subscriber"}, OK, "idle: no subscriber"),
    ],
)
def test_the_worst_of_the_last_second(says, now, level, message):
    found = says(**now)
    assert found[0] == level
    assert message in found[1]


def test_what_failed_in_the_node_comes_first(says):
    says.problem.failed("configure", "no weights")
    assert says(labelled=60) == (ERROR, "configure failed: no weights")
