"""The segmentation node: camera topics in, label images out, as a managed (life-cycle) node.

It owns the life cycle and the topics. Frames do not pass through it: subscriptions give images to the worker, whose
thread publishes the results, so that services are answered during an inference.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool

from seg_ros import autoware
from seg_ros.engines.threads import set_threads
from seg_ros.errors import EngineError, WeightsError
from seg_ros.results import Selection
from seg_ros.ros.cameras import Camera, named, publishers
from seg_ros.ros.diagnosis import Diagnosis
from seg_ros.ros.diagnostics import Look
from seg_ros.ros.failures import LostFrames, reported, survived
from seg_ros.ros.managed import ManagedNode
from seg_ros.ros.outputs import LabelInfo
from seg_ros.ros.parameter_server import ParameterServer
from seg_ros.ros.parameters import SELECTIONS, Parameters
from seg_ros.ros.subscription import Subscription
from seg_ros.ros.transport import shortfall
from seg_ros.ros.worker import Worker
from seg_ros.segmenter import Segmenter
from seg_ros.share import expanded
from seg_ros.watchdog import Deadline, Watchdog, no_deadline

_FOLLOW = 0.1
"""Seconds between looks at who publishes and who subscribes."""
_USUAL_IMAGE = 1920 * 1080 * 3
"""Bytes that the middleware must carry, until a camera's first image."""


class SegmentationNode(ManagedNode):
    """Segments what cameras publish. Started as `ros2 run seg_ros node`, or by `segment.launch.py`.

    Args:
        deadline: applied to every inference. By default none: the process belongs to somebody else.
        fatal: called, from any thread, when only a new process helps. By default the node is in error and lives on.
        options: of `rclpy.node.Node`.

    Attributes:
        cameras: while configured.
    """

    def __init__(
        self,
        name: str = "segmentation",
        deadline: Deadline = no_deadline,
        fatal: Callable[[], None] = lambda: None,
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self.cameras: tuple[Camera, ...] = ()
        self._deadline, self._fatal = deadline, fatal
        self._parameter_server = ParameterServer(self)
        self._settings = Parameters()
        self._segmenter: Segmenter | None = None
        self._select: Callable[[Parameters], Selection] | None = None
        self._label_info: LabelInfo | None = None
        self._worker: Worker | None = None
        self._watchdog: Watchdog | None = None
        self._track_ids = itertools.count(1)  # of the node's whole life, so that no id comes back for another object
        self._inputs: tuple[Subscription, ...] = ()
        self._carried = 0
        self._diagnosis = Diagnosis(self, self.problem, self.progress, self.callback_errors)
        self.create_service(SetBool, "~/enable", self._enable)
        self._manage(self.get_parameter("autostart").value, {self._diagnose: 1.0, self._follow: _FOLLOW})
        self.add_post_set_parameters_callback(self._take_live_parameters)

    # Life cycle

    @reported
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads weights, builds or loads the engine, warms it up, makes the output topics."""
        start = time.monotonic()
        self.problem.solved()
        self._parameter_server.lock()
        try:
            p = self._parameter_server.read()
            masks = [mask.name for mask in p.masks]
            cameras = named(self, p.topics(), masks)
            set_threads(p.threads)
            segmenter = Segmenter.open(
                p.weights,
                engine=p.engine,
                precision=p.precision,
                architecture=p.model,
                mode=p.resize_mode,
                cache_dir=expanded(p.cache_dir, "parameter 'cache_dir'") if p.cache_dir else None,
                batch=p.batch,
            )
            # The worker asks for every frame, and the checks are for new values.
            select = functools.lru_cache(maxsize=1)(
                functools.partial(
                    SELECTIONS[segmenter.task], classes=segmenter.classes, least_score=segmenter.least_score
                )
            )
            self._parameter_server.lock(select)
            select(self._parameter_server.read())  # raises now what is wrong with it
        except (ValueError, WeightsError, EngineError) as error:
            self._parameter_server.unlock()
            if self.context.ok():  # else it is the end of the process that ended the compiler
                self.get_logger().error(self.problem.failed("configure", error))
            return TransitionCallbackReturn.FAILURE
        with self._lock:
            self._settings = self._parameter_server.read()  # those that are live may have changed meanwhile
            self._segmenter, self._select = segmenter, select
            for topic, name in cameras:
                self.cameras += (Camera(topic, name, publishers(self, segmenter.task, topic, name, masks)),)
            self._label_info = LabelInfo(self, segmenter.classes)
            self._label_info.tell(select(self._settings).score_threshold)
        if unknown := autoware.without_counterpart(segmenter.classes.names, self._settings.autoware_classes):
            self.get_logger().info(f"~/mask_rle: UNKNOWN to Autoware, set 'autoware_classes': {', '.join(unknown)}")
        (height, width), engine = segmenter.runner.input_size, segmenter.runner.engine
        self.get_logger().info(
            f"configured in {time.monotonic() - start:.1f} s: {p.weights} at {width}x{height} "
            f"on engine {engine.name}, {engine.precision} on {engine.device}"
        )
        return TransitionCallbackReturn.SUCCESS

    @reported
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts the worker; cameras are subscribed to as soon as an output has a subscriber."""
        self.problem.solved()
        self._check_transport(_USUAL_IMAGE)
        failures = LostFrames(self, self._give_up)
        with self._lock:
            self._watchdog = Watchdog(self._settings.watchdog, self._deadline)
            self._worker = Worker(
                self._segmenter.runner, self._segmenter.classes, lambda: self._settings, self._select,
                self.get_clock(), failures, self._watchdog, self._track_ids,
            )  # fmt: skip
            self._inputs = tuple(Subscription(self, c, self._worker.mailbox, failures) for c in self.cameras)
        topics = ", ".join(camera.topic for camera in self.cameras)
        self.get_logger().info(f"activated: segments {topics} while an output has a subscriber")
        return super().on_activate(state)

    @reported
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribes and waits for the frame in work."""
        self._stop()
        self.get_logger().info("deactivated")
        return super().on_deactivate(state)

    def _give_up(self, why: str) -> None:
        """On the worker's thread."""
        self.problem.failed("inference", why)
        self._fatal()

    def _free(self, timeout: float | None = None) -> bool:
        ended = self._stop(timeout)
        with self._lock:
            for camera in self.cameras:
                camera.publishers.destroy()
            if self._label_info is not None:
                self._label_info.destroy()
            self.cameras, self._segmenter, self._label_info = (), None, None
            self._parameter_server.unlock()
        return ended

    def _stop(self, timeout: float | None = None) -> bool:
        with self._lock:
            inputs, self._inputs = self._inputs, ()  # so that none is opened again during the wait
            for subscription in inputs:
                subscription.close()
        ended = self._worker is None or self._worker.mailbox.stop(timeout)
        # Forgotten only now: a signal may have interrupted the wait, and the end of the process waits again.
        with self._lock:
            self._worker, self._watchdog = None, None
        return ended

    # Cameras

    @survived
    def _follow(self) -> None:
        with self._lock:
            if not self._inputs:
                return
            for subscription in self._inputs:
                subscription.follow(self._settings)
            self._check_transport(max(subscription.largest for subscription in self._inputs))
            changed = [camera.health.watch(look) for camera, look in self._looks()]
        if any(changed):
            self._diagnose()  # at once

    def _looks(self) -> list[tuple[Camera, Look]]:
        """At every camera, now."""
        received = {subscription.camera: subscription.open for subscription in self._inputs}
        idle = "idle" if self._settings.enabled else "disabled"
        states = {None: "inactive", True: "segmenting", False: idle}
        busy, limit = (self._watchdog.busy, self._watchdog.seconds) if self._watchdog else (0.0, 0.0)
        compiling = self._worker.compiling if self._worker else 0.0
        return [
            (c, Look(time.monotonic(), states[received.get(c)], c.topic, self.count_publishers(c.topic) > 0,
                     c.statistics.counts(), busy, limit, compiling))
            for c in self.cameras
        ]  # fmt: skip

    def _check_transport(self, needed: int) -> None:
        """Warns, once for each larger size, when the middleware may lose images of `needed` bytes."""
        if needed > self._carried:
            self._carried = needed
            if why := shortfall(needed):
                self.get_logger().warning(why)

    # Live parameters

    @survived
    def _take_live_parameters(self, _: list) -> None:
        with self._lock:
            if self._label_info is None:  # also while configure declares those of the outputs' quality of service
                return
            self._settings = self._parameter_server.read()
            self._label_info.tell(self._select(self._settings).score_threshold)
        self._follow()

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        result = self.set_parameters([Parameter("enabled", value=request.data)])[0]
        response.success = result.successful
        response.message = result.reason or ("enabled" if request.data else "disabled")
        return response

    # Once a second

    @survived
    def _diagnose(self) -> None:
        with self._lock:
            waiting = self.cameras if self._worker and self._settings.enabled else ()
            engine = self._segmenter.runner.engine if self._segmenter else None
            self._diagnosis.publish(self._looks(), engine, waiting, self._settings.input_reliability)
