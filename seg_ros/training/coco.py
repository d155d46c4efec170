"""Data sets annotated in COCO's JSON: polygons, run-length masks, crowds."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from seg_ros.classes import ClassMap
from seg_ros.training.pictures import listed_pictures, read_rgb
from seg_ros.training.truth import Truth

FILE = "annotations.json"


def categories(root: Path) -> list[str]:
    """Names of the categories of `root/annotations.json`, by ascending category id."""
    coco = _load(root / FILE)
    return [coco.cats[i]["name"] for i in sorted(coco.cats)]


class CocoPictures:
    """`root/annotations.json` and the pictures that it lists, in `root/images` or `root` itself.

    Categories are matched to classes by name; objects whose class is no thing are left out. Crowds (`iscrowd`) are
    ignored objects. A listed picture that is missing is skipped with a warning.

    Args:
        root: of the data set.
        classes: the class map.

    Raises:
        FileNotFoundError: if no picture is there.
        ValueError: if an object has a category whose name is no class, or has no mask.
    """

    def __init__(self, root: Path, classes: ClassMap) -> None:
        path = root / FILE
        self._coco = coco = _load(path)
        objects = [o for of_picture in coco.imgToAnns.values() for o in of_picture]
        used = {o["category_id"] for o in objects}
        names = {i: coco.cats[i]["name"] if i in coco.cats else f"of id {i}" for i in used}
        unknown = sorted(set(names.values()) - set(classes.names))
        if unknown:
            raise ValueError(f"{path}: category {unknown[0]!r} is no class; the classes are {', '.join(classes.names)}")
        bare = [o["id"] for o in objects if not o.get("segmentation")]
        if bare:
            raise ValueError(f"{path}: {len(bare)} objects have no mask, the first has id {bare[0]}")
        self._class_id = {i: classes.names.index(name) for i, name in names.items()}
        self._things = classes.things
        ids = sorted(coco.imgs)
        found = listed_pictures(path, [coco.imgs[i]["file_name"] for i in ids])
        self._pictures = [(file, i) for file, i in zip(found, ids, strict=True) if file is not None]
        self.files = [file for file, _ in self._pictures]

    def read(self, index: int) -> tuple[np.ndarray, Truth]:
        """The picture `(H, W, 3) uint8` RGB, and its objects.

        Raises:
            ValueError: if the picture does not decode, or it or a mask has another size than the file says.
        """
        file, number = self._pictures[index]
        size = self._coco.imgs[number]["height"], self._coco.imgs[number]["width"]
        objects = [o for o in self._coco.imgToAnns[number] if self._class_id[o["category_id"]] in self._things]
        masks = np.zeros((len(objects), *size), np.uint8)
        for mask, o in zip(masks, objects, strict=True):
            mask[:] = self._mask(o, size)
        class_id = np.array([self._class_id[o["category_id"]] for o in objects], np.int64)
        return read_rgb(file, size), Truth.of(masks, class_id, np.array([o.get("iscrowd", 0) for o in objects], bool))

    def _mask(self, item: dict, size: tuple[int, int]) -> np.ndarray | int:
        shape = item["segmentation"]
        if isinstance(shape, list):
            # Less than three points: pycocotools refuses one point, and takes two for a box.
            shape = [polygon for polygon in shape if len(polygon) >= 6]
        if not shape:
            return 0
        mask = self._coco.annToMask({**item, "segmentation": shape})
        if mask.shape != size:
            raise ValueError(f"object {item['id']}: expected a mask of {size} px (height, width), got {mask.shape}")
        return mask


def _load(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports each step
        return COCO(path)
