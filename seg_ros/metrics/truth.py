"""True objects of a picture: what detections are compared with."""

from __future__ import annotations

import dataclasses
from collections.abc import Set

import cv2
import numpy as np

MIN_PIXELS = 32
"""Visible pixels that an object needs to count. Below it (a 5 x 6 px patch of a person behind a car; one in ten
objects of the street) it cannot be recognised, and counts neither as hit nor as miss."""


_LARGEST = 2**31
"""Bytes of the masks of a picture: 7,000 objects at 640 x 480, 170 at 12 Mpixel."""


def blank_masks(count: int, size: tuple[int, int]) -> np.ndarray:
    """Returns masks to draw `count` objects into, `(count, *size) uint8`, all 0.

    Raises:
        ValueError: if they would take more than 2 GiB.
    """
    if count * size[0] * size[1] > _LARGEST:
        most = _LARGEST // (size[0] * size[1])
        raise ValueError(
            f"expected at most {most} objects in a picture of {tuple(size)} px, got {count}; cut it into smaller ones"
        )
    return np.zeros((count, *size), np.uint8)


@dataclasses.dataclass(frozen=True)
class Truth:
    """The true objects of one picture: N of them, and N may be 0.

    Attributes:
        masks: `(N, H, W) uint8`, 1 inside the object, 0 outside; none is empty.
        class_id: `(N,) int64`, ids of the class map.
        crowd: `(N,) bool`, objects that count neither as hit nor as miss, whatever their size.
        small: `(N,) bool`, objects of less than `MIN_PIXELS`.
    """

    masks: np.ndarray
    class_id: np.ndarray
    crowd: np.ndarray
    small: np.ndarray

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def ignore(self) -> np.ndarray:
        """Returns `(N,) bool`, objects that count neither as hit nor as miss: crowds, and the too small."""
        return self.crowd | self.small

    def back_to_front(self) -> np.ndarray:
        """Returns the objects in the order in which to draw them: of those that overlap the smaller is in front."""
        return np.argsort(-self.masks.sum(axis=(1, 2), dtype=np.int64), kind="stable")

    def boxes(self) -> np.ndarray:
        """Returns boxes `(x0, y0, x1, y1)`, `(N, 4) float32` pixels, tight around the masks; x1 and y1 lie outside."""
        boxes = np.array([cv2.boundingRect(m) for m in self.masks], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return boxes

    @classmethod
    def of(cls, masks: np.ndarray, class_id: np.ndarray, crowd: np.ndarray | None = None) -> Truth:
        """Makes objects of masks: drops the empty ones, and ignores those of less than `MIN_PIXELS` and in `crowd`."""
        class_id = np.asarray(class_id, np.int64)
        pixels = np.array([cv2.countNonZero(m) for m in masks], np.int64)
        small = pixels < MIN_PIXELS
        crowd = np.zeros(len(small), bool) if crowd is None else np.asarray(crowd, bool)
        seen = pixels > 0
        if seen.all():
            return cls(masks, class_id, crowd, small)
        return cls(masks[seen], class_id[seen], crowd[seen], small[seen])

    @classmethod
    def from_images(cls, label: np.ndarray, instance: np.ndarray, things: Set[int]) -> Truth:
        """Finds the objects in a pair of images, in ascending order of their ids.

        Args:
            label: `(H, W) uint8`, class ids.
            instance: `(H, W) uint8 or uint16`, id of the object at each pixel, 0 = none. An object's class is the one
                that most of its pixels have.
            things: class ids of objects; objects of other classes are left out.

        Raises:
            ValueError: if the shapes differ, or the masks would take more than 2 GiB.
        """
        if label.shape != instance.shape:
            raise ValueError(f"label {label.shape} and instance {instance.shape} differ in shape")
        where = np.flatnonzero(instance)  # objects cover a tenth of a street: all below is of their pixels alone
        ids = instance.ravel()[where]
        present = np.flatnonzero(np.bincount(ids))
        place = np.zeros(int(present.max(initial=0)) + 1, np.int64)
        place[present] = np.arange(len(present))
        place = place[ids]
        votes = np.bincount(place << 8 | label.ravel()[where], minlength=len(present) << 8).reshape(-1, 256)
        class_id = votes.argmax(axis=1)
        small = votes.sum(axis=1) < MIN_PIXELS
        masks = blank_masks(len(present), instance.shape).reshape(len(present), instance.size)
        masks[place, where] = 1
        wanted = np.isin(class_id, list(things))
        masks = masks.reshape(-1, *instance.shape)
        small = small[wanted]
        return cls(masks if wanted.all() else masks[wanted], class_id[wanted], np.zeros_like(small), small)
