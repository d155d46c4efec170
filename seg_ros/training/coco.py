"""Reads data sets annotated in COCO's JSON: polygons, run-length masks, crowds."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from seg_ros import schema
from seg_ros.classes import ClassMap
from seg_ros.metrics.truth import Truth, blank_masks
from seg_ros.training.pictures import annotated, coordinates, listed_pictures, read_rgb

FILE = "annotations.json"
_EXPECTED = (
    "COCO's {images: [{id, file_name, height, width}], categories: [{id, name}], "
    "annotations: [{id, image_id, category_id, segmentation}]}"
)
_side = schema.whole(1, 65535)
_LONGEST = 4 * 10**6
"""Pixels: outlines of a picture together. pycocotools walks along each, and keeps 40 bytes a pixel of it."""
_SHAPES = "a segmentation of polygons [[x0, y0, x1, y1, ...], ...] or run lengths {size, counts}"


def categories(root: Path) -> list[str]:
    """Reads the names of the categories of `root/annotations.json`, by ascending category id.

    Raises:
        ValueError: if the file is not COCO's, or has no categories.
    """
    with annotated(root / FILE, _EXPECTED):
        coco = _load(root / FILE)
        if not coco.cats:
            raise ValueError(f"expected {_EXPECTED}, got no categories")
        return [coco.cats[i]["name"] for i in sorted(coco.cats)]


class CocoPictures:
    """`root/annotations.json` and the pictures that it lists, in `root/images` or `root` itself.

    Categories are matched to classes by name; objects of other than thing classes are left out. Crowds (`iscrowd`) are
    ignored objects. A listed picture that is missing is skipped with a warning.

    Args:
        root: of the data set.
        classes: the class map.

    Raises:
        FileNotFoundError: if no picture is there.
        ValueError: if the file is not COCO's, or an object has a category whose name is no class, or has no mask.

    Attributes:
        files: paths of the pictures.
        names: of the categories.
    """

    def __init__(self, root: Path, classes: ClassMap) -> None:
        self._path = root / FILE
        self._things = classes.things
        with annotated(self._path, _EXPECTED):
            self._coco = _load(self._path)
            self._class_id = self._classes_of_categories(classes)
            self.names = {category["name"] for category in self._coco.cats.values()}
            ids = sorted(self._coco.imgs)
            self._size = {i: _size(self._coco.imgs[i]) for i in ids}
            found = listed_pictures(self._path, [self._coco.imgs[i]["file_name"] for i in ids])
        self._pictures = [(file, i) for file, i in zip(found, ids, strict=True) if file is not None]
        self.files = [file for file, _ in self._pictures]

    def _classes_of_categories(self, classes: ClassMap) -> dict[int, int]:
        """Class id by category id."""
        coco = self._coco
        objects = coco.dataset["annotations"]
        used = {o["category_id"] for o in objects}
        names = {i: coco.cats[i]["name"] if i in coco.cats else f"of id {i}" for i in used}
        unknown = sorted(set(names.values()) - set(classes.names))
        if unknown:
            raise ValueError(f"category {unknown[0]!r} is no class; the classes are {', '.join(classes.names)}")
        bare = [o["id"] for o in objects if not o.get("segmentation")]
        if bare:
            raise ValueError(f"{len(bare)} objects have no mask, the first has id {bare[0]}")
        return {i: classes.names.index(name) for i, name in names.items()}

    def read(self, index: int) -> tuple[np.ndarray, Truth]:
        """Reads a picture `(H, W, 3) uint8` RGB, and its objects.

        Raises:
            ValueError: if the picture does not decode, it or a mask has another size than in the file, or a
                segmentation is none; if outlines are too long, or masks too large, to be drawn.
        """
        file, number = self._pictures[index]
        size = self._size[number]
        objects = [o for o in self._coco.imgToAnns[number] if self._class_id[o["category_id"]] in self._things]
        pixels = read_rgb(file, size)  # first: masks are of the picture's size, not of what the file claims
        with annotated(f"{self._path}: {file.name}", _SHAPES):
            _check_outlines(objects)
            masks = blank_masks(len(objects), size)
            for mask, o in zip(masks, objects, strict=True):
                mask[:] = self._mask(o, size)
        class_id = np.array([self._class_id[o["category_id"]] for o in objects], np.int64)
        return pixels, Truth.of(masks, class_id, np.array([o.get("iscrowd", 0) for o in objects], bool))

    def _mask(self, item: dict, size: tuple[int, int]) -> np.ndarray | int:
        shape = item["segmentation"]
        if isinstance(shape, list):
            # Less than three points: pycocotools refuses one point, and takes two for a box.
            shape = [coordinates(polygon).tolist() for polygon in shape if len(polygon) >= 6]
            if not shape:
                return 0
        elif tuple(shape["size"]) != size:
            got = tuple(shape["size"])
            raise ValueError(f"object {item['id']}: expected a mask of {size} px (height, width), got {got}")
        return self._coco.annToMask({**item, "segmentation": shape})


def _load(path: Path) -> COCO:
    data = schema.parse(path.read_bytes())
    if not isinstance(data, dict):
        raise ValueError(f"expected {_EXPECTED}, got something else: a {type(data).__name__}")
    coco = COCO()
    coco.dataset = data
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports each step
        coco.createIndex()
    return coco


def _size(image: dict) -> tuple[int, int]:
    for name in ("height", "width"):
        _side(f"{name} of {image['file_name']!r:.200}", image[name])
    return image["height"], image["width"]


def _check_outlines(objects: list[dict]) -> None:
    """Refuses what would take minutes and all memory to draw.

    Raises:
        ValueError: if the outlines of `objects` are longer together than `_LONGEST`.
    """
    shapes = [o["segmentation"] for o in objects]
    outlines = [coordinates(p) for shape in shapes if isinstance(shape, list) for p in shape if len(p) >= 6]
    length = sum(np.abs(np.diff(o[: o.size // 2 * 2].reshape(-1, 2), axis=0)).max(axis=1).sum() for o in outlines)
    if length > _LONGEST:
        points = sum(o.size // 2 for o in outlines)
        raise ValueError(
            f"expected outlines of at most {_LONGEST} px together, got {length:.0f} px along {points} points; "
            "these are no outlines of objects: draw them again"
        )
