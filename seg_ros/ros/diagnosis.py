"""Publishes what a segmentation node says of itself on `/diagnostics`: one status a camera."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from seg_ros.ros.cameras import Camera
from seg_ros.ros.diagnostics import ERROR, OK, WARN, Look, array, status
from seg_ros.ros.failures import CallbackErrors, Problem
from seg_ros.ros.surroundings import Surroundings
from seg_ros.ros.transitions import Progress

if TYPE_CHECKING:
    from seg_ros.engines.opening import Engine


class Diagnosis:
    """Says the worst first: what failed in the node, what is wrong with a camera, what callbacks raised, what goes on.

    Args:
        problem, progress, callback_errors: of the node.
    """

    def __init__(self, node: Node, problem: Problem, progress: Progress, callback_errors: CallbackErrors) -> None:
        self._node, self._problem, self._progress, self._errors = node, problem, progress, callback_errors
        self._surroundings = Surroundings(node)
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 1)

    def publish(
        self,
        looks: Sequence[tuple[Camera, Look]],
        engine: Engine | None,
        waiting: Sequence[Camera],
        reliability: str,
    ) -> None:
        """Publishes a status for each camera, or one for the node where it has none.

        Args:
            looks: at all cameras, now.
            engine: in use; None before configure.
            waiting: cameras whose images the node waits for.
            reliability: parameter `input_reliability`.
        """
        about = {
            "engine": engine.name if engine else "none",
            "device": engine.device if engine else "",
            "precision": engine.precision if engine else "",
            "refused": engine.refused if engine else {},
            "measured_ms": engine.measured if engine else {},
            "callback_errors": self._errors.count,
        }
        twin = self._surroundings.look(waiting, reliability, time.monotonic())
        name, warning = self._node.get_fully_qualified_name(), str(self._errors) or twin
        statuses = []
        for camera, look in looks:
            level, message, rates = camera.health.judge(look)
            values = {**look.counts, **rates, **camera.statistics.timings(), "topic": camera.topic, **about}
            if traffic := camera.traffic.line(camera.statistics):
                self._node.get_logger().debug(f"{camera.topic}: {traffic}")
            shown = self._shown(level, message, warning)
            statuses.append(status(f"{name}: {camera.name or 'segmentation'}", *shown, values))
        if not statuses:
            statuses.append(status(f"{name}: segmentation", *self._shown(OK, "unconfigured", warning), about))
        self._publisher.publish(array(self._node.get_clock().now().to_msg(), statuses))

    def _shown(self, level: bytes, message: str, warning: str) -> tuple[bytes, str]:
        if problem := str(self._problem):
            return ERROR, problem
        if level != OK:
            return level, message
        return (WARN, warning) if warning else (OK, str(self._progress) or message)
