"""Average precision of instances, as COCO computes it."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from seg_ros.classes import ClassMap
from seg_ros.metrics.truth import Truth
from seg_ros.results import Instances


class AveragePrecision:
    """Computes AP over the pictures added, by pycocotools' COCOeval (Lin et al., Microsoft COCO, 2014).

    A detection hits a true object of its class whose IoU with it is at least the threshold, each object once, the
    best-scored detection first. AP is the mean precision at 101 recalls; `ap` without a number averages it over the
    thresholds 0.50, 0.55 .. 0.95. The 100 best detections of a class in a picture count. A detection that lies on an
    ignored object is left out of the count.

    Args:
        classes: its thing classes count.
    """

    def __init__(self, classes: ClassMap) -> None:
        self.classes = classes
        self._pictures: list[dict] = []
        self._truths: list[dict] = []
        self._found: list[dict] = []

    def add(self, truth: Truth, found: Instances) -> None:
        """Adds one picture.

        Raises:
            ValueError: if the sizes of the picture differ.
        """
        if len(truth) and truth.masks.shape[1:] != tuple(found.size):
            raise ValueError(f"truth of {truth.masks.shape[1:]} px but instances of {tuple(found.size)} px")
        height, width = (int(v) for v in found.size)
        self._pictures.append({"id": len(self._pictures) + 1, "height": height, "width": width})
        rows = zip(truth.masks, truth.boxes(), truth.class_id, truth.crowd, truth.small, strict=True)
        for mask, box, class_id, crowd, small in rows:
            self._append(
                self._truths, class_id, box, rle.encode(np.asfortranarray(mask)), crowd=bool(crowd), small=bool(small)
            )
        for i, mask in enumerate(found.masks):
            x, y, w, h = found.roi[i]
            whole = np.zeros((height, width), np.uint8, order="F")  # COCO's masks run down the columns
            whole[y : y + h, x : x + w] = mask > 0
            self._append(
                self._found, found.class_id[i], found.box[i], rle.encode(whole), score=float(found.score[i]), iscrowd=0
            )

    def _append(self, objects: list[dict], class_id: int, box: np.ndarray, mask: dict, **more: Any) -> None:
        x0, y0, x1, y1 = (float(v) for v in box)
        objects.append(
            {
                "id": len(objects) + 1,  # from 1: COCOeval takes 0 for "no match"
                "image_id": len(self._pictures),
                "category_id": int(class_id),
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "segmentation": mask,
                "area": float(rle.area(mask)),
                **more,
            }
        )

    def summary(self) -> dict:
        """Returns the figures of all pictures, 0..1.

        They are `mask_ap`, `mask_ap50`, `mask_ap75`, `box_ap`, `box_ap50`, `box_ap75`, and `ap`: mask AP by class name.

        Only thing classes are in `ap`; a class without a true object has None there and is left out of the means.
        Without any true object the means are 0. Objects that are too small to be recognised (`metrics.truth`) are
        ignored.
        """
        truths = [{**truth, "iscrowd": int(truth["crowd"] or truth["small"])} for truth in self._truths]
        mask, box = self._precision(truths, "segm"), self._precision(truths, "bbox")
        names = [self.classes.names[i] for i in sorted(self.classes.things)]
        by_class = {name: _mean(mask[:, :, k], None) for k, name in enumerate(names)}
        return {**_means(mask, box), "ap": by_class}

    def of_all_sizes(self) -> dict[str, float]:
        """Returns the means of `summary` if no object is too small to count; crowds are ignored as ever."""
        truths = [{**truth, "iscrowd": int(truth["crowd"])} for truth in self._truths]
        return _means(self._precision(truths, "segm"), self._precision(truths, "bbox"))

    def _precision(self, truths: list[dict], kind: str) -> np.ndarray:
        """Returns `(10 thresholds, 101 recalls, T thing classes)`, 0..1; -1 for a class without a true object."""
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports each step
            evaluation = COCOeval(self._coco(truths), self._coco(self._found), kind)
            evaluation.params.catIds = sorted(self.classes.things)
            evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
            evaluation.params.maxDets = [100]
            evaluation.evaluate()
            evaluation.accumulate()
        return evaluation.eval["precision"][:, :, :, 0, 0]

    def _coco(self, objects: list[dict]) -> COCO:
        coco = COCO()
        coco.dataset = {
            "images": self._pictures,
            "categories": [{"id": i} for i in sorted(self.classes.things)],
            "annotations": [dict(o) for o in objects],  # COCOeval writes into them
        }
        coco.createIndex()
        return coco


def _means(mask: np.ndarray, box: np.ndarray) -> dict[str, float]:
    return {
        f"{kind}_{name}": _mean(values, 0.0)
        for kind, precision in (("mask", mask), ("box", box))
        for name, values in (("ap", precision), ("ap50", precision[0]), ("ap75", precision[5]))
    }


def _mean(precision: np.ndarray, none: float | None) -> float | None:
    known = precision[precision > -1]
    return round(float(known.mean()), 4) if known.size else none
