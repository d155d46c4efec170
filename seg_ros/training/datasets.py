"""Reads label-image data sets: a folder of pictures, a folder of label images, and what the ids mean."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image

from seg_ros.classes import CAMVID, UNLABELLED, ClassMap
from seg_ros.picture_folders import classes_file, picture_files
from seg_ros.scenes import Street
from seg_ros.training.pictures import decoded, read_label
from seg_ros.training.shares import count

FILE = "classes.json"
EXAMPLE = '{"names": ["other", "road"], "colors": [[0, 0, 0], [128, 64, 128]]}'
"""A classes file that people can copy from a message."""
_SHOWN = 5

Sample = tuple[np.ndarray, np.ndarray]
"""RGB image `(H, W, 3) uint8` and label image `(H, W) uint8`, 255 = unlabelled."""


def load_classes(root: Path, classes: str = "") -> ClassMap:
    """Reads the class map of a data set: file `classes`, else `root/classes.json`; `"camvid"` names the built-in one.

    The file is JSON: `{"names": [...], "colors": [[r, g, b], ...], "things": [ids]}`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no classes file.
    """
    if classes == "camvid":
        return CAMVID
    path = Path(classes) if classes else root / FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no classes file; write one such as {EXAMPLE} or pass --classes camvid")
    return ClassMap.read(path)


def load_label_classes(root: Path, classes: str = "") -> ClassMap:
    """Reads the class map of label images, see `load_classes`.

    Raises:
        FileNotFoundError, ValueError: as `load_classes`; also if it has one class alone, of which every pixel would be.
    """
    found = load_classes(root, classes)
    if len(found) < 2:
        raise ValueError(
            f"{classes or root / FILE}: expected two classes or more, got {found.names[0]!r} alone; name what is none "
            f"of it, too, as in {EXAMPLE}"
        )
    return found


def check_same_classes(root: Path, classes: ClassMap, given: str = "") -> None:
    """Refuses a data set whose classes are not those of a network: scores would compare ids that mean other things.

    Args:
        root: of the data set, or its part `train` or `val`.
        classes: of the network.
        given: as `classes` of `load_classes`; empty is the classes file in `root` or beside it. Where there is none,
            annotations name their classes themselves, and label images are the network's if they have half of its
            classes or more.

    Raises:
        ValueError: if the classes are others.
    """
    path = classes_file(root)
    if not given and path is None:
        _check_ids(root / "val" if (root / "val").is_dir() else root, classes)
        return
    names = load_classes(root, given or str(path)).names
    if names != classes.names:
        raise ValueError(
            f"{given or path}: expected the classes of the weights, {_listed(classes.names)}, got {_listed(names)}; "
            "take weights that were trained on these, or another data set"
        )


def _check_ids(part: Path, classes: ClassMap) -> None:
    from seg_ros.training.annotations import annotations_of  # label images alone need no pycocotools

    if annotations_of(part) and not (part / "labels").is_dir():
        return
    files = pairs(part)
    found = count(len(files), lambda i: read_label(files[i][1]), lambda _: True)[: len(classes)] > 0
    if 2 * found.sum() < len(classes):
        ids = ", ".join(map(str, np.flatnonzero(found))) or "none"
        raise ValueError(
            f"{part}: expected label images of the weights' classes, {_listed(classes.names)}, got only the ids {ids} "
            f"of them and no {FILE} there or beside it, so their ids may mean other things; write one such as "
            f"{EXAMPLE}, or name it: --classes FILE, or camvid"
        )


def _listed(names: Sequence[str]) -> str:
    return f"{len(names)} ({', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''})"


def pairs(root: Path) -> list[tuple[Path, Path]]:
    """Lists the (image, label) files of `root/images/*` and `root/labels/<same stem>.png`, in name order.

    Raises:
        FileNotFoundError: if there is no image, or an image has no label.
    """
    images = picture_files(root / "images")
    found = [(image, root / "labels" / f"{image.stem}.png") for image in images]
    missing = [label for _, label in found if not label.is_file()]
    if missing:
        raise FileNotFoundError(f"{missing[0]}: no label image ({len(missing)} of {len(images)} are missing)")
    return found


def check_sizes(files: list[tuple[Path, Path]]) -> None:
    """Checks by their headers that every picture and its label image, as `pairs` lists them, are of one size.

    Raises:
        ValueError: if two are not; files whose header does not read are left to who decodes them.
    """
    for image, label in files:
        with contextlib.suppress(OSError), Image.open(image) as picture, Image.open(label) as ids:
            turned = picture.getexif().get(ExifTags.Base.Orientation, 1) >= 5  # by a quarter
            size = picture.size[::-1] if turned else picture.size
            if ids.size != size:
                raise ValueError(
                    f"{label}: expected a label image of {size[1]}x{size[0]} px (height x width) as {image.name}, got "
                    f"{ids.size[1]}x{ids.size[0]}"
                )


def read_sample(image: Path, label: Path, classes: int) -> Sample:
    """Reads one pair. Label ids of `classes` or more mean unlabelled and come back as 255.

    Raises:
        ValueError: if a file does not decode or is cut off, or the sizes differ.
    """
    pixels, ids = decoded(image, cv2.IMREAD_COLOR), read_label(label)
    if ids.shape != pixels.shape[:2]:
        raise ValueError(f"{label}: expected an 8-bit, one-channel image of {pixels.shape[:2]}, got {ids.shape}")
    ids[ids >= classes] = UNLABELLED
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), ids


def render_street(
    root: Path,
    seeds: range,
    frames_per_seed: int,
    size: tuple[int, int] = (480, 640),
    progress: Callable = iter,
) -> None:
    """Renders the street into folders `images`, `labels` (class ids), `instances` (object ids) and `classes.json`.

    `size` is `(H, W)` in pixels. Frames of a seed lie 4 s apart, so that each shows another stretch of its
    street. What is there already is kept.
    """
    (root / "images").mkdir(parents=True, exist_ok=True)
    (root / "labels").mkdir(exist_ok=True)
    (root / "instances").mkdir(exist_ok=True)
    (root / "classes.json").write_text(json.dumps(CAMVID.to_dict()))
    for seed in progress(seeds):
        names = [f"{seed:06d}_{k}" for k in range(frames_per_seed)]
        if all((root / "instances" / f"{name}.png").is_file() for name in names):
            continue
        street = Street(seed, size)
        for k, name in enumerate(names):
            scene = street.scene(120 * k)
            cv2.imwrite(str(root / "images" / f"{name}.jpg"), scene.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
            cv2.imwrite(str(root / "labels" / f"{name}.png"), scene.label)
            cv2.imwrite(str(root / "instances" / f"{name}.png"), scene.instance)
