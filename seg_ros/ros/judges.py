"""What the probe compares with the truth, by task: label images, or objects.

A judge names the node's topic and its message type, the kinds of truth it needs, the figure that decides (`score`, with
a `title`), and the probe's argument that says how much is enough (`least`).
"""

from __future__ import annotations

import time

import numpy as np
from sensor_msgs.msg import Image

from seg_ros import overlay
from seg_ros.classes import ClassMap
from seg_ros.metrics.average_precision import AveragePrecision
from seg_ros.metrics.confusion import Confusion
from seg_ros.metrics.truth import Truth
from seg_ros.results import Frame, Instances
from seg_ros_msgs.msg import InstanceMaskArray

SHOWN_SCORE = 0.5
"""Smallest score of the objects in the picture; AP weighs those below as well."""
_PERIOD = 0.2
"""Seconds between judged pictures of objects: others are nearly the same, and judging takes the node's time."""


class LabelJudge:
    """mIoU of `~/label` against true label images."""

    message, topic, truths = Image, "label", ("label",)
    score, title, least = "miou", "mIoU", "min_miou"

    def __init__(self, classes: ClassMap) -> None:
        self._classes = classes
        self.reset()

    def reset(self) -> None:
        self._confusion = Confusion(len(self._classes))
        self.judged = 0

    def add(self, truths: tuple[Image, ...], found: Image) -> None:
        """Compares one picture.

        Raises:
            ValueError: if the sizes differ.
        """
        self._confusion.add(pixels(truths[0]), pixels(found))
        self.judged += 1

    def figures(self) -> dict:
        """`miou` and, by class, `iou`; None without truth."""
        figures = self._confusion.summary(self._classes) if self.judged else {}
        return {name: figures.get(name) for name in ("miou", "iou")}

    live = figures

    def by_class(self, figures: dict) -> dict[str, float | None]:
        return figures["iou"] or {}

    def picture(self, frame: Frame, found: Image) -> np.ndarray:
        return overlay.side_by_side(frame, pixels(found), self._classes)


class ObjectJudge:
    """Mask and box AP of `~/instances` against true label and object-id images.

    The messages carry no boxes but the masks' own, so these are what box AP judges.
    """

    message, topic, truths = InstanceMaskArray, "instances", ("label", "instance")
    score, title, least = "mask_ap50", "mask AP50", "min_ap50"

    def __init__(self, classes: ClassMap) -> None:
        self._classes = classes
        self.reset()

    def reset(self) -> None:
        self._precision = AveragePrecision(self._classes)
        self.judged = 0
        self._last = 0.0

    def add(self, truths: tuple[Image, ...], found: InstanceMaskArray) -> None:
        """Compares one picture, five a second at most.

        Raises:
            ValueError: if the sizes differ.
        """
        now = time.monotonic()
        if now - self._last < _PERIOD:
            return
        self._last = now
        label, instance = (pixels(truth) for truth in truths)
        self._precision.add(Truth.from_images(label, instance, self._classes.things), objects(found))
        self.judged += 1

    def figures(self) -> dict:
        """`mask_ap`, `mask_ap50`, `mask_ap75`, `box_ap`, `box_ap50`, `box_ap75` and `ap` by class, or None."""
        figures = self._precision.summary()
        return figures if self.judged else dict.fromkeys(figures)

    def live(self) -> dict:
        """Nothing: AP is of all pictures together, and takes seconds."""
        return {}

    def by_class(self, figures: dict) -> dict[str, float | None]:
        return figures["ap"] or {}

    def picture(self, frame: Frame, found: InstanceMaskArray) -> np.ndarray:
        return overlay.side_by_side(frame, objects(found).above(SHOWN_SCORE), self._classes)


JUDGES: dict[str, type] = {"semantic": LabelJudge, "instances": ObjectJudge}
"""By task of the network."""


def objects(message: InstanceMaskArray) -> Instances:
    """The objects of a message; their boxes are the RoIs."""
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
    )


def pixels(message: Image) -> np.ndarray:
    """A view of a mono8 or 16UC1 image without row padding, `(H, W)`."""
    dtype = np.uint8 if message.encoding == "mono8" else np.dtype("<u2")
    return np.frombuffer(message.data, dtype).reshape(message.height, message.width)
