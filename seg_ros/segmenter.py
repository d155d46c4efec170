"""Segmentation without ROS: camera frames in, semantic maps or instances out, at the frames' own size.

segmenter = Segmenter.open("unet_street")
result = segmenter(Frame(pixels))
result.label, result.confidence
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from seg_ros import weights
from seg_ros.engines import Engine, open_engine
from seg_ros.errors import EngineError
from seg_ros.geometry import MODES, Fit
from seg_ros.models.graph import make_graph
from seg_ros.pasting import paste
from seg_ros.results import Frame, Instances, Selection, SemanticMap

_USUAL = Selection()


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
        stages: milliseconds of the last frame by stage: `resize`, `infer`, `restore`.
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
            return open_engine(engine, graph, (1, *size), digest, cache_dir, precision, device)

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
        start = time.perf_counter()
        fit = Fit.of(size, self.input_size, self.mode)
        pixels = self._staging[0]
        fit.lay_in(frame.pixels, pixels)
        if frame.bgr:
            cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)
        staged = time.perf_counter()
        outputs = self._infer()
        inferred = time.perf_counter()
        if self.task == "instances":
            result = paste(*outputs, fit, selection)
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
        self.engine = self._build(input_size)
        self.input_size = input_size
        self._staging = np.empty((1, *input_size, 3), np.uint8)

    def _infer(self) -> list[np.ndarray]:
        """The graph's tensors for the one staged image."""
        try:
            outputs = self.engine.run(torch.from_numpy(self._staging))
        except torch.OutOfMemoryError as error:
            raise EngineError(f"out of memory at {self.input_size}: {error}") from error
        except RuntimeError as error:
            fatal = "CUDA error" in str(error)  # sticky: the CUDA context is lost
            raise EngineError(f"{self.engine.name} failed: {error}", fatal=fatal) from error
        return [output[0].numpy() for output in outputs]
