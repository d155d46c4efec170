"""Sources of camera pictures: the synthetic street, a folder, a video file, a webcam."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from seg_ros.classes import UNLABELLED, ClassMap
from seg_ros.lifting import Box
from seg_ros.metrics.truth import Truth
from seg_ros.opened import open_video, read_picture
from seg_ros.results import Instances
from seg_ros.scenes import Scene, Street
from seg_ros.scenes.depth_camera import DepthCamera, measured
from seg_ros.scenes.lidar import Scan, scan
from seg_ros.scenes.truth import true_boxes, true_objects

if TYPE_CHECKING:
    from seg_ros.training.coco import CocoPictures
    from seg_ros.training.via import ViaPictures


class Measured(NamedTuple):
    """What a depth camera and a LiDAR measure of a scene, and its true objects.

    Attributes:
        depth: `(H, W) uint16`, mm along the depth camera's axis; 0 where it sees nothing.
        depth_camera: how it measures.
        depth_matrix: `(3, 3) float64`, its camera matrix, px, without distortion.
        boxes: of what is seen of the true objects, in the camera's coordinates; ids are the true object ids.
        scan: of the LiDAR, where it scans this picture.
        objects: the true objects in the picture.
    """

    depth: np.ndarray
    depth_camera: DepthCamera
    depth_matrix: np.ndarray
    boxes: tuple[Box, ...]
    scan: Scan | None
    objects: Instances


class Picture(NamedTuple):
    """A camera picture, and the truth about it where that is known.

    Attributes:
        image: `(H, W, 3) uint8` BGR.
        label: `(H, W) uint8`, true class ids.
        instance: `(H, W) uint16`, true object ids; 0 = none.
        matrix: `(3, 3) float64`, the camera matrix, px, of a camera without distortion.
        space: the same in metres.
    """

    image: np.ndarray
    label: np.ndarray | None = None
    instance: np.ndarray | None = None
    matrix: np.ndarray | None = None
    space: Measured | None = None


_log = logging.getLogger(__name__)
_FASTEST = 240.0
"""Hz of the fastest video that is believed."""
_SCAN_RATE = 10.0
"""Hz of the street's LiDAR."""
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}


def own_rate(name: str) -> float | None:
    """Returns the pictures a second of a video file, as it says itself; None for other sources."""
    if not Path(name).is_file():
        return None
    capture = open_video(name)
    rate = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return rate if 1 <= rate <= _FASTEST else None  # some files have the ticks of their clock there, or nothing


def open_source(
    name: str,
    size: tuple[int, int] | None,
    rate: float,
    loop: bool,
    seed: int,
    classes: ClassMap | None = None,
    space: DepthCamera | None = None,
) -> Iterator[Picture]:
    """Opens a source of pictures, endless with `loop`.

    Args:
        name: `street`, a folder of pictures, a video file, or the number of a webcam.
        size: `(H, W)` of the pictures, None for the source's own (the street: 480x640).
        rate: pictures per second of the street's time: how far the car drives from one to the next.
        loop: start again at the end; the street has none.
        seed: of the street.
        classes: of the truth; None: those of `classes.json` in the folder or beside it, else those that the
            annotations name. Where the truth is of others, pictures come without it, and the log tells why.
        space: of the street, measure it, too, with a LiDAR and this depth camera.

    Raises:
        FileNotFoundError: if the source does not exist, is empty or does not open.
        ValueError: when it comes to a picture that does not decode; for a street smaller than 64x64.
    """
    if name == "street":
        return _street(seed, size or (480, 640), rate, space)
    path = Path(name)
    if path.is_dir():
        reader = _annotations(path, classes)
        files = [] if reader else image_files(path)
        if any(label for _, label, _ in files) and not _of_these_classes(path, classes):
            files = [(image, None, None) for image, _, _ in files]

        def pictures() -> Iterator[Picture]:
            if reader:
                return (_annotated(*reader.read(index)) for index in range(len(reader.files)))
            return (_read(*each) for each in files)
    elif path.is_file() or name.isdigit():
        _capture(name).release()  # say now, not at the first picture, that it does not open

        def pictures() -> Iterator[Picture]:
            return _video(name)
    else:
        raise FileNotFoundError(f"{name}: expected 'street', a folder of pictures, a video file or a webcam number")
    return _resized(_repeated(pictures, loop, name), size)


def picture_files(folder: Path) -> list[Path]:
    """Lists the pictures of `folder` itself, in name order. Hidden files, as macOS leaves beside them, are none.

    Raises:
        FileNotFoundError: if there is none.
    """
    files = sorted(p for p in folder.glob("[!.]*") if p.suffix.lower() in IMAGE_SUFFIXES and not p.is_dir())
    if not files:
        raise FileNotFoundError(f"{folder}: no pictures ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return files


def image_files(folder: Path) -> list[tuple[Path, Path | None, Path | None]]:
    """Lists the pictures of `folder` (or `folder/images`) in name order, each with its truth if there is one.

    The truth has the picture's name: label images in a folder `labels` inside the folder of pictures or beside it,
    images of object ids in `instances`.

    Returns:
        Of each picture `(image, label or None, instance or None)`.

    Raises:
        FileNotFoundError: if there is no picture.
    """
    images = folder / "images" if (folder / "images").is_dir() else folder
    files = picture_files(images)
    labels, instances = _truth_files(images, "labels"), _truth_files(images, "instances")
    return [(p, labels.get(p.stem), instances.get(p.stem)) for p in files]


def _truth_files(images: Path, kind: str) -> dict[str, Path]:
    """Finds the PNG files of the folders `kind` inside `images` and beside it, by stem; the latter's win."""
    return {p.stem: p for folder in (images / kind, images.parent / kind) for p in folder.glob("*.png")}


def _annotations(folder: Path, classes: ClassMap | None) -> CocoPictures | ViaPictures | None:
    """Opens the annotated pictures of a folder; None if it has no annotations, or none of these classes."""
    from seg_ros.training.annotations import READERS, named_classes  # who has no annotations needs no pycocotools

    found = next((reader for name, reader in READERS.items() if (folder / name).is_file()), None)
    if found is None:
        return None
    file = classes_file(folder)
    try:
        return found(folder, classes or (ClassMap.read(file) if file else named_classes(folder)))
    except ValueError as error:
        _log.warning("there is no truth of the pictures: %s", error)
        return None


def classes_file(folder: Path) -> Path | None:
    """Returns the classes file of a data set, in `folder` or beside it; None without one."""
    files = (folder / "classes.json", folder.absolute().parent / "classes.json")
    return next((file for file in files if file.is_file()), None)


def _of_these_classes(folder: Path, classes: ClassMap | None) -> bool:
    """Returns whether the label images of a folder may be compared with labels of these classes."""
    file = classes_file(folder)
    if classes is None or file is None:
        return True
    names = ClassMap.read(file).names
    if names != classes.names:
        _log.warning(
            "there is no truth of the pictures: %s: expected the classes %s, got %s",
            file, ", ".join(classes.names), ", ".join(names),
        )  # fmt: skip
    return names == classes.names


def _annotated(pixels: np.ndarray, truth: Truth) -> Picture:
    """Draws true objects as images of class ids and of object ids; of those that overlap the smaller is in front."""
    label = np.full(pixels.shape[:2], UNLABELLED, np.uint8)
    instance = np.zeros(pixels.shape[:2], np.uint16)
    areas = truth.masks.sum(axis=(1, 2), dtype=np.int64)
    for i in np.argsort(-areas, kind="stable"):
        if not truth.crowd[i]:
            inside = truth.masks[i] > 0
            label[inside], instance[inside] = truth.class_id[i], i + 1
    return Picture(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), label, instance)


def _street(seed: int, size: tuple[int, int], rate: float, space: DepthCamera | None) -> Iterator[Picture]:
    street = Street(seed, size)
    index = 0
    every = max(round(rate / _SCAN_RATE), 1)
    while True:
        scene = street.scene(index, rate, space is not None)
        found = None
        if space is not None:
            then = street.scene(round(1000 * (index / rate + space.offset)), 1000.0, True) if space.offset else scene
            found = _measured(scene, then, space, index, index % every == 0)
        image = cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR)
        yield Picture(image, scene.label, scene.instance, street.matrix, found)
        index += 1


def _measured(scene: Scene, then: Scene, camera: DepthCamera, index: int, scanned: bool) -> Measured:
    """Measures a scene, and for the depth camera what it has become `then`."""
    depth, matrix = measured(then.space, camera, index)
    objects, _ = true_objects(scene.label, scene.instance)
    found = scan(scene.space, index) if scanned else None
    return Measured(depth, camera, matrix, true_boxes(scene), found, objects)


def _read(image: Path, label: Path | None, instance: Path | None) -> Picture:
    from seg_ros.training.pictures import read_label  # who has no label images needs no simplejpeg

    return Picture(
        _decoded(image, cv2.IMREAD_COLOR),
        read_label(label) if label else None,
        _object_ids(instance) if instance else None,
    )


def _object_ids(file: Path) -> np.ndarray:
    ids = _decoded(file, cv2.IMREAD_UNCHANGED)
    if ids.ndim != 2:
        raise ValueError(f"{file}: object ids must be a grey picture of 8 or 16 bit, got {ids.shape[2]} channels")
    return ids.astype(np.uint16)


def _decoded(file: Path, mode: int) -> np.ndarray:
    pixels = read_picture(file, mode)
    if pixels is None:
        raise ValueError(f"{file}: does not decode")
    return pixels


def _capture(name: str) -> cv2.VideoCapture:
    capture = open_video(name)
    if not capture.isOpened():
        raise FileNotFoundError(f"{name}: OpenCV cannot open it")
    return capture


def _video(name: str) -> Iterator[Picture]:
    capture = _capture(name)
    try:
        while True:
            ok, pixels = capture.read()
            if not ok:
                return
            yield Picture(pixels)
    finally:
        capture.release()


def again(pictures: list[Picture]) -> Iterator[Picture]:
    """Repeats pictures for ever; each time their objects are other ones, with ids of their own (until 65535)."""
    highest = max((int(each.instance.max()) for each in pictures if each.instance is not None), default=0)
    rounds = 65535 // highest if highest else 1
    for first in itertools.cycle(range(0, rounds * max(highest, 1), max(highest, 1))):
        for each in pictures:
            if each.instance is None or not first:
                yield each
            else:
                yield each._replace(instance=each.instance + np.uint16(first) * (each.instance > 0))


def _repeated(pictures: Callable[[], Iterator[Picture]], loop: bool, name: str) -> Iterator[Picture]:
    while True:
        empty = True
        for picture in pictures():
            empty = False
            yield picture
        if empty:
            raise ValueError(f"{name}: it opens, but no picture could be read")
        if not loop:
            return


def _resized(pictures: Iterator[Picture], size: tuple[int, int] | None) -> Iterator[Picture]:
    if size is None:
        yield from pictures
        return

    def ids(truth: np.ndarray | None) -> np.ndarray | None:
        return None if truth is None else cv2.resize(truth, size[::-1], interpolation=cv2.INTER_NEAREST)

    for picture in pictures:
        if picture.image.shape[:2] == size:
            yield picture
        else:
            image = cv2.resize(picture.image, size[::-1], interpolation=cv2.INTER_AREA)
            yield Picture(image, ids(picture.label), ids(picture.instance))
