"""Reads data sets of the VGG Image Annotator (Dutta, Zisserman, 2019): its JSON export, or its project file."""

from __future__ import annotations

import reprlib
from pathlib import Path

import cv2
import numpy as np

from seg_ros import schema
from seg_ros.classes import ClassMap
from seg_ros.metrics.truth import Truth, blank_masks
from seg_ros.training.pictures import annotated, coordinates, listed_pictures, read_rgb

FILE = "via_region_data.json"
_CROSSINGS = 1000
_EXPECTED = (
    'VIA\'s {"...": {filename, regions: [{shape_attributes: {name, ...}, region_attributes: {...}}]}}, the attributes '
    "only where there are several classes"
)


class ViaPictures:
    """`root/via_region_data.json` and the pictures that it lists, in `root/images` or `root` itself.

    With one class every region is of it; with several, a region's class is the one that its attributes name.
    A listed picture that is missing is skipped with a warning; a picture without regions has no objects.

    Args:
        root: of the data set.
        classes: the class map.

    Raises:
        FileNotFoundError: if no picture is there.
        ValueError: if the file is not VIA's, or a region has an unknown or malformed shape or names no class.

    Attributes:
        files: paths of the pictures.
        names: of the classes that regions are of.
    """

    def __init__(self, root: Path, classes: ClassMap) -> None:
        path = root / FILE
        with annotated(path, _EXPECTED):
            data = schema.parse(path.read_bytes())
            entries = list(data.get("_via_img_metadata", data).values())
            found = listed_pictures(path, [e["filename"] for e in entries])
        self._regions = []
        self.files = []
        for file, entry in zip(found, entries, strict=True):
            if file is None:
                continue
            with annotated(f"{path}: {entry['filename']}", _EXPECTED):
                regions = entry["regions"]
                regions = list(regions.values()) if isinstance(regions, dict) else regions
                self._regions.append([(_class_id(r, classes), _shape(r)) for r in regions])
            self.files.append(file)
        self.names = {classes.names[class_id] for regions in self._regions for class_id, _ in regions}
        self._things = classes.things

    def read(self, index: int) -> tuple[np.ndarray, Truth]:
        """Reads a picture `(H, W, 3) uint8` RGB, and its objects.

        Raises:
            ValueError: if the picture does not decode, or the masks of its objects are too large.
        """
        pixels = read_rgb(self.files[index])
        regions = [r for r in self._regions[index] if r[0] in self._things]
        masks = blank_masks(len(regions), pixels.shape[:2])
        for mask, (_, shape) in zip(masks, regions, strict=True):
            _DRAW[shape["name"]](mask, shape)
        return pixels, Truth.of(masks, [class_id for class_id, _ in regions])


def _class_id(region: dict, classes: ClassMap) -> int:
    if len(classes) == 1:
        return 0
    attributes = region["region_attributes"]
    named = []
    for value in attributes.values():  # text, or a check box's {choice: True}
        named += [k for k, chosen in value.items() if chosen] if isinstance(value, dict) else [value]
    ids = [classes.names.index(name) for name in named if name in classes.names]
    if len(ids) != 1:
        raise ValueError(
            f"expected region attributes that name one of the classes {', '.join(classes.names)}, got "
            f"{reprlib.repr(attributes)}"
        )
    return ids[0]


def _shape(region: dict) -> dict:
    """Checks a region's shape and returns its name and numbers, in whole pixels."""
    given = region["shape_attributes"]
    name = given["name"]
    if name not in _DRAW:
        raise ValueError(f"a {name} has no area; expected one of {', '.join(_DRAW)}")
    shape = {key: np.rint(coordinates(given[key])).astype(np.int32).tolist() for key in _NUMBERS[name]}
    if name == "polygon":
        x, y = shape.values()
        if np.ndim(x) != 1 or np.shape(x) != np.shape(y) or not x:
            raise ValueError(f"expected a polygon of as many x as y, at least one, got {reprlib.repr(given)}")
        _check_outline(np.array(y))
    elif any(isinstance(value, list) for value in shape.values()) or min(list(shape.values())[2:]) < 0:
        size = " and ".join(_NUMBERS[name][2:])
        raise ValueError(f"expected a {name} of single numbers, {size} not negative, got {reprlib.repr(given)}")
    return {"name": name, **shape, "degrees": float(np.rad2deg(coordinates(given.get("theta", 0.0))))}


def _check_outline(y: np.ndarray) -> None:
    """Refuses a polygon that crosses a row of pixels too often: the time to fill it rises with the cube of that.

    Raises:
        ValueError: if it is one.
    """
    ends = np.stack((y, np.roll(y, 1))) - y.min()
    starts, stops = (np.bincount(part, minlength=ends.max() + 1) for part in (ends.min(axis=0), ends.max(axis=0)))
    crossings = int((starts - stops).cumsum().max())
    if crossings > _CROSSINGS:
        raise ValueError(
            f"expected a polygon that crosses a row of pixels at most {_CROSSINGS} times, got one of {len(y)} points "
            f"that does so {crossings} times; that is no outline of an object: draw it again"
        )


def _polygon(mask: np.ndarray, shape: dict) -> None:
    cv2.fillPoly(mask, [np.array((shape["all_points_x"], shape["all_points_y"]), np.int32).T], 1)


def _rectangle(mask: np.ndarray, shape: dict) -> None:
    x, y, width, height = (shape[key] for key in _NUMBERS["rect"])
    mask[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = 1


def _circle(mask: np.ndarray, shape: dict) -> None:
    cv2.circle(mask, (shape["cx"], shape["cy"]), shape["r"], 1, cv2.FILLED)


def _ellipse(mask: np.ndarray, shape: dict) -> None:
    centre, axes = (shape["cx"], shape["cy"]), (shape["rx"], shape["ry"])
    cv2.ellipse(mask, centre, axes, shape["degrees"], 0, 360, 1, cv2.FILLED)


_DRAW = {"polygon": _polygon, "rect": _rectangle, "circle": _circle, "ellipse": _ellipse}
"""Each writes 1 into a mask `(H, W) uint8` where the shape is; what leaves the picture is cut off."""
_NUMBERS = {
    "polygon": ("all_points_x", "all_points_y"),
    "rect": ("x", "y", "width", "height"),
    "circle": ("cx", "cy", "r"),
    "ellipse": ("cx", "cy", "rx", "ry"),
}
"""Where it is, and then how large."""
