"""Takes the newest images of all cameras to published results, on a thread of its own, in one direction."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from rclpy.clock import Clock
from sensor_msgs.msg import CameraInfo

from seg_ros.classes import ClassMap
from seg_ros.engines.threads import set_threads
from seg_ros.errors import FrameError
from seg_ros.mailbox import NewestFirst
from seg_ros.native_sizes import NativeSizes
from seg_ros.results import Frame, Instances, Result, Selection, SemanticMap, Wanted
from seg_ros.ros.camera_info import TOPIC
from seg_ros.ros.cameras import Camera
from seg_ros.ros.failures import LostFrames
from seg_ros.ros.image_io import decode_serialized
from seg_ros.ros.outputs import Outcome
from seg_ros.ros.parameters import PUBLISH, Parameters
from seg_ros.ros.stamps import age, check_age, oddity
from seg_ros.ros.subscription import Received
from seg_ros.runner import Runner
from seg_ros.tracking import FAINT, Smoother, Tracker
from seg_ros.watchdog import Watchdog

Message = tuple[Camera, Received]
"""The camera, and an image of it."""


class Decoded(NamedTuple):
    """A frame that waits for inference.

    Attributes:
        topics: outputs of its camera that have subscribers.
        seconds: that decoding took.
    """

    camera: Camera
    frame: Frame
    topics: list[str]
    seconds: float


class Worker:
    """Decodes, segments and publishes. Its thread runs from construction until the mailbox is stopped.

    Args:
        runner: only this thread calls it.
        classes: of the network.
        parameters: returns the values for the next frames, as one consistent set.
        select: returns which objects count by these values.
        clock: the cameras' stamps are compared with it.
        failures: takes the frames that are lost to errors.
        watchdog: guards every turn.
        track_ids: where the ids of tracks come from; no object of another worker or camera gets one of them.

    Attributes:
        mailbox: takes the cameras' images, and has the thread.
    """

    def __init__(
        self,
        runner: Runner,
        classes: ClassMap,
        parameters: Callable[[], Parameters],
        select: Callable[[Parameters], Selection],
        clock: Clock,
        failures: LostFrames,
        watchdog: Watchdog,
        track_ids: Iterator[int],
    ) -> None:
        self._runner, self._classes, self._parameters, self._select = runner, classes, parameters, select
        self._clock, self._failures, self._watchdog = clock, failures, watchdog
        self._track_ids = track_ids
        self._trackers: dict[Camera, Tracker] = {}
        self._smoothers: dict[Camera, Smoother] = {}
        self._native_sizes = NativeSizes(parameters().max_native_sizes)
        self._compiles_since: float | None = None
        threads = parameters().threads
        self.mailbox = NewestFirst(
            self._work,
            dropped=lambda camera: camera.statistics.drop("stale"),
            failed=self._lost,
            # The number of OpenMP threads belongs to the thread that starts them, so it is set there.
            begin=lambda: set_threads(threads),
            batch=runner.batch,
        )

    @property
    def compiling(self) -> float:
        """Returns the seconds for which an engine has been made for a new frame size; 0.0 when none is."""
        since = self._compiles_since
        return 0.0 if since is None else time.monotonic() - since

    def _work(self, messages: Sequence[Message]) -> None:
        parameters = self._parameters()
        with self._watchdog.guard():
            frames = self._decode(messages, parameters)
            for part in self._runner.batches([decoded.frame for decoded in frames]):
                try:
                    self._segment(frames[part], parameters)
                except Exception as error:
                    self._lost(frames[part], error)

    def _decode(self, messages: Sequence[Message], parameters: Parameters) -> list[Decoded]:
        frames = []
        for camera, received in messages:
            start = time.perf_counter()
            try:
                frame = decode_serialized(received.message, camera.kind, parameters.damaged_images == PUBLISH)
                check_age(frame.stamp, self._now(), parameters.max_frame_age)
            except Exception as error:
                self._failures.lost({camera: error})
                continue
            frames.append(Decoded(camera, frame, received.topics, time.perf_counter() - start))
        return frames

    def _segment(self, batch: Sequence[Decoded], parameters: Parameters) -> None:
        frames = [decoded.frame for decoded in batch]
        confidence = parameters.smooth or any(each.camera.publishers.need_confidence(each.topics) for each in batch)
        selection = self._select(parameters)
        faint = FAINT if parameters.track else None
        wanted = Wanted(confidence, dataclasses.replace(selection, faint_score=faint))
        self._prepare(frames[0])
        errors: dict[Camera, Exception] = {}
        for decoded, result in zip(batch, self._runner.run(frames, wanted), strict=True):
            try:
                if isinstance(result, Exception):
                    raise result
                result = self._follow(decoded.camera, result, selection, parameters)
                result = self._smooth(decoded.camera, result, parameters.smooth)
                start = time.perf_counter()
                info, lack = self._info(decoded)
                decoded.camera.publishers.publish(Outcome(result, self._classes, parameters, info), decoded.topics)
                now, stamp = self._now(), result.frame.stamp
                timings = {"decode": decoded.seconds, **result.timings, "publish": time.perf_counter() - start}
                notes = {oddity(stamp, now), "damaged" if result.frame.damage else "", lack} - {""}
                if result.frame.damage:
                    self._failures.damaged(decoded.camera, result.frame)
                decoded.camera.statistics.published(timings, age(stamp, now), notes, result.output.capped)
                self._failures.recovered()
            except Exception as error:
                errors[decoded.camera] = error
        if errors:
            self._failures.lost(errors)

    def _follow(self, camera: Camera, result: Result, selection: Selection, parameters: Parameters) -> Result:
        """Returns the objects with their tracks, without those that are only there for the tracks' sake."""
        if not (parameters.track and isinstance(result.output, Instances)):
            self._trackers.pop(camera, None)  # what is not followed now is not known later
            return result
        start = time.perf_counter()
        if camera not in self._trackers:
            self._trackers[camera] = Tracker(self._track_ids)
        tracker, objects = self._trackers[camera], result.output
        objects = objects.followed(
            tracker.update(self._seconds(result.frame), objects, result.frame.pixels, parameters.track_threshold)
        )
        if parameters.coast:
            objects = dataclasses.replace(objects, coasting=tracker.coasting(objects))
        shown = objects[objects.score >= selection.score_threshold]
        return Result(result.frame, shown, {**result.timings, "track": time.perf_counter() - start})

    def _smooth(self, camera: Camera, result: Result, smooth: bool) -> Result:
        """Returns the labels with those in place of which the frames before had surer ones."""
        if not (smooth and isinstance(result.output, SemanticMap)):
            self._smoothers.pop(camera, None)
            return result
        start = time.perf_counter()
        smoother = self._smoothers.setdefault(camera, Smoother())
        labels = smoother.update(self._seconds(result.frame), result.output, result.frame.pixels)
        return Result(result.frame, labels, {**result.timings, "smooth": time.perf_counter() - start})

    def _seconds(self, frame: Frame) -> float:
        """Returns when a frame is from: its stamp, or now where the camera does not stamp."""
        sec, nanosec = frame.stamp
        return sec + 1e-9 * nanosec if sec or nanosec else 1e-9 * self._now()

    def _info(self, decoded: Decoded) -> tuple[CameraInfo | None, str]:
        """The camera's calibration for a frame if that is wanted; and what is wrong with it, as a word."""
        if TOPIC not in decoded.topics:
            return None, ""
        try:
            frame = decoded.frame
            info = decoded.camera.infos.of(frame.stamp, frame.frame_id, (frame.height, frame.width))
            return info, "" if info else "camera_info_missing"
        except FrameError as error:
            self._failures.without_info(decoded.camera, error)
            return None, error.reason

    def _prepare(self, frame: Frame) -> None:
        """Has an engine made for the frame's own size, once it is worth it; until then frames are letterboxed."""
        if self._runner.ready(frame) or not self._native_sizes.choose((frame.height, frame.width)):
            return
        self._compiles_since = time.monotonic()
        try:
            with self._watchdog.paused():  # compiling takes its time
                self._runner.prepare(frame)
        finally:
            self._compiles_since = None

    def _lost(self, batch: Sequence[Message | Decoded], error: Exception) -> None:
        self._failures.lost({camera: error for camera, *_ in batch})

    def _now(self) -> int:
        return self._clock.now().nanoseconds
