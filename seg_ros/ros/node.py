"""The segmentation node: camera topics in, label images out, as a managed (life-cycle) node.

It owns the life cycle and the topics; the mathematics is the segmenter's, on the pipeline's thread, so that services
are answered while a frame is inferred.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool

from seg_ros.engines.threads import set_threads
from seg_ros.errors import EngineError, WeightsError
from seg_ros.ros.worker import Pipeline
from seg_ros.ros.diagnostics import ERROR, OK, array, status
from seg_ros.ros.interrupt import until_shutdown
from seg_ros.runtime import interrupt_once
from seg_ros.ros.logs import RosLogs, reported, survived
from seg_ros.ros.outputs import LabelInfo
from seg_ros.ros.parameters import Parameters, ParameterServer
from seg_ros.ros.stream import Stream, camera_names
from seg_ros.ros.transport import shortfall
from seg_ros.segmenter import Segmenter

_FOLLOW = 0.1
"""Seconds between looks at who publishes and who subscribes."""
_USUAL_IMAGE = 1920 * 1080 * 3
"""Bytes that the middleware must carry, until a camera shows how large its images are."""


class SegmentationNode(LifecycleNode):
    """See the module. Started as `ros2 run seg_ros node`, or by `segment.launch.py`.

    Attributes:
        exit_code: of the process: 1 once only a new process can go on.
        problem: what the last transition or callback failed with; empty if it did not.
        streams: one for each camera, while configured.
        pipeline: with the inference thread, while active.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("segmentation", **options)
        self.exit_code = 0
        self.problem = ""
        self.streams: list[Stream] = []
        self.pipeline: Pipeline | None = None
        self._parameter_server = ParameterServer(self)
        self._segmenter: Segmenter | None = None
        self._label_info: LabelInfo | None = None
        self._settings = Parameters()
        self._carried = 0
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self.create_service(SetBool, "~/enable", self._enable)
        # Steady, so that a simulated clock that stands still stops neither diagnostics nor start.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._diagnose, clock=steady)
        self.create_timer(_FOLLOW, self._follow, clock=steady)
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
        start, self.problem = time.monotonic(), ""
        try:
            p = self._parameter_server.read()
            topics = [self.resolve_topic_name(topic) for topic in p.topics()]
            names = camera_names(topics) if len(topics) > 1 else [""]
            set_threads(p.threads)
            segmenter = Segmenter.open(
                p.weights,
                engine=p.engine,
                precision=p.precision,
                architecture=p.model,
                mode=p.resize_mode,
                cache_dir=Path(p.cache_dir).expanduser() if p.cache_dir else None,
                batch=p.batch,
            )
            classes = segmenter.manifest.classes
            if segmenter.task == "instances":
                p.selection(classes)  # says now what is wrong with it
                self._parameter_server.classes = classes
        except (ValueError, WeightsError, EngineError) as error:
            self.problem = f"configure failed: {error}"
            self.get_logger().error(self.problem)
            return TransitionCallbackReturn.FAILURE
        self._settings, self._segmenter = p, segmenter
        for topic, name in zip(topics, names, strict=True):
            self.streams.append(Stream(self, topic, name, segmenter.task, self._take, self._failed))
        self._label_info = LabelInfo(self, segmenter.task, classes)
        self._label_info.tell(p)
        self._parameter_server.locked = True
        height, width = segmenter.input_size
        self.get_logger().info(
            f"configured in {time.monotonic() - start:.1f} s: {p.weights} at {width}x{height} "
            f"on engine {segmenter.engine.name}, {segmenter.engine.precision} on {segmenter.engine.device}"
        )
        return TransitionCallbackReturn.SUCCESS

    @reported
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts the inference thread; cameras are subscribed to as soon as somebody wants their outputs."""
        self.problem = ""
        self._check_transport(_USUAL_IMAGE)
        self.pipeline = Pipeline(self, self._segmenter, lambda: self._settings, self._end)
        return super().on_activate(state)

    @reported
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribes and waits for the frame in work."""
        self._stop()
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

    def release(self, timeout: float | None = None) -> bool:
        """Ends the inference thread and frees engine and output topics.

        Returns False if the frame in work did not end within `timeout` s; its thread still runs then.
        """
        ended = self._stop(timeout)
        for stream in self.streams:
            stream.destroy()
        if self._label_info is not None:
            self._label_info.destroy()
        self.streams, self._segmenter, self._label_info = [], None, None
        self._parameter_server.locked, self._parameter_server.classes = False, None
        return ended

    def _stop(self, timeout: float | None = None) -> bool:
        for stream in self.streams:
            stream.release()
        pipeline, self.pipeline = self.pipeline, None
        return pipeline is None or pipeline.stop(timeout)

    def _end(self) -> None:
        self.exit_code = 1
        self.context.try_shutdown()

    # Cameras

    def _take(self, stream: Stream, message: bytes) -> None:
        if self.pipeline is not None:
            self.pipeline.put(stream, message)

    def _failed(self, stream: Stream, error: Exception) -> None:
        if self.pipeline is not None:
            self.pipeline.failed(stream, error)

    @survived
    def _follow(self) -> None:
        if self.pipeline is None:
            return
        for stream in self.streams:
            stream.follow(self._settings)
        self._check_transport(max(stream.largest for stream in self.streams))
        looks = [(stream, stream.look(self._settings, self.pipeline.watchdog)) for stream in self.streams]
        if any([stream.health.watch(look) for stream, look in looks]):
            self._diagnose()  # at once

    def _check_transport(self, needed: int) -> None:
        """Warns, once for each larger size, when the middleware may lose images of `needed` bytes."""
        if needed > self._carried:
            self._carried = needed
            if why := shortfall(needed):
                self.get_logger().warning(why)

    # Live parameters

    @survived
    def _take_live_parameters(self, _: list) -> None:
        if self._label_info is not None:  # not while configure declares those of the outputs' quality of service
            self._settings = self._parameter_server.read()
            self._label_info.tell(self._settings)
            self._follow()

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        result = self.set_parameters([Parameter("enabled", value=request.data)])[0]
        response.success = result.successful
        response.message = result.reason or ("enabled" if request.data else "disabled")
        return response

    # Once a second

    @survived
    def _diagnose(self) -> None:
        engine = self._segmenter.engine if self._segmenter else None
        about = {
            "engine": engine.name if engine else "none",
            "device": engine.device if engine else "",
            "precision": engine.precision if engine else "",
            "refused": engine.refused if engine else {},
        }
        name, watchdog = self.get_fully_qualified_name(), self.pipeline.watchdog if self.pipeline else None
        statuses = []
        for stream in self.streams:
            look = stream.look(self._settings, watchdog)
            level, message, rates = stream.health.judge(look)
            if self.problem:
                level, message = ERROR, self.problem
            values = {**look.counts, **rates, **stream.statistics.timings(), "topic": stream.topic, **about}
            statuses.append(status(f"{name}: {stream.name or 'segmentation'}", level, message, values))
        if not statuses:
            level, message = (ERROR, self.problem) if self.problem else (OK, "unconfigured")
            statuses.append(status(f"{name}: segmentation", level, message, about))
        self._diagnostics.publish(array(self.get_clock().now().to_msg(), statuses))


def main(args: list[str] | None = None) -> None:
    """Runs the node until it is shut down. Exits 0 on SIGINT and SIGTERM, 1 when only a new process can go on."""
    interrupt_once()
    rclpy.init(args=args)
    node = None
    ended = True
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
            ended = node.release(timeout=2.0)
        rclpy.try_shutdown()
    status = node.exit_code if node is not None else 0
    if not ended:
        # Taking the interpreter down under a thread that is inside a native library may crash.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    main()
