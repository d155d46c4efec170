"""The lift node: labels and depth, or a LiDAR's points, in; labelled clouds and boxes in metres out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from seg_ros.errors import WeightsError
from seg_ros.lifting import Style
from seg_ros.mailbox import NewestFirst
from seg_ros.manifest import read_manifest
from seg_ros.ros import lift_parameters
from seg_ros.ros.camera_info import CameraInfos
from seg_ros.ros.cdr import read_stamp
from seg_ros.ros.failures import legible, reason_of, reported, survived
from seg_ros.ros.lift_diagnosis import LiftDiagnosis, Sight
from seg_ros.ros.lift_inputs import LiftInputs
from seg_ros.ros.lift_outputs import LIFT_OUTPUTS, LiftPublishers
from seg_ros.ros.lifter import LABEL, Lifter
from seg_ros.ros.managed import ManagedNode
from seg_ros.ros.matching import Matcher
from seg_ros.ros.stamps import age
from seg_ros.ros.transforms import Transforms
from seg_ros.statistics import Statistics

_FOLLOW = 0.1
"""Seconds between looks at who publishes and who subscribes."""


class _Configured(NamedTuple):
    publishers: LiftPublishers
    lifter: Lifter
    transforms: Transforms | None
    inputs: LiftInputs
    matcher: Matcher


class LiftNode(ManagedNode):
    """Lifts what a segmentation node says into space. Started as `ros2 run seg_ros lift`.

    Measurements and labels meet by their stamps (`Matcher`); the newest pair is lifted, on a thread of its own. Without
    a subscriber nothing is subscribed to.

    Args:
        options: of `rclpy.node.Node`.
    """

    def __init__(self, name: str = "lift", **options: Any) -> None:
        super().__init__(name, **options)
        self.statistics = Statistics()
        self._configured: _Configured | None = None
        self._mailbox: NewestFirst | None = None
        self._logged: dict[str, float] = {}
        self._labels = 0
        lift_parameters.declare(self, lambda: self.state != "unconfigured")
        self._diagnosis = LiftDiagnosis(self, self.problem, self.progress, self.callback_errors)
        autostart = self.get_parameter("autostart").value is not False
        self._manage(autostart, {self._diagnose: 1.0, self._follow: _FOLLOW})

    # Life cycle

    @reported
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Reads the parameters and makes the outputs."""
        self.problem.solved()
        try:
            p = lift_parameters.read(self)
            classes = read_manifest(p.weights).classes
            try:
                style = Style.of(classes, p.keep)
            except ValueError as error:
                raise ValueError(f"parameter 'keep': {error}") from error
            organise, finish = p.organiser(), p.finish(classes)
            apart = p.points_topic or p.register_depth
            transforms = Transforms(self, p.sensor(), p.fixed_frame) if apart else None
        except (ValueError, WeightsError) as error:
            self.get_logger().error(self.problem.failed("configure", error))
            return TransitionCallbackReturn.FAILURE
        with self._lock:
            infos, depth_infos = CameraInfos(), CameraInfos() if p.register_depth else None
            # First: its topics may be wrong.
            inputs = LiftInputs(self, p, infos, depth_infos, self._measured, self._labelled)
            self._configured = _Configured(
                LiftPublishers(self, classes),
                Lifter(classes, style, infos, depth_infos, transforms, p.footprint, organise, finish),
                transforms,
                inputs,
                Matcher(p.tolerance, p.queue, lambda: self.statistics.drop("unmatched")),
            )
        return TransitionCallbackReturn.SUCCESS

    @reported
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts the thread; inputs are subscribed to as soon as an output has a subscriber."""
        self.problem.solved()
        with self._lock:
            self._mailbox = NewestFirst(
                self._work,
                dropped=lambda _: self.statistics.drop("stale"),
                failed=lambda _, error: self._lost(error),
            )
        self.get_logger().info(f"activated: lifts {self._configured.inputs.topic} while an output has a subscriber")
        return super().on_activate(state)

    @reported
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribes and waits for the frame in work."""
        self._stop()
        return super().on_deactivate(state)

    def _free(self, timeout: float | None = None) -> bool:
        ended = self._stop(timeout)
        with self._lock:
            if self._configured is not None:
                self._configured.publishers.destroy()
                if self._configured.transforms is not None:
                    self._configured.transforms.destroy()
            self._configured = None
        return ended

    def _stop(self, timeout: float | None = None) -> bool:
        with self._lock:
            mailbox, self._mailbox = self._mailbox, None
            self._close()
        return mailbox is None or mailbox.stop(timeout)

    # Inputs, on the executor's thread

    @survived
    def _follow(self) -> None:
        """Subscribes while an output has a subscriber."""
        with self._lock:
            if self._mailbox is not None and self._configured.publishers.wanted():
                self._configured.inputs.follow()
            else:
                self._close()

    def _close(self) -> None:
        if self._configured is not None and self._configured.inputs.open:
            self._configured.inputs.close()
            self._configured.matcher.clear()

    def _measured(self, message: bytes, missing: int) -> None:
        self.statistics.arrived(missing)
        self._take(lambda c: c.matcher.measurement(read_stamp(message), message))

    def _labelled(self, part: str, message: bytes, parts: Sequence[str]) -> None:
        self._labels += part == LABEL
        self._take(lambda c: c.matcher.label(part, read_stamp(message), message, parts))

    def _take(self, pairs: Any) -> None:
        try:
            with self._lock:
                if self._mailbox is None:
                    return
                for pair in pairs(self._configured):
                    self._mailbox.put("", pair)
        except Exception as error:  # it would end the executor, and the node
            self._lost(error)

    # On the mailbox's thread

    def _work(self, items: Sequence[tuple[str, tuple[bytes, dict[str, bytes]]]]) -> None:
        c = self._configured
        wanted = c.publishers.wanted()
        for _, (measurement, parts) in items:
            start = time.perf_counter()
            lifted = c.lifter.lift(measurement, parts, any(LIFT_OUTPUTS[name].boxes for name in wanted))
            middle = time.perf_counter()
            c.publishers.publish(lifted, wanted)
            timings = {"lift": middle - start, "publish": time.perf_counter() - middle}
            self.statistics.published(timings, age(lifted.stamp, self.get_clock().now().nanoseconds))

    def _lost(self, error: Exception) -> None:
        if not self.context.ok():
            return
        reason = reason_of(error)
        self.statistics.drop(reason)
        now = time.monotonic()
        if now - self._logged.get(reason, -1.0) >= 1.0:
            self._logged[reason] = now
            what = repr(error) if reason == "internal" else str(error)
            self.get_logger().error(legible(f"measurement dropped: {what}"))

    # Once a second

    @survived
    def _diagnose(self) -> None:
        with self._lock:
            inputs = self._configured.inputs if self._configured else None
            state = self.state
            if self._mailbox is not None:
                state = "lifting" if inputs.open else "idle: no subscriber"
            topics = (inputs.topic, inputs.labels) if inputs else ("", "")
            sight = Sight(state, *topics, self.statistics.counts(), self._labels, self.statistics.timings())
            self._diagnosis.publish(sight)
