"""Keeps the frames that a network is least sure of, no two of which look alike."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from seg_ros.classes import ClassMap
from seg_ros.offline.labels import Shot, encoded, labels
from seg_ros.overlay import as_bgr
from seg_ros.results import Instances, SemanticMap

FOLDER = "uncertain"
_ALIKE = 10
"""Bits of 64 in which the hashes of frames that look alike differ at most."""


class Kept(NamedTuple):
    """What is remembered of a frame.

    Attributes:
        uncertainty: 0..1.
        hash: of how it looks.
        key: under which its files are.
        memory: what the caller wants to remember.
    """

    uncertainty: float
    hash: int
    key: str
    memory: object


class Unsure:
    """The least sure frames of a recording. Of frames that look alike the least sure one is kept.

    Args:
        most: frames to keep.
        remember: makes of a frame what is to be remembered; called for frames that are kept for now.
        forget: is told the key of a frame that gives way to another.

    Attributes:
        kept: frames.
    """

    def __init__(self, most: int, remember: Callable[[Shot, str], object], forget: Callable[[str], None]) -> None:
        self._most, self._remember, self._forget = most, remember, forget
        self.kept: list[Kept] = []

    def add(self, shot: Shot, key: str, value: float) -> None:
        """Takes a frame of the uncertainty `value`."""
        if len(self.kept) == self._most and value <= min(each.uncertainty for each in self.kept):
            return
        own = difference_hash(shot.frame.pixels)
        alike = [each for each in self.kept if (each.hash ^ own).bit_count() <= _ALIKE]
        if any(each.uncertainty >= value for each in alike):
            return
        if not alike and len(self.kept) == self._most:
            alike = [min(self.kept, key=lambda each: each.uncertainty)]
        for each in alike:
            self.kept.remove(each)
            self._forget(each.key)
        self.kept.append(Kept(value, own, key, self._remember(shot, key)))

    def ranked(self) -> list[Kept]:
        """Returns the frames, the least sure first."""
        return sorted(self.kept, key=lambda each: -each.uncertainty)


def uncertainty(output: SemanticMap | Instances) -> float:
    """Returns the mean of 1 - confidence over the pixels; of objects that of 1 - score, 0 without any: 0..1."""
    if isinstance(output, Instances):
        return float(1 - output.score.mean()) if len(output) else 0.0
    return 1 - cv2.mean(output.confidence)[0] / 255


def difference_hash(pixels: np.ndarray) -> int:
    """Returns 64 bits of how a picture `(H, W, 3) uint8` looks: where it gets brighter to the right, on 8 x 8 places.

    Source: N. Krawetz, "Kind of Like That", hackerfactor.com, 2013 (dHash).
    """
    small = cv2.resize(pixels, (9, 8), interpolation=cv2.INTER_AREA).mean(axis=2)
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes())


class Export:
    """Writes frames as a data set to be labelled: `images`, and what the network made of them as a first draft.

    Args:
        folder: whose parts are `images`, `labels`, of objects `instances`, and `classes.json`.
    """

    def __init__(self, folder: Path, classes: ClassMap) -> None:
        self._folder = folder
        for part in ("images", "labels"):
            (folder / part).mkdir(parents=True)
        (folder / "classes.json").write_text(json.dumps(classes.to_dict()))

    def write(self, shot: Shot, key: str) -> None:
        """Writes a frame."""
        stream = encoded(".png", as_bgr(shot.frame), cv2.IMWRITE_PNG_COMPRESSION, 1)
        (self._folder / "images" / f"{key}.png").write_bytes(stream)
        folders = {"label": "labels", "instance_ids": "instances"}
        for each in labels(shot, confidence=False):
            if each.name in folders:
                file = self._folder / folders[each.name] / f"{key}.png"
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(encoded(".png", each.pixels))

    def remove(self, key: str) -> None:
        """Removes a frame that was written."""
        for part in ("images", "labels", "instances"):
            with contextlib.suppress(FileNotFoundError):
                (self._folder / part / f"{key}.png").unlink()
