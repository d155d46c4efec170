"""The segmentation node: a camera topic in, label images out, as a managed (life-cycle) node.

It owns the life cycle and the topics; the mathematics is the segmenter's, on a thread of its own, so that
services are answered while a frame is inferred.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import CompressedImage, Image

from seg_ros.engines.threads import set_threads
from seg_ros.errors import EngineError, FrameError, WeightsError
from seg_ros.ros.diagnostics import ERROR, Health, diagnostics
from seg_ros.ros.image_io import decode_compressed, decode_image
from seg_ros.ros.interrupt import interrupt_once, until_shutdown
from seg_ros.ros.logs import RosLogs, reported
from seg_ros.ros.outputs import Outcome, Publishers
from seg_ros.ros.parameters import ParameterServer
from seg_ros.ros.qos import match_publisher
from seg_ros.scheduler import NewestFirst, Statistics
from seg_ros.segmenter import Segmenter


class SegmentationNode(LifecycleNode):
    """See the module. Started as `ros2 run seg_ros node`, or by `segment.launch.py`."""

    def __init__(self, **options: Any) -> None:
        super().__init__("segmentation", **options)
        self.exit_code = 0
        self._parameter_server = ParameterServer(self)
        self._statistics = Statistics()
        self._health = Health()
        self._segmenter: Segmenter | None = None
        self._worker: NewestFirst | None = None
        self._camera: Any = None
        self._outputs: Publishers | None = None
        self._logged: dict[str, float] = {}
        self.problem = ""
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 1)
        # Steady, so that a simulated clock that stands still stops neither diagnostics nor start.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._every_second, clock=steady)
        self.add_post_set_parameters_callback(self._take_live_parameters)
        if self.get_parameter("autostart").value:
            self._autostart = self.create_timer(0.0, self._start, clock=steady)

    # Life cycle

    def _start(self) -> None:
        self._autostart.cancel()  # once, as soon as the executor spins
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    @reported
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads weights, builds or loads the engine, warms it up, makes the output topics."""
        start = time.monotonic()
        try:
            p = self._parameter_server.read()
            set_threads(p.threads)
            segmenter = Segmenter.open(
                p.weights,
                engine=p.engine,
                precision=p.precision,
                architecture=p.model,
                mode=p.resize_mode,
                cache_dir=Path(p.cache_dir).expanduser() if p.cache_dir else None,
            )
            classes = segmenter.manifest.classes
            if segmenter.task == "instances":
                p.selection(classes)  # says now what is wrong with it
                self._parameter_server.classes = classes
        except (ValueError, WeightsError, EngineError) as error:
            self.problem = f"configure failed: {error}"
            self.get_logger().error(self.problem)
            return TransitionCallbackReturn.FAILURE
        self.problem = ""
        self._statistics = Statistics()
        self._settings, self._segmenter = p, segmenter
        self._outputs = Publishers(self, segmenter.task, classes)
        self._outputs.tell_classes(p)
        self._parameter_server.locked = True
        height, width = segmenter.input_size
        self.get_logger().info(
            f"configured in {time.monotonic() - start:.1f} s: {p.weights} at {width}x{height} "
            f"on engine {segmenter.engine.name}, {segmenter.engine.precision} on {segmenter.engine.device}"
        )
        return TransitionCallbackReturn.SUCCESS

    @reported
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts the inference thread and subscribes to the camera."""
        # The number of OpenMP threads belongs to the thread that starts them, so the worker sets it for itself.
        threads = self._settings.threads
        self._worker = NewestFirst(
            self._segment,
            dropped=lambda: self._statistics.drop("stale"),
            failed=self._failed,
            begin=lambda: set_threads(threads),
        )
        self._subscribe()
        return super().on_activate(state)

    @reported
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribes and waits for the frame in work."""
        self._release_camera()
        self.get_logger().info("deactivated")
        return super().on_deactivate(state)

    @reported
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forgets weights, engine and output topics."""
        self.release()
        self.get_logger().info("cleaned up")
        return TransitionCallbackReturn.SUCCESS

    @reported
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As cleanup."""
        self.release()
        return TransitionCallbackReturn.SUCCESS

    @reported
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As cleanup: the node is unconfigured and can be configured again."""
        self.release()
        return TransitionCallbackReturn.SUCCESS

    def release(self, timeout: float | None = None) -> None:
        """Ends the inference thread and frees engine and output topics."""
        self._release_camera(timeout)
        if self._outputs is not None:
            self._outputs.destroy()
        self._outputs = self._segmenter = None
        self._parameter_server.locked, self._parameter_server.classes = False, None

    def _release_camera(self, timeout: float | None = None) -> None:
        if self._camera is not None:
            self.destroy_subscription(self._camera)
            self._camera = None
        if self._worker is not None:
            if not self._worker.stop(timeout):
                self.get_logger().error(f"the frame in work did not end within {timeout} s")
            self._worker = None

    def _take_live_parameters(self, _: list) -> None:
        if self._segmenter is not None:
            self._settings = self._parameter_server.read()
            self._outputs.tell_classes(self._settings)

    # Camera

    def _subscribe(self) -> None:
        topic = self.resolve_topic_name(self._settings.input_topic)
        kind = CompressedImage if topic.endswith("/compressed") else Image
        self._qos = match_publisher(self, topic)
        self._camera = self.create_subscription(kind, topic, self._on_image, self._qos)
        self.get_logger().info(f"subscribed to {topic}, {self._qos.reliability.name.lower().replace('_', ' ')}")

    def _on_image(self, message: Image | CompressedImage) -> None:
        self._statistics.arrived()
        if self._outputs.wanted():
            self._worker.put(message)
        else:
            self._statistics.drop("no_subscriber")

    # Inference thread

    def _segment(self, message: Image | CompressedImage) -> None:
        start = time.perf_counter()
        frame = decode_compressed(message) if isinstance(message, CompressedImage) else decode_image(message)
        decoded = time.perf_counter()
        settings, classes = self._settings, self._segmenter.manifest.classes
        objects = self._segmenter.task == "instances"
        result = self._segmenter(frame, settings.selection(classes)) if objects else self._segmenter(frame)
        segmented = time.perf_counter()
        self._outputs.publish(Outcome(frame, result, classes, settings))
        sec, nanosec = frame.stamp
        self._statistics.published(
            {
                "decode": 1e3 * (decoded - start),
                **self._segmenter.stages,
                "publish": 1e3 * (time.perf_counter() - segmented),
                "age": 1e-6 * (self.get_clock().now().nanoseconds - (sec * 10**9 + nanosec)),
            },
            objects_capped=result.capped if objects else 0,
        )

    def _failed(self, error: Exception) -> None:
        if not self.context.ok():  # shutting down: the graph went away under the frame in work
            return
        if isinstance(error, FrameError):
            self._statistics.drop(error.reason)
            self._log_slowly(error.reason, f"frame dropped: {error}")
        elif isinstance(error, EngineError):
            self._statistics.drop("engine")
            self._log_slowly("engine", f"frame dropped: {error}")
            if error.fatal:  # only a new process heals this; a respawn gives one
                self.exit_code = 1
                self.context.try_shutdown()
        else:
            self._statistics.drop("internal")
            self._log_slowly("internal", f"frame dropped: {error!r}", error)

    def _log_slowly(self, kind: str, text: str, error: Exception | None = None) -> None:
        """Logs at most once a second for each kind; with the traceback of `error` if given."""
        now = time.monotonic()
        if now - self._logged.get(kind, -1.0) >= 1.0:
            self._logged[kind] = now
            self.get_logger().error("".join([text, "\n", *traceback.format_exception(error)]) if error else text)

    # Once a second

    def _every_second(self) -> None:
        active = self._camera is not None
        if active and match_publisher(self, self._camera.topic_name) != self._qos:
            self.destroy_subscription(self._camera)
            self._subscribe()
        topic = self._camera.topic_name if active else ""
        snapshot = self._statistics.snapshot()
        level, message, rates = self._health.judge(time.monotonic(), active, snapshot, topic)
        if self.problem:
            level, message = ERROR, self.problem
        engine = self._segmenter.engine if self._segmenter else None
        values = {
            **snapshot,
            **rates,
            "topic": topic,
            "engine": engine.name if engine else "none",
            "device": engine.device if engine else "",
            "precision": engine.precision if engine else "",
            "refused": engine.refused if engine else {},
        }
        now = self.get_clock().now().to_msg()
        self._diagnostics.publish(diagnostics(now, self.get_fully_qualified_name(), level, message, values))


def main(args: list[str] | None = None) -> None:
    """Runs the node until it is shut down. Exits 0 on SIGINT and SIGTERM, 1 on a fatal device error."""
    interrupt_once()
    rclpy.init(args=args)
    node = None
    try:
        with until_shutdown():
            node = SegmentationNode()
            logging.getLogger("seg_ros").setLevel(logging.INFO)
            logging.getLogger("seg_ros").addHandler(RosLogs(node.get_logger()))
            executor = SingleThreadedExecutor()
            executor.add_node(node)
            executor.spin()
    finally:
        if node is not None:
            node.release(timeout=2.0)
        rclpy.try_shutdown()
    sys.exit(node.exit_code if node is not None else 0)


if __name__ == "__main__":
    main()
