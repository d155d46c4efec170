"""The line of the debug log: what became of the frames since the line before."""

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from seg_ros.ros.traffic import Traffic
from seg_ros.statistics import Statistics


def test_a_line_says_what_became_of_the_frames_since_the_last():
    statistics, traffic = Statistics(), Traffic()
    assert traffic.line(statistics) == ""
    for _ in range(5):
        statistics.arrived()
    statistics.published({"decode": 0.5, "infer": 0.25}, age=1.0)
    statistics.published({"decode": 0.001, "infer": 0.0405}, age=0.055)
    statistics.drop("stale")
    newest = "newest frame: decode 1.0, infer 40.5, age 55.0 ms"
    assert traffic.line(statistics) == f"5 in, 2 out, 1 dropped as stale; {newest}"
    assert traffic.line(statistics) == ""
    statistics.drop("encoding")
    statistics.drop("encoding")
    assert traffic.line(statistics) == "2 dropped as encoding"
