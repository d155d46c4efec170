"""Segmentation without ROS: camera frames in, semantic maps out, at the frames' own size.

segmenter = Segmenter.open("unet_street")
result = segmenter(Frame(pixels))
result.label, result.confidence
"""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import torch

from seg_ros import weights
from seg_ros.engines import Engine, open_engine
from seg_ros.errors import EngineError
from seg_ros.models.graph import SemanticGraph
from seg_ros.results import Frame, SemanticMap


class Segmenter:
    """One network on one engine. Not thread-safe: one thread calls it.

    Attributes:
        manifest: of the weights.
        engine: in use.
        input_size: `(height, width)` of the network input.
        stages: milliseconds of the last frame by stage: `resize`, `infer`, `restore`.
    """

    def __init__(self, manifest: weights.Manifest, engine: Engine, input_size: tuple[int, int]) -> None:
        self.manifest = manifest
        self.engine = engine
        self.input_size = input_size
        self.stages: dict[str, float] = {}
        self._staging = np.empty((1, *input_size, 3), np.uint8)

    @classmethod
    def open(
        cls,
        path: str | Path,
        engine: str = "auto",
        architecture: str = "",
        input_size: tuple[int, int] | None = None,
        cache_dir: Path | None = None,
    ) -> Segmenter:
        """Loads weights and builds, or takes from the cache, the engine.

        Args:
            path: weights file, or the bare name of shipped ones.
            engine: `auto`, or one of `seg_ros.engines.ENGINES`.
            architecture: if not empty, the only one accepted.
            input_size: `(height, width)` in pixels; None is what the weights were trained for.
            cache_dir: for compiled artefacts; None is `$XDG_CACHE_HOME/seg_ros`.

        Raises:
            WeightsError: see `seg_ros.weights.load_model`.
            EngineError: see `seg_ros.engines.open_engine`.
        """
        model, manifest = weights.load_model(path, architecture)
        size = input_size or manifest.input_size
        graph = SemanticGraph(model, manifest.mean, manifest.std).eval()
        built = open_engine(engine, graph, (1, *size), weights.digest(model.state_dict(), manifest), cache_dir)
        return cls(manifest, built, size)

    def __call__(self, frame: Frame) -> SemanticMap:
        """Segments one frame.

        Raises:
            EngineError: if the engine fails; `fatal` if only a new process can help.
        """
        start = time.perf_counter()
        self._stage(frame)
        staged = time.perf_counter()
        label, confidence = self._infer()
        inferred = time.perf_counter()
        size = (frame.width, frame.height)
        if label.shape != (frame.height, frame.width):
            label = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST)
            confidence = cv2.resize(confidence, size, interpolation=cv2.INTER_LINEAR)
        end = time.perf_counter()
        self.stages = {
            "resize": 1e3 * (staged - start),
            "infer": 1e3 * (inferred - staged),
            "restore": 1e3 * (end - inferred),
        }
        return SemanticMap(label, confidence)

    def _stage(self, frame: Frame) -> None:
        """Writes the frame as RGB at network size into the staging buffer."""
        target = self._staging[0]
        height, width = self.input_size
        if (frame.height, frame.width) == (height, width):
            np.copyto(target, frame.pixels)
        else:
            # INTER_AREA averages, so that thin things survive shrinking; it is no better than linear for growing.
            shrinks = frame.width > width or frame.height > height
            cv2.resize(
                frame.pixels, (width, height), dst=target,
                interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
            )  # fmt: skip
        if frame.bgr:
            cv2.cvtColor(target, cv2.COLOR_BGR2RGB, dst=target)

    def _infer(self) -> tuple[np.ndarray, np.ndarray]:
        try:
            label, confidence = self.engine.run(torch.from_numpy(self._staging))
        except torch.OutOfMemoryError as error:
            raise EngineError(f"out of memory at {self.input_size}: {error}") from error
        except RuntimeError as error:
            fatal = "CUDA error" in str(error)  # sticky: the CUDA context is lost
            raise EngineError(f"{self.engine.name} failed: {error}", fatal=fatal) from error
        return label[0].numpy(), confidence[0].numpy()
