"""Runs frames to results: resizing to the network input, the engine, resizing back. One contract, a runner a device.

A runner is chosen once, when an engine is opened, and is not thread-safe: one thread calls it. What it computes is
returned as values; nothing is read back from it afterwards.
"""

from __future__ import annotations

import abc
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import torch

from seg_ros.cuda_step import Step
from seg_ros.engines.opening import Engine, engine_error
from seg_ros.errors import EngineError
from seg_ros.geometry import MODES, Resize
from seg_ros.models.graph import GRAPHS
from seg_ros.postprocess import POSTPROCESS
from seg_ros.results import Frame, Result, Wanted

_KEPT = 4
"""Number of native sizes whose engines are kept, and of kinds of frames whose GPU steps are kept."""

Build = Callable[[tuple[int, int, int]], Engine]
"""Makes the engine for an input of `(N, height, width)`."""


class Runner(abc.ABC):
    """Runs one network on frames of any size.

    Args:
        build: makes the engine for an input shape.
        task: of the network, one of `seg_ros.models.TASKS`.
        input_size: `(height, width)` of the network input; with mode `native` of frames that are not prepared for.
        mode: one of `seg_ros.geometry.MODES`.
        batch: most frames of one inference, with mode `native` 1. For more than one there is a second engine.

    Attributes:
        engine: for single frames of `input_size`.

    Raises:
        ValueError: for another mode.
        EngineError: what `build` raises.
    """

    def __init__(
        self, build: Build, task: str, input_size: tuple[int, int], mode: str = "stretch", batch: int = 1
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
        self.input_size, self.mode = input_size, mode
        self.batch = batch if mode != "native" else 1
        self._build, self._post, self._maps = build, POSTPROCESS[task], GRAPHS[task].maps
        self._engines = {count: self._make(count, input_size) for count in sorted({self.batch, 1}, reverse=True)}
        self.engine = self._engines[1]
        self._native: OrderedDict[tuple[int, int], Engine] = OrderedDict()  # by size, the one used last behind

    def ready(self, frame: Frame) -> bool:
        """Returns whether frames like this one have the engine that their mode promises.

        With mode `native` there may be none yet for their size; until `prepare` they are letterboxed to `input_size`.
        """
        size = (frame.height, frame.width)
        return self.mode != "native" or size == self.input_size or size in self._native

    def prepare(self, frame: Frame) -> None:
        """Makes the engine for frames like this one, if it is not there; that may take as long as configuring did.

        With mode `native` the engines of the last four sizes are kept.

        Raises:
            EngineError: what `build` raises.
        """
        if self.ready(frame):
            return
        if len(self._native) == _KEPT:
            self._native.popitem(last=False)
        size = (frame.height, frame.width)
        self._native[size] = self._make(1, size)

    def batches(self, frames: Sequence[Frame]) -> Iterator[slice]:
        """Yields which of the frames go into one inference: full batches, then one by one.

        Half a batch would cost as much as a full one, and a camera that is silent must cost the others nothing.
        """
        start = 0
        while start < len(frames):
            part = frames[start : start + self.batch]
            count = self.batch if len(part) == self.batch and self._go_together(part) else 1
            yield slice(start, start + count)
            start += count

    def run(self, frames: Sequence[Frame], wanted: Wanted) -> list[Result | Exception]:
        """Segments frames that `batches` put into one inference.

        Returns:
            For each frame its result, or the error that cost this frame alone: an `EngineError` with the reason
            `not_finite` if NaN or Inf came out of the network for it, or what bringing it to the network's size, or its
            result to its own, raised.

        Raises:
            EngineError: if the engine fails, for all frames; `fatal` if only a new process can help.
            ValueError: if there are neither one nor `batch` frames.
        """
        if len(frames) not in (1, self.batch):
            raise ValueError(f"expected 1 or {self.batch} frames, got {len(frames)}")
        engine, size, mode = self._place(frames)
        resizes = [Resize.of((frame.height, frame.width), size, mode) for frame in frames]
        start = time.perf_counter()
        failed: dict[int, Exception] = {}  # in a batch the others are none the worse for it
        try:
            staged, places = self._stage(engine, frames, resizes)
            for i, (frame, resize, place) in enumerate(zip(frames, resizes, places, strict=True)):
                try:
                    self._fill(frame, resize, place)
                except Exception as error:
                    failed[i] = error
            if len(failed) == len(frames):
                return list(failed.values())
            begin = time.perf_counter()
            outputs = self._infer(engine, staged)
        except RuntimeError as error:
            raise engine_error(f"{engine.name} at {size}", error) from error
        end = time.perf_counter()
        outcomes = []
        for i, resize in enumerate(resizes):
            own = [output[i] for output in outputs]
            try:
                if i in failed:
                    raise failed[i]
                if where := self._post.not_finite(own):
                    raise _not_finite(engine, size, where)
                outcomes.append(self._restore(own, resize, wanted))
            except Exception as error:
                outcomes.append(error)
        timings = {"resize": begin - start, "infer": end - begin, "restore": time.perf_counter() - end}
        return [
            outcome if isinstance(outcome, Exception) else Result(frame, outcome, timings)
            for frame, outcome in zip(frames, outcomes, strict=True)
        ]

    def _place(self, frames: Sequence[Frame]) -> tuple[Engine, tuple[int, int], str]:
        """Returns the engine for these frames, the size of its input, and how they are placed in it."""
        engine = self._engines[len(frames)]
        if self.mode != "native":
            return engine, self.input_size, self.mode
        size = (frames[0].height, frames[0].width)
        if size in self._native:
            self._native.move_to_end(size)
            return self._native[size], size, "native"
        return engine, self.input_size, "letterbox"

    def _make(self, count: int, size: tuple[int, int]) -> Engine:
        """Makes the engine for `count` frames in an input of `size`."""
        self._free()
        return self._build((count, *size))

    def _go_together(self, frames: Sequence[Frame]) -> bool:
        """Returns whether a full batch of frames can be one inference."""
        return True

    def _free(self) -> None:  # noqa: B027 (not every runner holds some)
        """Frees memory that the next engine may need."""

    @abc.abstractmethod
    def _stage(self, engine: Engine, frames: Sequence[Frame], resizes: Sequence[Resize]) -> tuple[Any, Sequence]:
        """Returns what `_infer` takes, and in it the places of the frames, which `_fill` fills."""

    @abc.abstractmethod
    def _fill(self, frame: Frame, resize: Resize, place: np.ndarray) -> None:
        """Brings a frame to its place."""

    @abc.abstractmethod
    def _infer(self, engine: Engine, staged: Any) -> Sequence[np.ndarray]:
        """Returns the graph's tensors for what was staged."""

    @abc.abstractmethod
    def _restore(self, outputs: list[np.ndarray], resize: Resize, wanted: Wanted) -> Any:
        """Returns the result of one frame, in memory of its own."""


class CpuRunner(Runner):
    """Resizes with the CPU, and runs engines of the device `cpu`."""

    _staging = np.empty(0, np.uint8)  # kept from frame to frame: new memory would be cold

    def _stage(
        self, engine: Engine, frames: Sequence[Frame], resizes: Sequence[Resize]
    ) -> tuple[np.ndarray, np.ndarray]:
        shape = (len(frames), *resizes[0].input, 3)
        if self._staging.shape != shape:
            self._staging = np.empty(shape, np.uint8)
        return self._staging, self._staging

    def _fill(self, frame: Frame, resize: Resize, place: np.ndarray) -> None:
        resize.to_input(frame.pixels, place)
        if frame.bgr:
            cv2.cvtColor(place, cv2.COLOR_BGR2RGB, dst=place)

    def _infer(self, engine: Engine, staged: np.ndarray) -> list[np.ndarray]:
        return [output.numpy() for output in engine.run(torch.from_numpy(staged))]

    def _restore(self, outputs: list[np.ndarray], resize: Resize, wanted: Wanted) -> Any:
        return self._post.result(outputs, resize, wanted)


class CudaRunner(Runner):
    """Runs engines of the device `cuda`, resizings and copies included, as one CUDA graph a kind of frame."""

    def __init__(
        self, build: Build, task: str, input_size: tuple[int, int], mode: str = "stretch", batch: int = 1
    ) -> None:
        self._steps: OrderedDict[tuple[Resize, bool, int], Step] = OrderedDict()
        super().__init__(build, task, input_size, mode, batch)

    def _go_together(self, frames: Sequence[Frame]) -> bool:
        return len({(frame.height, frame.width, frame.bgr) for frame in frames}) == 1

    def _free(self) -> None:
        self._steps.clear()

    def _stage(
        self, engine: Engine, frames: Sequence[Frame], resizes: Sequence[Resize]
    ) -> tuple[Step, Sequence[np.ndarray]]:
        key = (resizes[0], frames[0].bgr, len(frames))
        if key not in self._steps:
            if len(self._steps) == _KEPT:
                self._steps.popitem(last=False)
            self._steps[key] = Step(engine.run, resizes[0], frames[0].bgr, self._maps, len(frames))
        self._steps.move_to_end(key)
        step = self._steps[key]
        return step, step.staging

    def _fill(self, frame: Frame, resize: Resize, place: np.ndarray) -> None:
        np.copyto(place, frame.pixels)

    def _infer(self, engine: Engine, staged: Step) -> Sequence[np.ndarray]:
        return staged.run()

    def _restore(self, outputs: list[np.ndarray], resize: Resize, wanted: Wanted) -> Any:
        if not self._maps:
            return self._post.result(outputs, resize, wanted)
        # The step has resized them, and the next frame writes over them.
        return self._post.result(outputs, Resize.none(resize.frame), wanted).copy()


RUNNERS: dict[str, type[Runner]] = {"cpu": CpuRunner, "cuda": CudaRunner}
"""Runner by the engine's device."""


def _not_finite(engine: Engine, size: tuple[int, int], where: str) -> EngineError:
    return EngineError(
        f"{engine.name} {engine.precision} at {size}: expected finite numbers of the network, got NaN or Inf {where}; "
        f"try the precision 'fp32', and if that is no better other weights: these are damaged, or their training "
        f"diverged",
        reason="not_finite",
    )
