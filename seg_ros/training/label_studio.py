"""Reads what Label Studio exports as JSON after a correction: regions drawn by its brush, as run lengths."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from seg_ros import schema
from seg_ros.classes import ClassMap
from seg_ros.metrics.truth import Truth, blank_masks
from seg_ros.training.pictures import annotated, listed_pictures, picture_file, read_rgb

FILE = "label_studio.json"
_EXPECTED = (
    "Label Studio's [{data: {image}, annotations: [{result: [{type: 'brushlabels', original_height, original_width, "
    "value: {rle, brushlabels: [class]}}]}]}], its export as JSON"
)
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio writes before the names of pictures that were uploaded to it."""
_CHANNELS = 4
_LARGEST = 2**28
"""Pixels of a picture that are believed."""


def brush_names(root: Path) -> list[str]:
    """Reads the names of the classes that regions in `root/label_studio.json` are of, in alphabetical order.

    Raises:
        ValueError: if the file is not Label Studio's, or nothing was drawn.
    """
    with annotated(root / FILE, _EXPECTED):
        names = sorted({name for _, regions in _tasks(root / FILE) for name, _ in regions})
        if not names:
            raise ValueError(f"expected {_EXPECTED}, got no region")
        return names


class LabelStudioPictures:
    """`root/label_studio.json` and the pictures that it lists, in `root/images` or `root` itself.

    Of each picture the newest annotation counts; pictures without one are left out, for nobody has looked at them.

    Args:
        root: of the data set.
        classes: the class map.

    Raises:
        FileNotFoundError: if no picture is there.
        ValueError: if the file is not Label Studio's, or a region is not drawn by the brush, or of no class.

    Attributes:
        files: paths of the pictures.
        names: of the classes that regions are of.
    """

    def __init__(self, root: Path, classes: ClassMap) -> None:
        self._path, self._things = root / FILE, classes.things
        with annotated(self._path, _EXPECTED):
            tasks = _tasks(self._path)
            if not tasks:
                raise ValueError(f"expected {_EXPECTED}, got no annotations; correct the predictions, and export then")
            self.names = {name for _, regions in tasks for name, _ in regions}
            if unknown := sorted(self.names - set(classes.names)):
                raise ValueError(f"label {unknown[0]!r} is no class; the classes are {', '.join(classes.names)}")
            names = [_there(root, name) for name, _ in tasks]
            found = listed_pictures(self._path, names)
        self._regions = [regions for file, (_, regions) in zip(found, tasks, strict=True) if file is not None]
        self.files = [file for file in found if file is not None]
        self._class_id = {name: classes.names.index(name) for name in self.names}

    def read(self, index: int) -> tuple[np.ndarray, Truth]:
        """Reads a picture `(H, W, 3) uint8` RGB, and its objects.

        Raises:
            ValueError: if the picture does not decode, it or a region has another size than in the file, or run
                lengths are none.
        """
        regions = [(self._class_id[name], item) for name, item in self._regions[index]]
        regions = [each for each in regions if each[0] in self._things]
        with annotated(f"{self._path}: {self.files[index].name}", _EXPECTED):
            size = next(((item["original_height"], item["original_width"]) for _, item in regions), None)
            pixels = read_rgb(self.files[index], size)
            masks = blank_masks(len(regions), pixels.shape[:2])
            for mask, (_, item) in zip(masks, regions, strict=True):
                mask[:] = decode(item["value"]["rle"], mask.shape)
        return pixels, Truth.of(masks, [class_id for class_id, _ in regions])


def _tasks(path: Path) -> list[tuple[str, list[tuple[str, dict]]]]:
    """Reads the pictures that have an annotation: their names, and their regions, each with the name of its class."""
    found = []
    for task in schema.parse(path.read_bytes()):
        given = [each for each in task.get("annotations", []) if not each.get("was_cancelled")]
        if given:
            newest = max(given, key=lambda each: str(each.get("updated_at", "")))
            found.append((_name(task["data"]["image"]), [_region(item) for item in newest["result"]]))
    return found


def _region(item: dict) -> tuple[str, dict]:
    if item["type"] != "brushlabels":
        raise ValueError(f"expected regions drawn by the brush, got one of type {item['type']!r:.40}; draw it again")
    (name,) = item["value"]["brushlabels"]
    return name, item


def _name(url: str) -> str:
    """Returns the file name in the URL of a picture: of local storage it is in the query."""
    parts = urlsplit(url)
    return PurePosixPath(parse_qs(parts.query).get("d", [unquote(parts.path)])[0]).name


def _there(root: Path, name: str) -> str:
    """Returns the name by which a picture is there: where it was uploaded, Label Studio wrote something before it."""
    return name if picture_file(root, name) else _UPLOADED.sub("", name)


def decode(runs: list[int], size: tuple[int, int]) -> np.ndarray:
    """Reads the run lengths of a mask, as `seg_ros.offline.label_studio` describes them: `(H, W) uint8`, 1 inside.

    Raises:
        ValueError: if they are none, or of another size.
    """
    bits = np.unpackbits(np.array(runs, np.uint8))
    place = 0

    def following(count: int) -> np.ndarray:
        nonlocal place
        taken = bits[place : place + count]
        if len(taken) < count:
            raise ValueError(f"expected run lengths of {size} px (height, width), got some that end early")
        place += count
        return taken

    def take(count: int) -> int:
        return int.from_bytes(np.packbits(following(count)).tobytes()) >> -count % 8

    total = take(32)
    if total != _CHANNELS * size[0] * size[1] or total > _CHANNELS * _LARGEST:
        raise ValueError(f"expected run lengths of {size} px (height, width), got those of {total // _CHANNELS} px")
    word = take(5) + 1
    lengths = [take(4) + 1 for _ in range(4)]
    values = np.empty(total, bool)
    done = 0
    while done < total:
        repeated = take(1)
        count = min(take(lengths[take(2)]) + 1, total - done)
        if repeated:
            values[done : done + count] = take(word) > 0
        else:
            values[done : done + count] = following(count * word).reshape(count, word).any(axis=1)
        done += count
    return values.reshape(*size, _CHANNELS)[..., -1].astype(np.uint8)  # opacity
