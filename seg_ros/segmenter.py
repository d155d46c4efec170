"""Segmentation without ROS: camera frames in, semantic maps or instances out, at the frames' own size.

segmenter = Segmenter.open("unet_street")
result = segmenter(Frame(pixels))
result.label, result.confidence
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from seg_ros import weights
from seg_ros.agreement import agreement, street_pictures
from seg_ros.engines import Engine, engine_error, open_engine
from seg_ros.engines.cuda import Step
from seg_ros.geometry import MODES, Fit
from seg_ros.models.graph import make_graph
from seg_ros.pasting import paste
from seg_ros.results import Frame, Instances, Selection, SemanticMap

log = logging.getLogger(__name__)

_USUAL = Selection()
_ENOUGH = 0.97
"""Share of labels that a compiled engine and plain float32 PyTorch have in common, below which the log warns."""


class Segmenter:
    """One network on one engine. Not thread-safe: one thread calls it.

    Args:
        manifest: of the weights.
        build: makes the engine for an input of `(height, width)`.
        input_size: `(height, width)` of the network input; with mode `native` only of the first engine.
        mode: one of `seg_ros.geometry.MODES`.
        task: `semantic` or `instances`: what the engine's graph gives.

    Attributes:
        engine: in use.
        stages: milliseconds of the last frame by stage: `resize`, `infer`, `restore`. On a GPU `infer` is the whole
            step, with both resizings and copies; the others are the copies into and out of its buffers.
    """

    def __init__(
        self,
        manifest: weights.Manifest,
        build: Callable[[tuple[int, int]], Engine],
        input_size: tuple[int, int],
        mode: str = "stretch",
        task: str = "semantic",
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
        self.manifest = manifest
        self.mode = mode
        self.task = task
        self.stages: dict[str, float] = {}
        self._build = build
        self._prepare(input_size)

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

        Raises:
            WeightsError: see `seg_ros.weights.load_model`.
            EngineError: see `seg_ros.engines.open_engine`.
        """
        model, manifest = weights.load_model(path, architecture)
        graph = make_graph(model, manifest.mean, manifest.std, sorted(manifest.classes.things))
        digest = weights.digest(model.state_dict(), manifest)

        def build(size: tuple[int, int]) -> Engine:
            built = open_engine(engine, graph, (1, *size), digest, cache_dir, precision, device)
            if built.seconds:  # compiled just now: does it do what the network does?
                agrees = agreement(built, graph, street_pictures((1, *size)))
                log.log(
                    logging.INFO if agrees.labels > _ENOUGH else logging.WARNING, "engine %s: %s", built.name, agrees
                )
            return built

        return cls(manifest, build, input_size or manifest.input_size, mode, graph.task)

    def __call__(self, frame: Frame, selection: Selection = _USUAL) -> SemanticMap | Instances:
        """Segments one frame.

        Args:
            selection: which objects count; for the task `instances`.

        Raises:
            EngineError: if the engine fails; `fatal` if only a new process can help.
        """
        size = (frame.height, frame.width)
        if self.mode == "native" and size != self.input_size:
            self._prepare(size)
        fit = Fit.of(size, self.input_size, self.mode)
        gpu = self.engine.device == "cuda"
        start = time.perf_counter()
        with self._typed_errors():
            run = self._stage_on_gpu(frame, fit) if gpu else self._stage(frame, fit)
            staged = time.perf_counter()
            outputs = [output[0] for output in run()]
        inferred = time.perf_counter()
        if self.task == "instances":
            result = paste(*outputs, fit, selection)
        elif gpu:
            result = SemanticMap(*(output.copy() for output in outputs))  # the next frame writes into the step's own
        else:
            label, confidence = outputs
            result = SemanticMap(fit.lay_back(label, smooth=False), fit.lay_back(confidence, smooth=True))
        end = time.perf_counter()
        self.stages = {
            "resize": 1e3 * (staged - start),
            "infer": 1e3 * (inferred - staged),
            "restore": 1e3 * (end - inferred),
        }
        return result

    def _prepare(self, input_size: tuple[int, int]) -> None:
        self._step = self._step_for = None
        self.engine = self._build(input_size)
        self.input_size = input_size
        self._staging = np.empty((1, *input_size, 3), np.uint8)

    def _stage(self, frame: Frame, fit: Fit) -> Callable[[], list[np.ndarray]]:
        """Lays the frame in; what it returns gives the graph's tensors."""
        pixels = self._staging[0]
        fit.lay_in(frame.pixels, pixels)
        if frame.bgr:
            cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)
        return lambda: [output.numpy() for output in self.engine.run(torch.from_numpy(self._staging))]

    def _stage_on_gpu(self, frame: Frame, fit: Fit) -> Callable[[], tuple[np.ndarray, ...]]:
        """Copies the frame to where the GPU fetches it; what it returns is the whole step."""
        if self._step_for != (fit, frame.bgr):  # a camera rarely changes, so only the last step is kept
            self._step = self._step_for = None  # frees its memory before the next one needs it
            self._step = Step(self.engine.run, fit, frame.bgr, self.task)
            self._step_for = fit, frame.bgr
        np.copyto(self._step.staging[0], frame.pixels)
        return self._step.run

    @contextlib.contextmanager
    def _typed_errors(self) -> Iterator[None]:
        """What PyTorch raises, as an EngineError."""
        try:
            yield
        except RuntimeError as error:
            raise engine_error(f"{self.engine.name} at {self.input_size}", error) from error
