"""Data sets annotated with the VGG Image Annotator (Dutta, Zisserman, 2019): its JSON export, or its project file."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from seg_ros.classes import ClassMap
from seg_ros.training.pictures import listed_pictures, read_rgb
from seg_ros.training.truth import Truth

FILE = "via_region_data.json"


class ViaPictures:
    """`root/via_region_data.json` and the pictures that it lists, in `root/images` or `root` itself.

    With one class every region is of it; with several, a region's class is the one that its attributes name.
    A listed picture that is missing is skipped with a warning; a picture without regions has no objects.

    Args:
        root: of the data set.
        classes: the class map.

    Raises:
        FileNotFoundError: if no picture is there.
        ValueError: if a region has an unknown shape or names no class.
    """

    def __init__(self, root: Path, classes: ClassMap) -> None:
        path = root / FILE
        data = json.loads(path.read_text())
        entries = list(data.get("_via_img_metadata", data).values())
        found = listed_pictures(path, [e["filename"] for e in entries])
        self._regions = []
        self.files = []
        for file, entry in zip(found, entries, strict=True):
            if file is None:
                continue
            regions = entry["regions"]
            regions = list(regions.values()) if isinstance(regions, dict) else regions
            try:
                self._regions.append([(_class_id(r["region_attributes"], classes), _shape(r)) for r in regions])
            except ValueError as error:
                raise ValueError(f"{path}: {entry['filename']}: {error}") from error
            self.files.append(file)
        self._things = classes.things

    def read(self, index: int) -> tuple[np.ndarray, Truth]:
        """The picture `(H, W, 3) uint8` RGB, and its objects.

        Raises:
            ValueError: if the picture does not decode.
        """
        pixels = read_rgb(self.files[index])
        regions = [r for r in self._regions[index] if r[0] in self._things]
        masks = np.zeros((len(regions), *pixels.shape[:2]), np.uint8)
        for mask, (_, shape) in zip(masks, regions, strict=True):
            _DRAW[shape["name"]](mask, shape)
        return pixels, Truth.of(masks, [class_id for class_id, _ in regions])


def _class_id(attributes: dict, classes: ClassMap) -> int:
    if len(classes) == 1:
        return 0
    named = []
    for value in attributes.values():  # text, or a check box's {choice: True}
        named += [k for k, chosen in value.items() if chosen] if isinstance(value, dict) else [value]
    ids = [classes.names.index(name) for name in named if name in classes.names]
    if len(ids) != 1:
        raise ValueError(
            f"expected region attributes that name one of the classes {', '.join(classes.names)}, got {attributes}"
        )
    return ids[0]


def _shape(region: dict) -> dict:
    shape = region["shape_attributes"]
    if shape["name"] not in _DRAW:
        raise ValueError(f"a {shape['name']} has no area; expected one of {', '.join(_DRAW)}")
    return shape


def _polygon(mask: np.ndarray, shape: dict) -> None:
    points = np.stack((shape["all_points_x"], shape["all_points_y"]), axis=1)
    cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 1)


def _rectangle(mask: np.ndarray, shape: dict) -> None:
    x, y, width, height = (round(shape[k]) for k in ("x", "y", "width", "height"))
    mask[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = 1


def _circle(mask: np.ndarray, shape: dict) -> None:
    cv2.circle(mask, (round(shape["cx"]), round(shape["cy"])), round(shape["r"]), 1, cv2.FILLED)


def _ellipse(mask: np.ndarray, shape: dict) -> None:
    centre, axes = (round(shape["cx"]), round(shape["cy"])), (round(shape["rx"]), round(shape["ry"]))
    cv2.ellipse(mask, centre, axes, np.rad2deg(shape.get("theta", 0.0)), 0, 360, 1, cv2.FILLED)


_DRAW = {"polygon": _polygon, "rect": _rectangle, "circle": _circle, "ellipse": _ellipse}
"""Each writes 1 into a mask `(H, W) uint8` where the shape is; what leaves the picture is cut off."""
