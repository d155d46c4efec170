"""Resizes tensors on their device as `geometry.Resize` resizes arrays.

Resizing is separable: every row of the result is a weighted sum of a few rows of the source, every column of a few
columns. The places and weights are known from the two sizes, so they are tensors made once, and nothing is left for a
frame but gathers and sums, exact in float32 whatever the factor. As products with dense matrices it would be hundreds
of times the arithmetic, and on tensor cores (half, TF32) no longer exact.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from seg_ros.geometry import GREY, Resize, nearest


class DeviceResize:
    """Resizes frames and maps on a device as a `Resize` does on the CPU.

    Labels come out equal; pixels and confidence within 1, because on the CPU weights and sums between are rounded.

    Args:
        resize: where a frame is in the network input.
        bgr: channel order of the frames; the input is RGB.
        device: of the tensors.
    """

    def __init__(self, resize: Resize, bgr: bool, device: torch.device | str) -> None:
        self._resize = resize
        self._bgr = bgr
        inner = resize.height, resize.width
        self._in = [_Axis(*_weighted(n, m), device) for n, m in zip(resize.frame, inner, strict=True)]
        self._back = [_Axis(*_linear(n, m), device) for n, m in zip(inner, resize.frame, strict=True)]
        self._nearest = [torch.from_numpy(nearest(n, m)).to(device) for n, m in zip(inner, resize.frame, strict=True)]

    def to_input(self, pixels: Tensor, target: Tensor) -> None:
        """Writes the frame's `(H, W, 3) uint8` pixels into `target`, the `(h, w, 3) uint8` RGB network input."""
        inner = self._resize.inner(target)
        if inner.shape != target.shape:
            target.fill_(GREY)
        pixels = self._resized(pixels, self._in)
        inner.copy_(pixels.flip(-1) if self._bgr else pixels)

    def to_frame(self, array: Tensor, smooth: bool) -> Tensor:
        """Resizes a `(h, w) uint8` map of the network input to `(H, W) uint8` of the frame, contiguous.

        `smooth` interpolates between values (confidence); class ids are not numbers, so they take the nearest.
        """
        inner = self._resize.inner(array)
        if inner.shape == self._resize.frame:
            return inner.contiguous()
        if smooth:
            return self._resized(inner, self._back)
        rows, columns = self._nearest
        return inner.index_select(0, rows).index_select(1, columns)

    def _resized(self, array: Tensor, axes: list[_Axis]) -> Tensor:
        """`array` with its first two dimensions resampled, rounded to uint8, halves upwards."""
        if (self._resize.height, self._resize.width) == self._resize.frame:
            return array
        rows, columns = axes
        # Conversion to uint8 cuts off.
        return columns(rows(array, 0), 1).add_(0.5).to(torch.uint8)


class _Axis:
    """One dimension resampled: place j of the result is the sum over k of `weights[k, j] * source[places[k, j]]`.

    Args:
        places: `(K, m)` integers, in the source.
        weights: `(K, m)` float.
        device: of the tensors that it is called with.
    """

    def __init__(self, places: np.ndarray, weights: np.ndarray, device: torch.device | str) -> None:
        self._places = torch.from_numpy(places).to(device, torch.int64)
        self._weights = torch.from_numpy(weights).to(device, torch.float32)

    def __call__(self, source: Tensor, dim: int) -> Tensor:
        """`source`, uint8 or float32, as float32 with m places along `dim`."""
        shape = [-1 if d == dim else 1 for d in range(source.ndim)]
        (place, weight), *more = zip(self._places, self._weights, strict=True)
        total = source.index_select(dim, place) * weight.view(shape)
        for place, weight in more:
            total.addcmul_(source.index_select(dim, place), weight.view(shape))
        return total


def _weighted(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Places and weights from `n` to `m` pixels, as PyTorch's antialiased bilinear interpolation.

    A triangle around the centre of each place of the result: one pixel to each side where it grows, `n / m` where it
    shrinks. Parts of it outside the source are cut off, and the others make up for them.
    """
    reach = max(n / m, 1.0)
    centre = (np.arange(m) + 0.5) * n / m - 0.5
    place = np.floor(centre - reach).astype(np.int64) + np.arange(2 * math.ceil(reach) + 2)[:, None]
    weight = np.maximum(1 - np.abs(place - centre) / reach, 0) * ((place >= 0) & (place < n))
    used = weight.any(axis=1)
    return np.clip(place, 0, n - 1)[used], (weight / weight.sum(axis=0))[used]


def _linear(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """As cv2.INTER_LINEAR: between the centres of the two next pixels; outside the first and last, theirs."""
    centre = np.clip((np.arange(m) + 0.5) * n / m - 0.5, 0, n - 1)
    place = np.floor(centre).astype(np.int64) + np.array([[0], [1]])
    return np.minimum(place, n - 1), 1 - np.abs(place - centre)
