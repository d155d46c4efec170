"""Compares what the node publishes with the truth, picture by picture, by task of the network."""

from __future__ import annotations

import abc
import functools
import time
from typing import Any

import numpy as np
from sensor_msgs.msg import Image

from seg_ros import overlay
from seg_ros.classes import ClassMap
from seg_ros.metrics.average_precision import AveragePrecision
from seg_ros.metrics.confusion import Confusion
from seg_ros.metrics.tracks import Named, Overlap, find_trackeval, track_scores
from seg_ros.metrics.truth import Truth
from seg_ros.models import INSTANCES, SEMANTIC
from seg_ros.results import Frame, Instances, Tracks
from seg_ros_msgs.msg import InstanceMaskArray

SHOWN_SCORE = 0.5
"""Smallest score of the objects in the picture; AP also counts those below."""
_PERIOD = 0.2
"""Seconds between compared pictures of objects: others are nearly the same, and comparing takes the node's time."""


class Judge(abc.ABC):
    """Compares results with the truth.

    Attributes:
        message: type of the results.
        topic: of the results, below the node's name.
        truths: kinds of true images that it needs, of `label` (class ids) and `instance` (object ids).
        score: name of the figure that decides.
        title: of that figure, for people.
        least: option of the probe with the smallest figure that passes.
        judged: pictures compared since `reset`.
    """

    message: type
    topic: str
    truths: tuple[str, ...]
    score: str
    title: str
    least: str
    judged = 0

    def __init__(self, classes: ClassMap) -> None:
        self._classes = classes
        self.reset()

    @abc.abstractmethod
    def reset(self) -> None:
        """Forgets what was compared."""

    @abc.abstractmethod
    def add(self, truths: tuple[Image, ...], found: Any) -> None:
        """Compares one result with its truth, an image of each kind in `truths`.

        Raises:
            ValueError: if the sizes differ.
        """

    @abc.abstractmethod
    def figures(self) -> dict[str, Any]:
        """Returns the figures of all pictures; each is None without truth."""

    def live(self) -> dict[str, Any]:
        """Returns the figures that cost little, for a line each second."""
        return {}

    @abc.abstractmethod
    def by_class(self, figures: dict[str, Any]) -> dict[str, float | None]:
        """Picks the figure by class, 0..1, out of `figures`; empty without truth."""

    def summary(self, figures: dict[str, Any]) -> str:
        """Puts the figures over all classes into a line for people; may be empty."""
        return ""

    @abc.abstractmethod
    def picture(self, frame: Frame, found: Any) -> np.ndarray:
        """Draws a result beside its camera image, BGR uint8."""


class LabelJudge(Judge):
    """Computes the mIoU of `~/label` against true label images: `miou` and, by class, `iou`."""

    message, topic, truths = Image, "label", ("label",)
    score, title, least = "miou", "mIoU", "min_miou"

    def reset(self) -> None:
        self._confusion = Confusion(len(self._classes))
        self.judged = 0

    def add(self, truths: tuple[Image, ...], found: Image) -> None:
        self._confusion.add(pixels(truths[0]), pixels(found))
        self.judged += 1

    def figures(self) -> dict[str, Any]:
        figures = self._confusion.summary(self._classes) if self.judged else {}
        return {name: figures.get(name) for name in ("miou", "iou")}

    def live(self) -> dict[str, Any]:
        return self.figures()

    def by_class(self, figures: dict[str, Any]) -> dict[str, float | None]:
        return figures["iou"] or {}

    def picture(self, frame: Frame, found: Image) -> np.ndarray:
        return overlay.side_by_side(frame, pixels(found), self._classes)


class ObjectJudge(Judge):
    """Computes the AP of `~/instances` against true label and object-id images, of masks and of boxes.

    Figures: `mask_ap`, `mask_ap50`, `mask_ap75`, `box_ap`, `box_ap50`, `box_ap75` and, by class, `ap`; of the tracks
    `hota` and `id_switches`, None where TrackEval is not installed or no object has a track. There are none live: they
    are of all pictures together, and take seconds. The messages carry no boxes but the masks' own, so box AP is of
    these.
    """

    message, topic, truths = InstanceMaskArray, "instances", ("label", "instance")
    score, title, least = "mask_ap50", "mask AP50", "min_ap50"

    def reset(self) -> None:
        self._precision = AveragePrecision(self._classes)
        self._tracked: list[tuple[Overlap, Named]] = []
        self._last = 0.0
        self.judged = 0

    def add(self, truths: tuple[Image, ...], found: InstanceMaskArray) -> None:
        """Compares one result with its truth, five a second at most.

        Raises:
            ValueError: if the sizes differ.
        """
        now = time.monotonic()
        if now - self._last < _PERIOD:
            return
        self._last = now
        label, instance = (pixels(truth) for truth in truths)
        result = objects(found)
        self._precision.add(Truth.from_images(label, instance, self._classes.things), result)
        if self._scores_tracks:
            ids = np.array([m.track_id for m in found.instances], np.int64)
            self._tracked.append((Overlap.of(label, instance, result), Named(ids, result.class_id)))
        self.judged += 1

    def figures(self) -> dict[str, Any]:
        figures = self._precision.summary()
        figures = figures if self.judged else dict.fromkeys(figures)
        return figures | self._track_figures()

    @functools.cached_property
    def _scores_tracks(self) -> bool:
        return find_trackeval()

    def _track_figures(self) -> dict[str, float | None]:
        if not any(named.track_id.any() for _, named in self._tracked):
            return {"hota": None, "id_switches": None}
        scores = track_scores([tuple(zip(*self._tracked, strict=True))])
        return {name: scores[name] for name in ("hota", "id_switches")}

    def by_class(self, figures: dict[str, Any]) -> dict[str, float | None]:
        return figures["ap"] or {}

    def summary(self, figures: dict[str, Any]) -> str:
        overall = {name: value for name, value in figures.items() if name.startswith(("mask_", "box_"))}
        if not self.judged:
            return ""
        if not self._scores_tracks:
            tracks = "no scores of tracks: TrackEval is not installed (requirements/tracking.txt)"
        elif figures["hota"] is None:
            tracks = "no tracks"
        else:
            tracks = f"hota {100 * figures['hota']:.1f}  id_switches {figures['id_switches']}"
        return "  ".join([*(f"{name} {100 * value:.1f}" for name, value in overall.items()), tracks])

    def picture(self, frame: Frame, found: InstanceMaskArray) -> np.ndarray:
        shown = objects(found)
        return overlay.side_by_side(frame, shown[shown.score >= SHOWN_SCORE], self._classes)


JUDGES: dict[str, type[Judge]] = {SEMANTIC: LabelJudge, INSTANCES: ObjectJudge}
"""By task of the network."""


def objects(message: InstanceMaskArray) -> Instances:
    """Reads the objects of a message; their boxes are the RoIs."""
    chosen = message.instances
    rois = [(m.roi.x_offset, m.roi.y_offset, m.roi.width, m.roi.height) for m in chosen]
    roi = np.array(rois, np.int32).reshape(-1, 4)
    return Instances(
        size=(message.height, message.width),
        class_id=np.array([m.class_id for m in chosen], np.uint8),
        score=np.array([m.score for m in chosen], np.float32),
        box=np.hstack((roi[:, :2], roi[:, :2] + roi[:, 2:])).astype(np.float32),
        roi=roi,
        masks=tuple(pixels(m.mask) for m in chosen),
        tracks=_tracks(message),
    )


def _tracks(message: InstanceMaskArray) -> Tracks | None:
    """Reads the objects' tracks, of which a message has no trails; None where no object has one."""
    chosen = message.instances
    if not any(m.track_id for m in chosen):
        return None
    return Tracks(
        np.array([m.track_id for m in chosen], np.uint32),
        np.array([m.age_frames for m in chosen], np.uint32),
        np.array([m.track_score for m in chosen], np.float32),
        np.array([m.class_id for m in chosen], np.uint8),
        np.full((len(chosen), 1, 2), np.nan, np.float32),
    )


def pixels(message: Image) -> np.ndarray:
    """Returns a view of a mono8 or 16UC1 image without row padding: `(H, W)`, uint8 or uint16."""
    dtype = np.uint8 if message.encoding == "mono8" else np.dtype("<u2")
    return np.frombuffer(message.data, dtype).reshape(message.height, message.width)
