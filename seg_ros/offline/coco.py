"""Writes annotations in COCO's JSON with run-length masks: `train` reads them, and tools such as CVAT."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from pycocotools import mask as run_lengths

from seg_ros.classes import ClassMap
from seg_ros.offline.labels import Shot
from seg_ros.offline.regions import regions

FILE = "annotations.json"


class Coco:
    """Collects the regions of pictures. Format: https://cocodataset.org/#format-data; results have a `score` there.

    Args:
        classes: become the categories, of ids from 1; names are those of the class map.
        objects: whether the network finds objects: then only thing classes are categories.
    """

    def __init__(self, classes: ClassMap, objects: bool) -> None:
        self._classes = classes
        ids = sorted(classes.things) if objects else range(len(classes))
        self._categories = [{"id": i + 1, "name": classes.names[i], "supercategory": ""} for i in ids]
        self._images: list[dict] = []
        self._annotations: list[dict] = []

    def add(self, shot: Shot) -> None:
        """Takes a picture's regions."""
        number = len(self._images) + 1
        size = {"width": shot.frame.width, "height": shot.frame.height}
        self._images.append({"id": number, "file_name": shot.name, **size})
        for region in regions(shot.output, self._classes):
            mask = run_lengths.encode(np.asfortranarray(region.mask))
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1, "image_id": number, "category_id": region.class_id + 1,
                    "segmentation": {"size": mask["size"], "counts": mask["counts"].decode()},
                    "area": int(run_lengths.area(mask)), "bbox": run_lengths.toBbox(mask).tolist(), "iscrowd": 0,
                    "score": round(region.score, 4),
                }
            )  # fmt: skip

    def write(self, target: Path) -> None:
        """Writes `annotations.json` into the folder."""
        data = {"images": self._images, "categories": self._categories, "annotations": self._annotations}
        with (target / FILE).open("w") as file:
            json.dump(data, file)
