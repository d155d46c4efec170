"""The values that flow through seg_ros: a camera frame in, a semantic map or instances out."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import ClassVar

import cv2
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
        damage: what the decoder complained of, where damaged images are accepted; empty for a whole picture.

    Raises:
        ValueError: if the pixels have another shape or type: other bytes would be read for them, and labelled.
    """

    pixels: np.ndarray
    bgr: bool = False
    stamp: tuple[int, int] = (0, 0)
    frame_id: str = ""
    damage: str = ""

    def __post_init__(self) -> None:
        pixels = self.pixels
        if not (
            isinstance(pixels, np.ndarray)
            and pixels.dtype == np.uint8
            and pixels.ndim == 3
            and pixels.shape[2] == 3
            and pixels.size
        ):
            raise ValueError(f"expected (H, W, 3) uint8 pixels as cv2.imread gives them, got {_described(pixels)}")

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
        confidence: `(H, W) uint8`, probability of that class, 0..255 for 0..1; None where it was not wanted.
    """

    label: np.ndarray
    confidence: np.ndarray | None = None
    capped: ClassVar[int] = 0  # it has no objects that could be cut off

    def semantic(self) -> SemanticMap:
        """Returns itself, so that callers may treat it as `Instances`."""
        return self

    def mask(self, class_ids: Collection[int]) -> np.ndarray:
        """Draws `(H, W) uint8`: 255 where the pixel's class is one of these, else 0."""
        ids = sorted(set(class_ids))
        if ids and ids[-1] - ids[0] == len(ids) - 1:  # a single one, or neighbours: a fifth of the table's time
            return cv2.inRange(self.label, ids[0], ids[-1])
        table = np.zeros(256, np.uint8)
        table[ids] = 255
        return cv2.LUT(self.label, table)  # a fifth of the time of table[label], with the same result

    def copy(self) -> SemanticMap:
        """Returns the same values in memory of their own."""
        return SemanticMap(self.label.copy(), None if self.confidence is None else self.confidence.copy())


@dataclasses.dataclass(frozen=True)
class Selection:
    """Selects which objects of a network count, and where their masks end.

    Attributes:
        score_threshold: smallest score, 0..1.
        mask_threshold: smallest probability of a pixel that belongs to an object, 0..1.
        classes: class ids that count; None is all.
        max_detections: most objects of one frame, 1..65535; the best scored stay.
        faint_score: smallest score of objects that are found beside those, for who follows objects; None is none.
    """

    score_threshold: float = 0.5
    mask_threshold: float = 0.5
    classes: frozenset[int] | None = None
    max_detections: int = 100
    faint_score: float | None = None


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What to compute of a frame.

    Attributes:
        confidence: of semantic maps, beside the label.
        selection: which objects count, of instances.
    """

    confidence: bool = True
    selection: Selection = Selection()


@dataclasses.dataclass(frozen=True)
class Tracks:
    """What is known of objects from the frames before, in their order; `tracking.Tracker` makes it.

    Attributes:
        track_id: `(N,) uint32`, the same for the same object in all frames, and never given again; 0 = none yet.
        age_frames: `(N,) uint32`, frames in which the object was found, this one included; 0 without an id.
        track_score: `(N,) float32`, mean score over the last frames, 0..1; 0 without an id.
        class_id: `(N,) uint8`, the class that most of the scores were for; without an id the object's own.
        trail: `(N, K, 2) float32`, centres `(x, y)` in the last frames in which it was found, pixels, the newest
            last; NaN where there were fewer, and without an id.
    """

    track_id: np.ndarray
    age_frames: np.ndarray
    track_score: np.ndarray
    class_id: np.ndarray
    trail: np.ndarray

    def __getitem__(self, index: slice | np.ndarray | list) -> Tracks:
        """Returns the chosen objects, in the order of the index."""
        return Tracks(*(getattr(self, field.name)[index] for field in dataclasses.fields(self)))


@dataclasses.dataclass(frozen=True)
class Coasting:
    """Objects that were not found in a frame, where they are expected in it: predicted boxes, and nothing else.

    Attributes:
        track_id: `(N,) uint32`, what the object had when it was last found.
        class_id: `(N,) uint8`.
        box: `(N, 4) float32`, `(x0, y0, x1, y1)`, pixels of the frame, cut to it.
    """

    track_id: np.ndarray
    class_id: np.ndarray
    box: np.ndarray


@dataclasses.dataclass(frozen=True)
class Instances:
    """The objects of a frame in descending score; N may be 0. The id of object i is i + 1.

    `objects[i]`, a slice, an index array or a boolean mask chooses some of them: `objects[objects.score > 0.7]`.

    Attributes:
        size: `(H, W)` of the frame, pixels.
        class_id: `(N,) uint8`.
        score: `(N,) float32`, 0..1.
        box: `(N, 4) float32`, `(x0, y0, x1, y1)` as the network gives it, in pixels of the frame and cut to it.
        roi: `(N, 4) int32`, `(x, y, width, height)` of the smallest box around the mask; at least 1 x 1.
        masks: N arrays `(height, width) uint8` of the roi's size: 255 inside the object, 0 outside.
        capped: objects that `Selection.max_detections` cut off.
        tracks: of the objects; None where they are not followed.
        coasting: of objects that are not among them; None where they are not wanted.

    Raises:
        ValueError: if the shapes do not go together.
    """

    size: tuple[int, int]
    class_id: np.ndarray
    score: np.ndarray
    box: np.ndarray
    roi: np.ndarray
    masks: tuple[np.ndarray, ...]
    capped: int = 0
    tracks: Tracks | None = None
    coasting: Coasting | None = None

    def __post_init__(self) -> None:
        n = len(self.masks)
        for name, shape in (("class_id", (n,)), ("score", (n,)), ("box", (n, 4)), ("roi", (n, 4))):
            got = np.shape(getattr(self, name))
            if got != shape:
                raise ValueError(f"{n} masks need {name} of shape {shape}, got {got}")
        for i, ((_, _, width, height), mask) in enumerate(zip(self.roi.tolist(), self.masks, strict=True)):
            if mask.shape != (height, width):
                raise ValueError(f"mask {i} must have the size of its roi, {(height, width)}, got {mask.shape}")

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, index: int | slice | np.ndarray | list) -> Instances:
        """Returns the chosen objects, in the order of the index; one number chooses one."""
        chosen = np.atleast_1d(np.arange(len(self))[index])
        return dataclasses.replace(
            self,
            class_id=self.class_id[chosen],
            score=self.score[chosen],
            box=self.box[chosen],
            roi=self.roi[chosen],
            masks=tuple(self.masks[i] for i in chosen),
            tracks=self.tracks and self.tracks[chosen],
        )

    def followed(self, tracks: Tracks) -> Instances:
        """Returns the same objects with their tracks, and each of the class of its track."""
        return dataclasses.replace(self, tracks=tracks, class_id=tracks.class_id)

    def ids(self) -> np.ndarray:
        """Draws `(H, W) uint16`: id (1..N) of the best-scored object at each pixel, 0 = none."""
        return self._drawn(np.arange(1, len(self) + 1))

    def track_ids(self) -> np.ndarray:
        """Draws `(H, W) uint16`: track id of the best-scored object at each pixel, 0 = none.

        Ids above 65535 start at 1 again, for images of 16 bits are what viewers show.
        """
        ids = np.zeros(len(self), np.int64) if self.tracks is None else self.tracks.track_id.astype(np.int64)
        return self._drawn(np.where(ids > 0, (ids - 1) % 65535 + 1, 0))

    def _drawn(self, values: np.ndarray) -> np.ndarray:
        drawn = np.zeros(self.size, np.uint16)
        for i in reversed(range(len(self))):  # the best last, over the others
            x, y, width, height = self.roi[i]
            drawn[y : y + height, x : x + width][self.masks[i] > 0] = values[i]
        return drawn

    def semantic(self) -> SemanticMap:
        """Draws class id and score of the best-scored object at each pixel; 255 and 0 where there is none."""
        label, confidence = np.full(self.size, UNLABELLED, np.uint8), np.zeros(self.size, np.uint8)
        for i in reversed(range(len(self))):
            x, y, width, height = self.roi[i]
            inside = self.masks[i] > 0
            label[y : y + height, x : x + width][inside] = self.class_id[i]
            confidence[y : y + height, x : x + width][inside] = int(self.score[i] * 255 + 0.5)
        return SemanticMap(label, confidence)

    def mask(self, class_ids: Collection[int]) -> np.ndarray:
        """Draws `(H, W) uint8`: 255 inside every object of one of these classes, else 0.

        Other than in `semantic()`, no object hides another: a person behind a car is in the mask of people.
        """
        mask = np.zeros(self.size, np.uint8)
        for i in np.flatnonzero(np.isin(self.class_id, list(class_ids))):
            x, y, width, height = self.roi[i]
            area = mask[y : y + height, x : x + width]
            np.maximum(area, self.masks[i], out=area)
        return mask


@dataclasses.dataclass(frozen=True)
class Result:
    """The result of one frame.

    Attributes:
        frame: the input.
        output: labels or objects at the frame's size.
        timings: seconds by stage of the inference that the frame was in: `resize`, `infer`, `restore`. On a GPU `infer`
            is the whole step, with both resizings and copies; the others are the copies into and out of its buffers.
    """

    frame: Frame
    output: SemanticMap | Instances
    timings: dict[str, float]


def _described(pixels: object) -> str:
    if pixels is None:
        return "None: cv2.imread could not read the file"
    if not isinstance(pixels, np.ndarray):
        return f"{type(pixels).__name__}: convert it by numpy.asarray"
    return f"{pixels.shape} {pixels.dtype}: convert them, by cv2.cvtColor where only the channels differ"
