"""What flows through the node: a camera frame in, a semantic map out."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Frame:
    """One camera image, ready for the segmenter.

    Attributes:
        pixels: `(H, W, 3) uint8`, rows may be strided (a view into the message), pixels contiguous.
        bgr: channel order of `pixels`: True is blue first (OpenCV's), False is red first.
        stamp: `(sec, nanosec)` of the source's header, untouched.
        frame_id: of the source's header, untouched.
    """

    pixels: np.ndarray
    bgr: bool = False
    stamp: tuple[int, int] = (0, 0)
    frame_id: str = ""

    @property
    def height(self) -> int:
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        return self.pixels.shape[1]


@dataclasses.dataclass(frozen=True)
class SemanticMap:
    """A class for every pixel of a frame, at the frame's own size.

    Attributes:
        label: `(H, W) uint8`, class id; 255 = unlabelled.
        confidence: `(H, W) uint8`, probability of that class, 0..255 for 0..1.
    """

    label: np.ndarray
    confidence: np.ndarray
