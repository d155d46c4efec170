"""How a frame is laid into the network input, and how labels are laid back onto the frame."""

from __future__ import annotations

import dataclasses
import warnings

import cv2
import numpy as np
import torch
from torch import Tensor

MODES = ("stretch", "letterbox", "native")
"""stretch: the frame fills the input, whatever its aspect. letterbox: the aspect is kept, the rest is grey.
native: the input takes the frame's own size."""

_resize_antialiased = torch.ops.aten._upsample_bilinear2d_aa.out
# A frame is a view into its message, which PyTorch shall only read.
warnings.filterwarnings("ignore", message="The given NumPy array is not writable")

GREY = 128
"""What a letterbox puts around the frame."""


@dataclasses.dataclass(frozen=True)
class Fit:
    """Where a frame lies in the network input.

    Attributes:
        frame: `(height, width)` of the frame, pixels.
        input: `(height, width)` of the network input, pixels.
        top, left, height, width: of the rectangle of the input that the frame fills, pixels.
    """

    frame: tuple[int, int]
    input: tuple[int, int]
    top: int
    left: int
    height: int
    width: int

    @classmethod
    def of(cls, frame: tuple[int, int], size: tuple[int, int], mode: str) -> Fit:
        """The fit of a frame in an input of `size`, by one of `MODES` (`native` takes `frame` as size).

        Raises:
            ValueError: for another mode.
        """
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
        if mode == "native":
            size = frame
        height, width = size
        if mode == "letterbox":
            scale = min(height / frame[0], width / frame[1])
            height, width = (max(1, round(scale * side)) for side in frame)
        return cls(frame, size, (size[0] - height) // 2, (size[1] - width) // 2, height, width)

    def lay_in(self, pixels: np.ndarray, target: np.ndarray) -> None:
        """Writes the frame's `(H, W, 3) uint8` pixels into `target`, the `(h, w, 3) uint8` network input."""
        inner = self._inner(target)
        if inner.shape != target.shape:
            target[:] = GREY
        if (self.height, self.width) == self.frame:
            np.copyto(inner, pixels)
            return
        # Antialiased: what shrinks is averaged by a triangle, so that thin things survive; what grows is interpolated.
        # OpenCV's INTER_AREA takes six times as long from 1080p to VGA, and averages nothing if the other side grows.
        # F.interpolate would give planes, which takes as long again to put in order. Out is taken as if it had no gaps.
        laid = inner if inner.flags.c_contiguous else np.empty_like(inner)
        source, out = (_channels_first(array) for array in (np.ascontiguousarray(pixels), laid))
        _resize_antialiased(source, [self.height, self.width], False, None, None, out=out)
        if laid is not inner:
            np.copyto(inner, laid)

    def lay_back(self, array: np.ndarray, smooth: bool) -> np.ndarray:
        """A `(h, w) uint8` map of the network input as `(H, W) uint8` of the frame.

        `smooth` interpolates between values (confidence); class ids are not numbers, so they take the nearest.
        """
        inner = self._inner(array)
        if inner.shape == self.frame:
            return inner
        interpolation = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST_EXACT
        return cv2.resize(inner, self.frame[::-1], interpolation=interpolation)

    def boxes_back(self, boxes: np.ndarray) -> np.ndarray:
        """`(N, 4) float32` boxes `(x0, y0, x1, y1)` in pixels of the network input, in pixels of the frame.

        A box that lies on the grey of a letterbox reaches outside the frame.
        """
        scale = np.array([self.frame[1] / self.width, self.frame[0] / self.height] * 2, np.float32)
        return (boxes - np.array([self.left, self.top] * 2, np.float32)) * scale

    def _inner(self, array: np.ndarray) -> np.ndarray:
        return array[self.top : self.top + self.height, self.left : self.left + self.width]


def _channels_first(array: np.ndarray) -> Tensor:
    """`(H, W, 3)` as `(1, 3, H, W)`, without a copy."""
    return torch.from_numpy(array).permute(2, 0, 1)[None]
