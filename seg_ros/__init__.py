"""Segments camera images: label images and instance masks at camera size, in real time.

    import cv2, seg_ros

    net = seg_ros.open("unet_street")
    result = net(cv2.imread("street.png"))  # a SemanticMap: result.label, result.confidence

Importing it loads nothing else before it is asked for, and changes nothing outside it.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seg_ros.results import Frame, Instances, Selection, SemanticMap, Wanted
    from seg_ros.segmenter import Segmenter

__version__ = "0.1.0"
__all__ = ["Frame", "Instances", "Selection", "SemanticMap", "Wanted", "open"]


def open(weights: str | Path, **options: Any) -> Segmenter:
    """Loads weights and makes the network ready to run; options are those of `seg_ros.segmenter.Segmenter.open`.

    Args:
        weights: file, or the bare name of shipped weights.

    Raises:
        WeightsError: if the weights do not load.
        EngineError: if no engine works here.
    """
    from seg_ros.segmenter import Segmenter

    return Segmenter.open(weights, **options)


def __getattr__(name: str) -> Any:
    """Finds the values that flow through seg_ros when they are first asked for."""
    if name in __all__:
        return getattr(importlib.import_module("seg_ros.results"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
