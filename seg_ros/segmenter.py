"""Segments pictures without ROS: pictures in, semantic maps or instances out, at the pictures' own size.

net = Segmenter.open("unet_street")
result = net(cv2.imread("street.png"))
result.label, result.confidence
"""

from __future__ import annotations

import functools
import logging
from pathlib import Path

import numpy as np
from torch import nn

from seg_ros import weights
from seg_ros.agreement import agreement, street_pictures
from seg_ros.classes import ClassMap
from seg_ros.engines.opening import Engine, best_device, open_engine
from seg_ros.manifest import Manifest
from seg_ros.models.graph import make_graph
from seg_ros.results import Frame, Instances, SemanticMap, Wanted
from seg_ros.runner import RUNNERS, Runner

log = logging.getLogger(__name__)

_ENOUGH, _ENOUGH_ROUNDED = 0.97, 0.9
"""Share of labels that a compiled engine and plain float32 PyTorch have in common, below which the log warns; the
second is int8's, which costs labels by itself: 4 % of the street for `unet_camvid`, which never saw it."""
_ALL = Wanted()


class Segmenter:
    """One network on one engine. Not thread-safe: one thread calls it.

    Attributes:
        manifest: of the weights.
        runner: for batches and timings.
        least_score: score of an object, 0..1, below which the network itself drops it.
    """

    def __init__(self, manifest: Manifest, runner: Runner, least_score: float = 0.0) -> None:
        self.manifest, self.runner, self.least_score = manifest, runner, least_score

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
            mode: how frames of another size are resized: `stretch`, `letterbox`, or `native`, which builds an engine
                for each new frame size when it is called with one.
            cache_dir: for compiled artefacts; None is `$XDG_CACHE_HOME/seg_ros`.
            precision, device: see `seg_ros.engines.opening.open_engine`.
            batch: most frames of one inference, with mode `native` 1.

        Raises:
            WeightsError: see `seg_ros.weights.load_model`.
            EngineError: see `seg_ros.engines.opening.open_engine`.
        """
        model, manifest = weights.load_model(path, architecture)
        graph = make_graph(model, manifest.mean, manifest.std, sorted(manifest.classes.things), manifest.ranges)
        digest = weights.digest(model.state_dict(), manifest)
        device = best_device() if device == "auto" else device
        size = input_size or manifest.input_size
        build = functools.partial(_build, engine, graph, digest, cache_dir, precision, device, size, manifest.int8_loss)
        runner = RUNNERS.get(device, RUNNERS["cpu"])(build, graph.task, size, mode, batch)
        return cls(manifest, runner, getattr(model, "score_threshold", 0.0))

    @property
    def task(self) -> str:
        """Returns what the network is for, one of `seg_ros.models.TASKS`."""
        return self.manifest.task

    @property
    def classes(self) -> ClassMap:
        """Returns the class map of the network."""
        return self.manifest.classes

    def __call__(self, image: Frame | np.ndarray, wanted: Wanted = _ALL) -> SemanticMap | Instances:
        """Segments one picture.

        Args:
            image: a frame, or `(H, W, 3) uint8` pixels in OpenCV's order, blue first.
            wanted: whether with confidence; which objects count.

        Raises:
            ValueError: if the pixels have another shape or type.
            EngineError: if the engine fails, or, with the reason `not_finite`, if NaN or Inf came out of the network.
        """
        frame = image if isinstance(image, Frame) else Frame(image, bgr=True)
        self.runner.prepare(frame)
        (result,) = self.runner.run([frame], wanted)
        if isinstance(result, Exception):
            raise result
        return result.output


def _build(
    name: str,
    graph: nn.Module,
    digest: str,
    cache_dir: Path | None,
    precision: str,
    device: str,
    usual_size: tuple[int, int],
    int8_loss: float | None,
    shape: tuple[int, int, int],
) -> Engine:
    """Opens the engine, and if it was compiled just now, logs how well it agrees with the network."""
    engine = open_engine(name, graph, shape, digest, cache_dir, precision, device, usual_size, int8_loss)
    if engine.seconds:
        agrees = agreement(engine, graph, street_pictures(shape))
        enough = _ENOUGH_ROUNDED if engine.precision == "int8" else _ENOUGH
        level = logging.INFO if agrees.labels > enough else logging.WARNING
        log.log(level, "engine %s %s: %s", engine.name, engine.precision, agrees)
    return engine
