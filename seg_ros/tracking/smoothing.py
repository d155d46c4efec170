"""Holds labels still from frame to frame: each pixel takes the surest label that its piece of the scene had lately.

Labels and their confidence are carried along optical flow (DIS: Kroeger et al., Fast Optical Flow using Dense Inverse
Search, 2016), computed on a small grey picture. A label that came along stays until its confidence, which decays with
time, is no longer above that of the label that the network gives now. Where it is another one than the network's, the
flow is made exact first: of the pixel that it leads to and its four neighbours the one counts whose colour is nearest.
If that colour is another one, too, nothing came along. Borders stay on what they are the borders of by that, which flow
alone, of a small picture and in whole pixels, does not do.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import cv2
import numpy as np

from seg_ros.results import SemanticMap
from seg_ros.tracking.camera_motion import small

_SIDE = 320
"""Most pixels of the longer side of the picture that the flow is computed on, and fewest of the shorter side."""
_LEAST = 32
_STRIDE, _ITERATIONS = 6, 6
"""Of the flow, pixels from patch to patch and steps for each: half of the preset's work, and labels flicker no more."""
_MEMORY = 1.0
"""Seconds in which the confidence of a label that came along falls to 1/e."""
_GAP = 0.5
"""Seconds between two frames after which no label comes along."""
_DIFFERENT = 20
"""By how much a pixel, grey or the most of its three colours, may differ at most from the one that it came from."""
_ASIDE = 3
"""By how much the colour of a neighbour must be nearer than that of the pixel that the flow leads to."""
_MOST = 1 / 8
"""Largest share of pixels whose flow is made exact: of labels that are all noise it would take too long."""
_CUT = 0.5
"""Share of the picture that differs, above which it is another scene."""


class Smoother:
    """Smooths the labels of one camera over time, in time and not in frames; one for a camera.

    No label comes along after a stamp that does not go forward, a gap of more than half a second, another size of
    frame, or a cut. Pixels that nothing came to have the network's own label.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._flow.setPatchStride(_STRIDE)
        self._flow.setGradientDescentIterations(_ITERATIONS)
        self._stamp = 0.0
        self._before: _Before | None = None
        # Written again for every frame: the kernel takes longer to clear new memory than the arithmetic takes.
        self._places = np.zeros((0, 0, 2), np.int16)

    def update(self, stamp: float, found: SemanticMap, picture: np.ndarray) -> SemanticMap:
        """Takes the labels of the next frame, and returns the smoothed ones, in memory of their own.

        Args:
            stamp: of the frame, s.
            found: by the network, with confidence.
            picture: the frame, `(H, W, 3)` or grey, uint8, of the size of the labels.

        Returns:
            Labels, and as confidence that of the frame in which the label was surest, less what it decayed since.

        Raises:
            ValueError: there is no confidence.
        """
        if found.confidence is None:
            raise ValueError("labels are smoothed by their confidence: expected a SemanticMap with one, got None")
        grey, seconds = small(picture, _SIDE), stamp - self._stamp
        colours = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGBA if picture.ndim == 2 else cv2.COLOR_RGB2RGBA)
        before, after = self._before, found.copy()
        same_size = before is not None and before.pairs.shape == found.label.shape and before.grey.shape == grey.shape
        if same_size and 0.0 < seconds <= _GAP and min(grey.shape) >= _LEAST:
            flow = self._flow.calc(grey, before.grey, None)  # to where each pixel was
            if not _cut(flow, before.grey, grey):
                self._carry(before, after, colours, flow, math.exp(-seconds / _MEMORY))
        pairs = cv2.merge((after.label, after.confidence)).view(np.uint16)[..., 0]
        self._stamp, self._before = stamp, _Before(pairs, colours, grey)
        return after

    def _carry(self, before: _Before, after: SemanticMap, colours: np.ndarray, flow: np.ndarray, left: float) -> None:
        """Writes into `after` the labels that came along and stay.

        Args:
            colours: of this frame, as in `_Before`.
            flow: of the small picture, `(h, w, 2)`.
            left: share of the confidence that is left by now, 0..1.
        """
        (height, width), (h, w) = after.label.shape, flow.shape[:2]
        # Whole pixels, in small numbers: the passes over the whole frame are what takes the time.
        moved = cv2.multiply(flow, (width / w, height / h, 0, 0), dtype=cv2.CV_16S)
        if self._places.shape[:2] != (height, width):
            self._places = np.empty((height, width, 2), np.int16)
        places = cv2.resize(moved, (width, height), dst=self._places, interpolation=cv2.INTER_NEAREST)
        places = cv2.add(places, _grid(height, width, np.int16), dst=places)
        came = cv2.remap(before.pairs, places, None, cv2.INTER_NEAREST)  # 0 from outside of the picture
        label, confidence = cv2.split(came.view(np.uint8).reshape(height, width, 2))
        # Rounded down: to the nearest, a low confidence would stay as it is and never fade.
        confidence = cv2.convertScaleAbs(confidence, alpha=left, beta=-0.5)
        stays = cv2.compare(confidence, after.confidence, cv2.CMP_GT)
        other = np.flatnonzero((label != after.label) & (stays > 0))
        if len(other) > _MOST * label.size:
            seen = cv2.remap(before.colours, places, None, cv2.INTER_NEAREST)
            stays = cv2.bitwise_and(stays, cv2.compare(_apart(colours, seen), _DIFFERENT, cv2.CMP_LE))
        elif len(other):
            exact, alike = _exact(before, colours, places, other)
            label.reshape(-1)[other], stays.reshape(-1)[other] = exact, 255 * alike
        cv2.copyTo(label, stays, after.label)
        cv2.copyTo(confidence, stays, after.confidence)


class _Before(NamedTuple):
    """What is kept of a frame.

    Attributes:
        pairs: label and confidence as one number, which moves twice as fast as two, `(H, W) uint16`.
        colours: `(H, W, 4) uint8`, the last of no meaning.
        grey: the small picture, `(h, w) uint8`.
    """

    pairs: np.ndarray
    colours: np.ndarray
    grey: np.ndarray


def _cut(flow: np.ndarray, before: np.ndarray, now: np.ndarray) -> bool:
    """Returns whether the small picture looks other than what the flow brings: it is another scene."""
    seen = cv2.remap(before, flow[::4, ::4] + _grid(*now.shape, np.float32)[::4, ::4], None, cv2.INTER_NEAREST)
    return np.count_nonzero(cv2.absdiff(seen, np.ascontiguousarray(now[::4, ::4])) > _DIFFERENT) > _CUT * seen.size


def _exact(
    before: _Before, colours: np.ndarray, places: np.ndarray, pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the labels of where pixels came from, `(P,) uint8`, and which of these look alike, `(P,) bool`.

    Args:
        colours: of this frame, as in `_Before`.
        places: to where the flow leads, `(H, W, 2) int16`.
        pixels: `(P,)`, as if the frame were one row.
    """
    height, width = before.pairs.shape
    x, y = places.view(np.int32).reshape(-1)[pixels].view(np.int16).reshape(-1, 2).T.astype(np.int32)
    place = np.clip(y, 1, height - 2) * width + np.clip(x, 1, width - 2)
    candidates = place + np.array([[0], [1], [-1], [width], [-width]], np.int32)
    there = before.colours.view(np.uint32).reshape(-1).take(candidates).view(np.uint8)
    here = np.tile(colours.view(np.uint32).reshape(-1)[pixels], (len(candidates), 1)).view(np.uint8)
    apart = _apart(there.reshape(*candidates.shape, 4), here.reshape(*candidates.shape, 4)).astype(np.uint16)
    apart[1:] += _ASIDE
    # The number of the candidate goes into the last three bits, so that one pass finds both.
    nearest = (8 * apart + np.arange(len(candidates), dtype=np.uint16)[:, None]).min(axis=0)
    exact = candidates[nearest & 7, np.arange(len(pixels))]
    return before.pairs.reshape(-1)[exact].view(np.uint8)[::2], nearest < 8 * (_DIFFERENT + 1)


def _apart(colours: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns by how much colours `(h, w, 4) uint8` differ, the most of the three: `(h, w) uint8`."""
    red, green, blue, _ = cv2.split(cv2.absdiff(colours, others))
    return cv2.max(red, cv2.max(green, blue))


@functools.lru_cache(maxsize=8)
def _grid(height: int, width: int, dtype: type) -> np.ndarray:
    """Makes the place `(x, y)` of every pixel, `(height, width, 2)`."""
    return np.stack(np.meshgrid(np.arange(width, dtype=dtype), np.arange(height, dtype=dtype)), axis=2)
