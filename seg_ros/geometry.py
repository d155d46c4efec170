"""Resizes frames to the network input, and labels and boxes back to the frame."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    import torch

MODES = ("stretch", "letterbox", "native")
"""stretch: the frame fills the input, whatever its aspect. letterbox: the aspect is kept, the rest is grey.
native: the input takes the frame's own size."""

GREY = 128
"""What a letterbox puts around the frame."""
_LARGE = 3 * 640 * 480
"""Bytes of a picture above which it is resized in bands."""
_MOST_BANDS = 4


@dataclasses.dataclass(frozen=True)
class Resize:
    """The place of a frame in the network input, and the resizing there and back on the CPU.

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
    def of(cls, frame: tuple[int, int], size: tuple[int, int], mode: str) -> Resize:
        """Places a frame in an input of `size`, by one of `MODES` (`native` takes `frame` as size).

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

    @classmethod
    def none(cls, frame: tuple[int, int]) -> Resize:
        """Leaves the frame as it is."""
        return cls.of(frame, frame, "native")

    def to_input(self, pixels: np.ndarray, target: np.ndarray) -> None:
        """Writes the frame's `(H, W, 3) uint8` pixels into `target`, the `(h, w, 3) uint8` network input.

        Antialiased: what shrinks is averaged by a triangle, so that thin objects survive; what grows is interpolated.
        """
        inner = self.inner(target)
        if inner.shape != target.shape:
            target[:] = GREY
        if (self.height, self.width) == self.frame:
            np.copyto(inner, pixels)
            return
        # PyTorch writes to `out` as if its rows had no gaps.
        resized = inner if inner.flags.c_contiguous else np.empty_like(inner)
        _antialiased(np.ascontiguousarray(pixels), resized)
        if resized is not inner:
            np.copyto(inner, resized)

    def to_frame(self, array: np.ndarray, smooth: bool) -> np.ndarray:
        """Resizes a `(h, w) uint8` map of the network input to `(H, W) uint8` of the frame.

        `smooth` interpolates between values (confidence); class ids are no quantities, so they take the nearest.
        """
        inner = self.inner(array)
        if inner.shape == self.frame:
            return inner
        if smooth:
            return cv2.resize(inner, self.frame[::-1], interpolation=cv2.INTER_LINEAR)
        rows, columns = (nearest(n, m) for n, m in zip(inner.shape, self.frame, strict=True))
        # Rows are copied whole; columns are rows of the transposed map. To 1080p a quarter of the time of cv2.resize.
        wide = cv2.transpose(cv2.transpose(inner).take(columns, axis=0))
        return wide.reshape(len(inner), len(columns)).take(rows, axis=0)

    def boxes_to_frame(self, boxes: np.ndarray) -> np.ndarray:
        """Maps `(N, 4) float32` boxes `(x0, y0, x1, y1)` from pixels of the network input to pixels of the frame.

        A box over the grey of a letterbox reaches outside the frame.
        """
        scale = np.array([self.frame[1] / self.width, self.frame[0] / self.height] * 2, np.float32)
        return (boxes - np.array([self.left, self.top] * 2, np.float32)) * scale

    def inner(self, array: np.ndarray) -> np.ndarray:
        """Returns the part of an array or tensor `(h, w, ...)` of the network input that the frame fills, as a view."""
        return array[self.top : self.top + self.height, self.left : self.left + self.width]


@functools.lru_cache(maxsize=64)
def nearest(n: int, m: int) -> np.ndarray:
    """Returns which of `n` pixels each of `m` takes, `(m,) intp`: those of OpenCV's INTER_NEAREST_EXACT."""
    places = np.arange(n, dtype=np.float32).reshape(1, n)  # exact to 2**24
    return cv2.resize(places, (m, 1), interpolation=cv2.INTER_NEAREST_EXACT)[0].astype(np.intp)


def _antialiased(source: np.ndarray, out: np.ndarray) -> None:
    """Resizes `(H, W, 3) uint8` into `out`, `(h, w, 3) uint8`, by PyTorch's antialiased bilinear interpolation.

    OpenCV's INTER_AREA takes six times as long from 1080p to VGA, and averages nothing if the other side grows.
    F.interpolate would give planes, which takes as long again to put in order. PyTorch resizes a picture on one thread,
    so a large one is cut into bands of rows: one on this thread, one on each of some others.
    """
    # Here, so that callers that only need modes and sizes do not load PyTorch.
    import torch

    # Of half the cores: the others have the camera and its other consumers to run, and waking a thread takes as long as
    # half of what it saves.
    threads = min(torch.get_num_threads() // 2, _MOST_BANDS) if source.size > _LARGE else 1
    first, *others = bands(len(source), len(out), max(threads, 1))
    waiting = [_pool().submit(_resize_band, source, out, band) for band in others]
    _resize_band(source, out, first)
    for band in waiting:
        band.result()


class Band(NamedTuple):
    """A band of rows of a picture that is resized in parts.

    Attributes:
        start, stop: rows of the result.
        above, below: rows of the result beside them that are computed too, and thrown away: at their own border the
            source is cut off.
        top, bottom: rows of the source that all of them are made from.
    """

    start: int
    stop: int
    above: int
    below: int
    top: int
    bottom: int


@functools.lru_cache(maxsize=64)
def bands(n: int, m: int, count: int) -> tuple[Band, ...]:
    """Cuts the resizing of `n` rows to `m` into at most `count` bands that give just what the whole gives.

    A row of the result is `n / m` rows of the source. Only where that comes out whole, at every `m / gcd(n, m)`-th row,
    can a band begin; a picture without enough such rows is one band.
    """
    step = m // math.gcd(n, m)
    rows = n // math.gcd(n, m)  # of the source, for a step
    margin = step * math.ceil((max(n / m, 1.0) + 1) / rows)
    cuts = sorted({round(i * m / count / step) * step for i in range(count)} | {m})
    if min(b - a for a, b in itertools.pairwise(cuts)) < 4 * margin:
        cuts = [0, m]
    found = []
    for start, stop in itertools.pairwise(cuts):
        above, below = min(margin, start), min(margin, m - stop)
        top, bottom = (start - above) // step * rows, (stop + below) // step * rows
        found.append(Band(start, stop, above, below, top, n if stop + below == m else bottom))
    return tuple(found)


def _resize_band(source: np.ndarray, out: np.ndarray, band: Band) -> None:
    """Resizes a band: its rows first, and of what is left of them the columns.

    PyTorch does it the other way round. Mixing whole rows is one straight run through memory, and leaves less than half
    of a 1080p picture for the columns, whose pixels have to be gathered: two thirds of the time. Both ways round in
    between, so a pixel may differ by one.
    """
    import torch

    resize = torch.ops.aten._upsample_bilinear2d_aa.out
    target, width = out[band.start : band.stop], source.shape[1]
    rows = len(target) + band.above + band.below
    low = part = source[band.top : band.bottom]
    if len(part) != rows:
        low = np.empty((rows, width, 3), np.uint8)
        # The scale is the whole picture's, as the part's own may differ in the last digit.
        resize(_planes(part), [rows, width], False, len(out) / len(source), None, out=_planes(low))
    size = [len(target), out.shape[1]]
    resize(_planes(low[band.above : rows - band.below]), size, False, None, None, out=_planes(target))


def _planes(pixels: np.ndarray) -> torch.Tensor:
    """Returns `(H, W, 3)` pixels as PyTorch wants them, `(1, 3, H, W)`, where they are."""
    import torch

    return torch.from_numpy(_writable(pixels)).permute(2, 0, 1)[None]


@functools.cache
def _pool() -> ThreadPoolExecutor:
    """Threads for bands, shared by all runners of the process."""
    return ThreadPoolExecutor(_MOST_BANDS - 1, thread_name_prefix="resize")


class _Writable:
    """An array's memory that calls itself writable, and keeps the array alive."""

    def __init__(self, array: np.ndarray) -> None:
        interface = array.__array_interface__
        self.__array_interface__ = interface | {"data": (interface["data"][0], False)}
        self._array = array


def _writable(array: np.ndarray) -> np.ndarray:
    """A view that PyTorch takes without a warning: a frame is a view into its message, and PyTorch only reads it."""
    return array if array.flags.writeable else np.asarray(_Writable(array))
