"""What reaches the log and the diagnostics, whoever wrote it."""

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from seg_ros.ros.failures import Problem


def test_a_problem_is_one_legible_line_whatever_a_peer_set():
    text = Problem().failed("configure", "no file 'a\x1b[31mb\n\nc\x00" + "x" * 10_000_000)
    assert text.startswith("configure failed: no file 'a\N{REPLACEMENT CHARACTER}[31mb c\N{REPLACEMENT CHARACTER}xxx")
    assert len(text) == 2000
    assert text.isprintable()
