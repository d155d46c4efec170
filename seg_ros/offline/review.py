"""Looks at the labels of a recording while they are made: for a report, and for the frames to be labelled by hand."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from seg_ros.classes import UNLABELLED, ClassMap
from seg_ros.offline.labels import Shot, Wish, drawn, encoded
from seg_ros.offline.report import FILE, SUMMARY, page
from seg_ros.offline.tally import Tally
from seg_ros.offline.unsure import FOLDER, Export, Unsure, uncertainty
from seg_ros.overlay import as_bgr
from seg_ros.results import Instances

_SHOWN = 24
"""Least sure frames in a report."""
_WIDTH, _QUALITY = 480, 75
"""Of a picture in a report: pixels, and of JPEG."""


class Memory(NamedTuple):
    """What a report shows of a frame: where it is from, and JPEG files of itself and of the labels over it."""

    camera: str
    name: str
    time: float
    frame: bytes
    overlay: bytes


@dataclasses.dataclass
class Series:
    """What is known of each frame of a camera.

    Attributes:
        times: s, or the number of the picture.
        shares: of the pixels, by class, and last of those without; `(C + 1,) float32` each.
        uncertainty: 0..1.
        objects: by class, `(C,)` each; empty where the network finds none.
        tracks: all ids by class.
    """

    times: list[float] = dataclasses.field(default_factory=list)
    shares: list[np.ndarray] = dataclasses.field(default_factory=list)
    uncertainty: list[float] = dataclasses.field(default_factory=list)
    objects: list[np.ndarray] = dataclasses.field(default_factory=list)
    tracks: dict[int, int] = dataclasses.field(default_factory=dict)

    def add(self, shot: Shot, classes: int, unsure: float) -> None:
        """Takes a frame."""
        label = shot.semantic.label
        counts = cv2.calcHist([label], [0], None, [256], [0, 256]).reshape(-1) / label.size
        self.times.append(shot.time)
        self.shares.append(np.append(counts[:classes], counts[UNLABELLED]).astype(np.float32))
        self.uncertainty.append(unsure)
        if isinstance(shot.output, Instances):
            self.objects.append(np.bincount(shot.output.class_id, minlength=classes))
            if shot.output.tracks is not None:
                ids, class_id = shot.output.tracks.track_id.tolist(), shot.output.class_id.tolist()
                self.tracks |= {track: each for track, each in zip(ids, class_id, strict=True) if track}


class Review:
    """Takes all labelled frames of a recording, and writes what is asked for: nothing, if nothing is.

    Args:
        target: folder of the output, which is there.
        unit: of `Shot.time`.
    """

    def __init__(self, target: Path, classes: ClassMap, wish: Wish, unit: str) -> None:
        self._target, self._classes, self._unit = target, classes, unit
        self._report = wish.report
        self._series: dict[str, Series] = {}
        self._export = Export(target / FOLDER, classes) if wish.uncertain else None
        self._unsure = None
        if wish.report or wish.uncertain:
            self._unsure = Unsure(wish.uncertain or _SHOWN, self._remember, self._forget)

    def add(self, shot: Shot, key: str) -> None:
        """Takes a frame; no other has its `key`, which files may be called."""
        if self._unsure is None:
            return
        value = uncertainty(shot.output)
        if self._report:
            self._series.setdefault(shot.camera, Series()).add(shot, len(self._classes), value)
        self._unsure.add(shot, key, value)

    def finish(self, source: Path, tally: Tally) -> None:
        """Writes the report of a recording."""
        if self._report and self._unsure is not None:
            kept = self._unsure.ranked()[:_SHOWN]
            text = page(source, tally, self._classes, self._series, kept, self._unit)
            (self._target / FILE).write_bytes(text.encode("utf-8", "backslashreplace"))
            (self._target / SUMMARY).write_text(json.dumps(_summary(list(self._series.values()), len(self._classes))))

    def _remember(self, shot: Shot, key: str) -> Memory | None:
        if self._export is not None:
            self._export.write(shot, key)
        if not self._report:
            return None
        over = drawn(shot.frame, shot.output, self._classes)
        return Memory(shot.camera, shot.name, shot.time, _thumbnail(as_bgr(shot.frame)), _thumbnail(over))

    def _forget(self, key: str) -> None:
        if self._export is not None:
            self._export.remove(key)


def _summary(series: Sequence[Series], classes: int) -> dict[str, Any]:
    """Returns what reports are added up by: means over the frames of all cameras, and counts by class."""
    frames = sum(len(each.times) for each in series)
    shares = sum((np.sum(each.shares, axis=0) for each in series), np.zeros(classes + 1))[:classes]
    unsure = sum(sum(each.uncertainty) for each in series)
    found = {"frames": frames, "uncertainty": unsure / max(frames, 1), "shares": (shares / max(frames, 1)).tolist()}
    if any(each.objects for each in series):
        tracks = [class_id for each in series for class_id in each.tracks.values()]
        found["objects"] = sum(np.sum(each.objects, axis=0) for each in series if each.objects).tolist()
        found["tracks"] = np.bincount(tracks, minlength=classes).tolist() if tracks else [0] * classes
    return found


def _thumbnail(pixels: np.ndarray) -> bytes:
    height, width = pixels.shape[:2]
    if width > _WIDTH:
        size = _WIDTH, max(1, round(height * _WIDTH / width))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return encoded(".jpg", pixels, cv2.IMWRITE_JPEG_QUALITY, _QUALITY).tobytes()
