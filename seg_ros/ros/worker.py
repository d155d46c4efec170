"""From the newest frames of all cameras to their published results, on a thread of its own."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any

from seg_ros.engines.threads import set_threads
from seg_ros.errors import EngineError, FrameError
from seg_ros.results import Frame, Selection
from seg_ros.ros.image_io import decode_serialized
from seg_ros.ros.outputs import Outcome
from seg_ros.ros.parameters import Parameters
from seg_ros.ros.stamps import age, check_age, oddity
from seg_ros.ros.stream import Stream
from seg_ros.mailbox import NewestFirst
from seg_ros.segmenter import Segmenter
from seg_ros.watchdog import Watchdog

_OUT_OF_MEMORY_LIMIT = 5
"""Frames in a row that memory may be short for, before a new process is better."""

_YIELD = 1e-4
"""Seconds that it takes a thread to wake up, about."""

Message = tuple[Stream, bytes]
"""A serialised image, and the camera that it came from."""


class Pipeline:
    """Decodes, segments and publishes; owns the inference thread.

    Args:
        node: for its clock and its log.
        parameters: the values that count for the next frames, as one consistent set.
        fatal: called when only a new process can go on.

    Attributes:
        segmenter: that the thread uses.
        watchdog: over every step of the thread.
    """

    def __init__(
        self, node: Any, segmenter: Segmenter, parameters: Callable[[], Parameters], fatal: Callable[[], None]
    ) -> None:
        self.segmenter = segmenter
        self._node, self._parameters, self._fatal = node, parameters, fatal
        settings = parameters()
        self.watchdog = Watchdog(settings.watchdog)
        self._out_of_memory = 0
        self._logged: dict[tuple[str, str], float] = {}
        self._mailbox = NewestFirst(
            self._work,
            dropped=lambda stream: stream.statistics.drop("stale"),
            failed=lambda messages, error: [self.failed(stream, error) for stream, _ in messages],
            # The number of OpenMP threads belongs to the thread that starts them, so it is set there.
            begin=lambda: set_threads(settings.threads),
            batch=settings.batch,
        )

    def put(self, stream: Stream, message: bytes) -> None:
        """Makes `message` the camera's pending one. Returns at once."""
        self._mailbox.put(stream, message)
        # Lets the inference thread have Python's lock: else it waits until the executor has gone round, 0.7 ms.
        time.sleep(_YIELD)

    def stop(self, timeout: float | None = None) -> bool:
        """Waits for the frames in work; says whether they ended within `timeout` s.

        With a timeout the process is about to end, so the watchdog lets go.
        """
        if timeout is not None:
            self.watchdog.release()
        return self._mailbox.stop(timeout)

    def failed(self, stream: Stream, error: Exception) -> None:
        """Counts a frame that was lost to `error`, and logs it, once a second for each camera and reason."""
        if not self._node.context.ok():  # shutting down: the graph went away under the frame in work
            return
        if isinstance(error, MemoryError):
            error = EngineError(f"out of memory: {error}", reason="memory")
        reason = error.reason if isinstance(error, FrameError | EngineError) else "internal"
        stream.statistics.drop(reason)
        camera = f" of {stream.topic}" if stream.name else ""
        text = f"frame{camera} dropped: {error!r}" if reason == "internal" else f"frame{camera} dropped: {error}"
        now = time.monotonic()
        if now - self._logged.get((stream.name, reason), -1.0) >= 1.0:
            self._logged[stream.name, reason] = now
            stack = traceback.format_exception(error) if reason == "internal" else []
            self._node.get_logger().error("\n".join([text, *stack]))
        self._out_of_memory += reason == "memory"
        if self._out_of_memory >= _OUT_OF_MEMORY_LIMIT:
            self._node.get_logger().fatal(f"out of memory for {self._out_of_memory} frames in a row: the process ends")
            self._fatal()
        elif isinstance(error, EngineError) and error.fatal:  # only a new process heals this; a respawn gives one
            self._node.get_logger().fatal("the device is lost: the process ends")
            self._fatal()

    # Inference thread

    def _work(self, messages: list[Message]) -> None:
        parameters = self._parameters()
        with self.watchdog.guard():
            frames = self._decode(messages, parameters)
        for part in self.segmenter.batches([frame for _, frame in frames]):
            batch = frames[part]
            try:
                self._segment(batch, parameters)
            except Exception as error:
                for stream, _ in batch:
                    self.failed(stream, error)

    def _decode(self, messages: list[Message], parameters: Parameters) -> list[tuple[Stream, Frame]]:
        frames = []
        for stream, message in messages:
            start = time.perf_counter()
            try:
                frame = decode_serialized(message, stream.kind)
                check_age(frame.stamp, self._now(), parameters.max_frame_age)
            except FrameError as error:
                self.failed(stream, error)
                continue
            stream.statistics.took("decode", time.perf_counter() - start)
            frames.append((stream, frame))
        return frames

    def _segment(self, batch: list[tuple[Stream, Frame]], parameters: Parameters) -> None:
        segmenter, classes = self.segmenter, self.segmenter.manifest.classes
        objects = segmenter.task == "instances"
        frames = [frame for _, frame in batch]
        segmenter.fit_to(frames[0])  # it may compile, which takes its time
        with self.watchdog.guard():
            results = segmenter.segment(frames, parameters.selection(classes) if objects else Selection())
            self._out_of_memory = 0
            for (stream, frame), result in zip(batch, results, strict=True):
                start, count = time.perf_counter(), stream.statistics
                stream.outputs.publish(Outcome(frame, result, classes, parameters))
                now = self._now()
                for stage, seconds in {**segmenter.stages, "publish": time.perf_counter() - start}.items():
                    count.took(stage, seconds)
                count.took("age", age(frame.stamp, now))
                count.note(oddity(frame.stamp, now))
                count.published(result.capped if objects else 0)

    def _now(self) -> int:
        return self._node.get_clock().now().nanoseconds
