"""Segmentation without ROS: camera frames in, semantic maps or instances out, at the frames' own size.

segmenter = Segmenter.open("unet_street")
result = segmenter(Frame(pixels))
result.label, result.confidence
"""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from seg_ros import weights
from seg_ros.agreement import agreement, street_pictures
from seg_ros.classes import UNLABELLED
from seg_ros.engines.opening import Engine, engine_error, open_engine
from seg_ros.engines.cuda import Step
from seg_ros.errors import EngineError
from seg_ros.geometry import MODES, Fit
from seg_ros.models.graph import make_graph
from seg_ros.pasting import paste
from seg_ros.results import Frame, Instances, Selection, SemanticMap

log = logging.getLogger(__name__)

_USUAL = Selection()
_KEPT = 4
"""Engines for as many frame sizes (mode `native`), and steps of a GPU for as many kinds of frames, are kept."""
_ENOUGH = 0.97
"""Share of labels that a compiled engine and plain float32 PyTorch have in common, below which the log warns."""


class Segmenter:
    """One network on one engine. Not thread-safe: one thread calls it.

    Args:
        manifest: of the weights.
        build: makes the engine for an input of `(N, height, width)`.
        input_size: `(height, width)` of the network input; with mode `native` only of the first engine.
        mode: one of `seg_ros.geometry.MODES`.
        task: `semantic` or `instances`: what the engine's graph gives.
        batch: most frames of one inference. For more than one there is a second engine, of that batch.

    Attributes:
        engine: in use last.
        stages: seconds of the last inference by stage: `resize`, `infer`, `restore`. On a GPU `infer` is the whole
            step, with both resizings and copies; the others are the copies into and out of its buffers.
    """

    def __init__(
        self,
        manifest: weights.Manifest,
        build: Callable[[tuple[int, int, int]], Engine],
        input_size: tuple[int, int],
        mode: str = "stretch",
        task: str = "semantic",
        batch: int = 1,
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
        self.manifest = manifest
        self.mode = mode
        self.task = task
        self.batch = batch if mode != "native" else 1
        self.input_size = input_size
        self.stages: dict[str, float] = {}
        self._build = build
        self._engines: OrderedDict[tuple[int, int, int], Engine] = OrderedDict()
        self._steps: OrderedDict[tuple[Fit, bool, int], Step] = OrderedDict()
        self._staging = np.empty(0, np.uint8)  # kept: new memory would be cold
        for count in {self.batch, 1}:
            self._prepare((count, *input_size))

    @classmethod
    def open(
        cls,
        path: str | Path,
        engine: str = "auto",
        architecture: str = "",
        input_size: tuple[int, int] | None = None,
        mode: str = "stretch",
        cache_dir: Path | None = None,
        precision: str = "auto",
        device: str = "auto",
        batch: int = 1,
    ) -> Segmenter:
        """Loads weights and builds, or takes from the cache, the engine.

        Args:
            path: weights file, or the bare name of shipped ones.
            engine: `auto`, or one of `seg_ros.engines.ENGINES`.
            architecture: if not empty, the only one accepted.
            input_size: `(height, width)` in pixels; None is what the weights were trained for.
            mode: how frames of another size are laid in: `stretch`, `letterbox`, or `native`, which builds an
                engine for each new frame size.
            cache_dir: for compiled artefacts; None is `$XDG_CACHE_HOME/seg_ros`.
            precision, device: see `seg_ros.engines.open_engine`.
            batch: most frames of one inference, with mode `native` 1.

        Raises:
            WeightsError: see `seg_ros.weights.load_model`.
            EngineError: see `seg_ros.engines.open_engine`.
        """
        model, manifest = weights.load_model(path, architecture)
        graph = make_graph(model, manifest.mean, manifest.std, sorted(manifest.classes.things))
        digest = weights.digest(model.state_dict(), manifest)

        def build(shape: tuple[int, int, int]) -> Engine:
            built = open_engine(engine, graph, shape, digest, cache_dir, precision, device)
            if built.seconds:  # compiled just now: does it do what the network does?
                agrees = agreement(built, graph, street_pictures(shape))
                log.log(
                    logging.INFO if agrees.labels > _ENOUGH else logging.WARNING, "engine %s: %s", built.name, agrees
                )
            return built

        return cls(manifest, build, input_size or manifest.input_size, mode, graph.task, batch)

    def __call__(self, frame: Frame, selection: Selection = _USUAL) -> SemanticMap | Instances:
        """Segments one frame; see `segment`."""
        return self.segment([frame], selection)[0]

    def batches(self, frames: Sequence[Frame]) -> Iterator[slice]:
        """Which of the frames go into one inference: full batches, then one by one.

        Half a batch would cost as much as a full one, and a camera that is silent must cost the others nothing. A step
        of a GPU holds frames of one size and channel order.
        """
        start = 0
        while start < len(frames):
            part = frames[start : start + self.batch]
            alike = self.engine.device != "cuda" or len({(f.height, f.width, f.bgr) for f in part}) == 1
            count = self.batch if len(part) == self.batch and alike else 1
            yield slice(start, start + count)
            start += count

    def fit_to(self, frame: Frame) -> None:
        """With mode `native`, makes the engine for the frame's size, which may take as long as configuring did."""
        if self.mode == "native":
            self.input_size = (frame.height, frame.width)
            self._prepare((1, *self.input_size))

    def segment(self, frames: Sequence[Frame], selection: Selection = _USUAL) -> list[SemanticMap | Instances]:
        """Segments as many frames as `batches` puts together.

        Args:
            selection: which objects count; for the task `instances`.

        Raises:
            EngineError: if the engine fails, `fatal` if only a new process can help; or, with the reason `not_finite`,
                if NaN or Inf came out of the network.
            ValueError: if there are neither one nor `batch` frames.
        """
        if len(frames) not in (1, self.batch):
            raise ValueError(f"expected 1 or {self.batch} frames, got {len(frames)}")
        self.fit_to(frames[0])
        self.engine = self._engines[len(frames), *self.input_size]
        gpu = self.engine.device == "cuda"
        fits = [Fit.of((frame.height, frame.width), self.input_size, self.mode) for frame in frames]
        start = time.perf_counter()
        with self._typed_errors():
            run = self._stage_on_gpu(frames, fits[0]) if gpu else self._stage(frames, fits)
            staged = time.perf_counter()
            outputs = run()
        inferred = time.perf_counter()
        results = []
        for i, fit in enumerate(fits):
            own = [output[i] for output in outputs]
            self._check_finite(own)
            if self.task == "instances":
                result = paste(*own, fit, selection)
            elif gpu:
                result = SemanticMap(*(output.copy() for output in own))  # the next frame writes into the step's own
            else:
                result = _LaidBack(fit, *own)
            results.append(result)
        end = time.perf_counter()
        self.stages = {"resize": staged - start, "infer": inferred - staged, "restore": end - inferred}
        return results

    def _prepare(self, shape: tuple[int, int, int]) -> None:
        """Makes the engine for `(N, height, width)`, if it is not among those kept."""
        if shape not in self._engines:
            if len(self._engines) == _KEPT:
                self._engines.popitem(last=False)
            self._steps.clear()  # frees their memory before the new engine needs it
            self._engines[shape] = self._build(shape)
        self._engines.move_to_end(shape)
        self.engine = self._engines[shape]

    def _stage(self, frames: Sequence[Frame], fits: Sequence[Fit]) -> Callable[[], list[np.ndarray]]:
        """Lays the frames in; what it returns gives the graph's tensors."""
        shape = (len(frames), *self.input_size, 3)
        if self._staging.shape != shape:
            self._staging = np.empty(shape, np.uint8)
        for frame, fit, pixels in zip(frames, fits, self._staging, strict=True):
            fit.lay_in(frame.pixels, pixels)
            if frame.bgr:
                cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)
        return lambda: [output.numpy() for output in self.engine.run(torch.from_numpy(self._staging))]

    def _stage_on_gpu(self, frames: Sequence[Frame], fit: Fit) -> Callable[[], tuple[np.ndarray, ...]]:
        """Copies the frames to where the GPU fetches them; what it returns is the whole step."""
        key = (fit, frames[0].bgr, len(frames))
        if key not in self._steps:
            if len(self._steps) == _KEPT:
                self._steps.popitem(last=False)
            self._steps[key] = Step(self.engine.run, fit, frames[0].bgr, self.task, len(frames))
        self._steps.move_to_end(key)
        step = self._steps[key]
        for frame, slot in zip(frames, step.staging, strict=True):
            np.copyto(slot, frame.pixels)
        return step.run

    def _check_finite(self, outputs: list[np.ndarray]) -> None:
        """Looks for what the graphs put where the network's numbers are not finite: label 255, score -1."""
        if self.task == "instances":
            if outputs[1][0] >= 0.0:
                return
            where = "among the numbers of its objects"
        else:
            label = outputs[0]
            if label.max() < UNLABELLED:
                return
            where = f"at {np.count_nonzero(label == UNLABELLED)} of {label.size} pixels"
        raise EngineError(
            f"{self.engine.name} {self.engine.precision} at {self.input_size}: expected finite numbers of the network, "
            f"got NaN or Inf {where}; try the precision 'fp32', and if that is no better other weights: these are "
            f"damaged, or their training diverged",
            reason="not_finite",
        )

    @contextlib.contextmanager
    def _typed_errors(self) -> Iterator[None]:
        """What PyTorch raises, as an EngineError."""
        try:
            yield
        except RuntimeError as error:
            raise engine_error(f"{self.engine.name} at {self.input_size}", error) from error


class _LaidBack(SemanticMap):
    """A map at the frame's size. Its confidence, which nobody may want, is laid back when it is asked for."""

    def __init__(self, fit: Fit, label: np.ndarray, confidence: np.ndarray) -> None:
        vars(self).update(label=fit.lay_back(label, smooth=False), _fit=fit, _confidence=confidence)

    @functools.cached_property
    def confidence(self) -> np.ndarray:
        return self._fit.lay_back(self._confidence, smooth=True)
