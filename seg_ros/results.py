"""What flows through the node: a camera frame in, a semantic map or instances out."""

from __future__ import annotations

import dataclasses

import numpy as np

from seg_ros.classes import UNLABELLED


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


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which of the objects that a network finds count, and where their masks end.

    Attributes:
        score_threshold: smallest score, 0..1.
        mask_threshold: smallest probability of a pixel that belongs to an object, 0..1.
        classes: class ids that count; None is all.
        max_detections: most objects of one frame, 1..65535; the best scored stay.
    """

    score_threshold: float = 0.5
    mask_threshold: float = 0.5
    classes: frozenset[int] | None = None
    max_detections: int = 100


@dataclasses.dataclass(frozen=True)
class Instances:
    """The objects of a frame in descending score; N may be 0. The id of object i is i + 1.

    Attributes:
        size: `(H, W)` of the frame, pixels.
        class_id: `(N,) uint8`.
        score: `(N,) float32`, 0..1.
        box: `(N, 4) float32`, `(x0, y0, x1, y1)` as the network gives it, in pixels of the frame and cut to it.
        roi: `(N, 4) int32`, `(x, y, width, height)` of the smallest box around the mask; at least 1 x 1.
        masks: N arrays `(height, width) uint8` of the roi's size: 255 inside the object, 0 outside.
        capped: objects that `Selection.max_detections` cut off.
    """

    size: tuple[int, int]
    class_id: np.ndarray
    score: np.ndarray
    box: np.ndarray
    roi: np.ndarray
    masks: tuple[np.ndarray, ...]
    capped: int = 0

    def __len__(self) -> int:
        return len(self.masks)

    def above(self, score: float) -> Instances:
        """Those whose score is at least `score`."""
        n = int((self.score >= score).sum())
        parts = {name: getattr(self, name)[:n] for name in ("class_id", "score", "box", "roi", "masks")}
        return dataclasses.replace(self, **parts)

    def ids(self) -> np.ndarray:
        """`(H, W) uint16`: id (1..N) of the best-scored object at each pixel, 0 = none."""
        ids = np.zeros(self.size, np.uint16)
        for i in reversed(range(len(self))):  # the best last, over the others
            x, y, width, height = self.roi[i]
            ids[y : y + height, x : x + width][self.masks[i] > 0] = i + 1
        return ids

    def semantic(self) -> SemanticMap:
        """Class id and score of the best-scored object at each pixel; 255 and 0 where there is none."""
        label, confidence = np.full(self.size, UNLABELLED, np.uint8), np.zeros(self.size, np.uint8)
        for i in reversed(range(len(self))):
            x, y, width, height = self.roi[i]
            inside = self.masks[i] > 0
            label[y : y + height, x : x + width][inside] = self.class_id[i]
            confidence[y : y + height, x : x + width][inside] = int(self.score[i] * 255 + 0.5)
        return SemanticMap(label, confidence)
