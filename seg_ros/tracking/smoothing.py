"""Holds labels still from frame to frame: each pixel takes the surest label that its piece of the scene had lately.

Labels and their confidence are carried along optical flow (DIS: Kroeger et al., Fast Optical Flow using Dense Inverse
Search, 2016), computed on a small grey picture. A label that came along stays until its confidence, which decays with
time, is no longer above that of the label that the network gives now. Where the picture that came along looks other
than the one that is there, what came with it is not believed.
"""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np

from seg_ros.results import SemanticMap
from seg_ros.tracking.camera_motion import small

_SIDE = 320
"""Most pixels of the longer side of the picture that the flow is computed on, and fewest of the shorter side."""
_LEAST = 32
_MEMORY = 1.0
"""Seconds in which the confidence of a label that came along falls to 1/e."""
_GAP = 0.5
"""Seconds between two frames after which no label comes along."""
_DIFFERENT = 20
"""Grey values by which a pixel differs from the one that it came from, above which the flow is not believed."""
_CUT = 0.5
"""Share of the picture that must be believed; else it is another scene."""
_OUTSIDE = np.iinfo(np.int16).min
"""Where a pixel comes from whose flow is not believed: nowhere in the picture."""


class Smoother:
    """Smooths the labels of one camera over time, in time and not in frames; one for a camera.

    No label comes along after a stamp that does not go forward, a gap of more than half a second, another size of
    frame, or a cut. Pixels that nothing came to have the network's own label.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._stamp = 0.0
        self._before: np.ndarray | None = None  # (H, W, 2), label and confidence
        self._picture = np.zeros((0, 0), np.uint8)
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
        before, after = self._before, found.copy()
        same_size = before is not None and before.shape[:2] == found.label.shape and self._picture.shape == grey.shape
        if same_size and 0.0 < seconds <= _GAP and min(grey.shape) >= _LEAST:
            came = self._carried(before, grey, math.exp(-seconds / _MEMORY))
            if came is not None:
                stays = cv2.compare(came.confidence, after.confidence, cv2.CMP_GT)
                cv2.copyTo(came.label, stays, after.label)
                cv2.copyTo(came.confidence, stays, after.confidence)
        self._stamp, self._picture = stamp, grey
        self._before = cv2.merge((after.label, after.confidence))
        return after

    def _carried(self, before: np.ndarray, grey: np.ndarray, left: float) -> SemanticMap | None:
        """Moves the last labels to where the small picture has them now; None after a cut.

        Args:
            before: `(H, W, 2)`, label and confidence.
            left: share of the confidence that is left by now, 0..1.

        Returns:
            Confidence is 0 where nothing came, or what came is not believed.
        """
        (height, width), (h, w) = before.shape[:2], grey.shape
        flow = self._flow.calc(grey, self._picture, None)  # to where each pixel was
        seen = cv2.remap(self._picture, cv2.add(flow, _grid(h, w, np.float32)), None, cv2.INTER_NEAREST)
        wrong = cv2.threshold(cv2.absdiff(seen, grey), _DIFFERENT, 255, cv2.THRESH_BINARY)[1]
        if cv2.countNonZero(wrong) > (1 - _CUT) * wrong.size:
            return None
        # Whole pixels from here on, in small numbers: the passes over the whole frame are what takes the time.
        moved = cv2.multiply(flow, (width / w, height / h, 0, 0), dtype=cv2.CV_16S)
        cv2.copyTo(_nowhere(h, w), wrong, moved)
        if self._places.shape[:2] != (height, width):
            self._places = np.empty((height, width, 2), np.int16)
        places = cv2.resize(moved, (width, height), dst=self._places, interpolation=cv2.INTER_NEAREST)
        places = cv2.add(places, _grid(height, width, np.int16), dst=places)
        pairs = before.view(np.uint16)[..., 0]  # one number a pixel is moved twice as fast as two
        came = cv2.remap(pairs, places, None, cv2.INTER_NEAREST)  # 0 from outside of the picture
        label, confidence = cv2.split(came.view(np.uint8).reshape(height, width, 2))
        # Rounded down: to the nearest, a low confidence would stay as it is and never fade.
        return SemanticMap(label, cv2.convertScaleAbs(confidence, alpha=left, beta=-0.5))


@functools.lru_cache(maxsize=8)
def _grid(height: int, width: int, dtype: type) -> np.ndarray:
    """Makes the place `(x, y)` of every pixel, `(height, width, 2)`."""
    return np.stack(np.meshgrid(np.arange(width, dtype=dtype), np.arange(height, dtype=dtype)), axis=2)


@functools.lru_cache(maxsize=4)
def _nowhere(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 2), _OUTSIDE, np.int16)
