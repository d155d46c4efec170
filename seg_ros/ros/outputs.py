"""The node's output topics: one table from topic to what fills it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from seg_ros import overlay
from seg_ros.results import Frame, SemanticMap
from seg_ros.ros import messages
from seg_ros.ros.parameters import Parameters


class Outcome:
    """One segmented frame; what several outputs share is drawn once, and only if one of them asks."""

    def __init__(self, frame: Frame, result: SemanticMap, palette: np.ndarray, parameters: Parameters) -> None:
        self.header = messages.header(frame)
        self.frame, self.result, self.palette, self.parameters = frame, result, palette, parameters

    @functools.cached_property
    def overlay(self) -> np.ndarray:
        return overlay.overlay(self.frame, self.result.label, self.palette, self.parameters.overlay_alpha)


OUTPUTS: dict[str, tuple[type, Callable[[Outcome], Any]]] = {
    "label": (Image, lambda o: messages.image(o.header, o.result.label, "mono8")),
    "confidence": (Image, lambda o: messages.image(o.header, o.result.confidence, "mono8")),
    "color": (Image, lambda o: messages.image(o.header, overlay.colorize(o.result.label, o.palette), "rgb8")),
    "overlay": (Image, lambda o: messages.image(o.header, o.overlay, "bgr8")),
    "overlay/compressed": (
        CompressedImage,
        lambda o: messages.compressed(o.header, o.overlay, o.parameters.jpeg_quality),
    ),
}
"""By topic below the node's name: the message type and what fills it. A topic without subscriber is not filled."""
