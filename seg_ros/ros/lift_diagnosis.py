"""Publishes what the lift node says of itself on `/diagnostics`."""

from __future__ import annotations

from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from seg_ros.ros.diagnostics import ERROR, OK, WARN, array, status
from seg_ros.ros.failures import CallbackErrors, Problem
from seg_ros.ros.transitions import Progress

_HARMLESS = frozenset({"stale", "transport", "unmatched"})
"""Reasons for a drop that are usual: the network is slower than the sensor."""


class Sight(NamedTuple):
    """The node at one moment.

    Attributes:
        state: "lifting", or why it does not.
        topic: of the measurements.
        labels: topic of the labels.
        counts, timings: of its `Statistics`.
        labelled: labels that came since the start.
    """

    state: str
    topic: str
    labels: str
    counts: dict
    labelled: int
    timings: dict


class LiftDiagnosis:
    """Says the worst first: what failed in the node, what is wrong with its inputs, what callbacks raised."""

    def __init__(self, node: Node, problem: Problem, progress: Progress, errors: CallbackErrors) -> None:
        self._node, self._problem, self._progress, self._errors = node, problem, progress, errors
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self._last: Sight | None = None

    def publish(self, sight: Sight) -> None:
        """Publishes a status of the time since the last call."""
        level, message = self._verdict(sight, self._last or sight)
        self._last = sight
        if str(self._problem):
            level, message = ERROR, str(self._problem)
        elif level == OK and str(self._errors):
            level, message = WARN, str(self._errors)
        elif level == OK:
            message = str(self._progress) or message
        counts = {
            k: v for k, v in sight.counts.items() if k in ("frames_in", "frames_out", "dropped", "period", "work")
        }
        values = {**counts, "labels_in": sight.labelled, **sight.timings, "callback_errors": self._errors.count}
        name = f"{self._node.get_fully_qualified_name()}: lift"
        self._publisher.publish(array(self._node.get_clock().now().to_msg(), [status(name, level, message, values)]))

    @staticmethod
    def _verdict(now: Sight, last: Sight) -> tuple[bytes, str]:
        if now.state != "lifting" or last.state != "lifting":
            return OK, now.state
        came = {key: now.counts[key] - last.counts[key] for key in ("frames_in", "frames_out")}
        before = last.counts["dropped"]
        lost = {r: n - before.get(r, 0) for r, n in now.counts["dropped"].items() if n > before.get(r, 0)}
        bad = ", ".join(f"{n} {reason}" for reason, n in sorted(lost.items()) if reason not in _HARMLESS)
        if came["frames_out"]:
            return (WARN, f"bad measurements: {bad}") if bad else (OK, "lifting")
        if bad:
            return ERROR, f"only bad measurements: {bad}"
        if not came["frames_in"]:
            return ERROR, f"nothing on {now.topic}"
        if now.labelled == last.labelled:
            return ERROR, f"no label on {now.labels}"
        return WARN, f"no measurement has a label within the tolerance: {lost.get('unmatched', 0)} unmatched"
