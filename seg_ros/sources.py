"""Sources of camera pictures: the synthetic street, a folder, a video file, a webcam."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from seg_ros.classes import ClassMap
from seg_ros.opened import open_video
from seg_ros.picture import Measured, Picture
from seg_ros.picture_folders import folder_pictures
from seg_ros.scenes import Scene, Street
from seg_ros.scenes.depth_camera import DepthCamera, measured
from seg_ros.scenes.lidar import scan
from seg_ros.scenes.truth import true_boxes, true_objects

_FASTEST = 240.0
"""Hz of the fastest video that is believed."""
_SCAN_RATE = 10.0
"""Hz of the street's LiDAR."""


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
        pictures = folder_pictures(path, classes)
    elif path.is_file() or name.isdigit():
        _capture(name).release()  # say now, not at the first picture, that it does not open
        pictures = functools.partial(_video, name)
    else:
        raise FileNotFoundError(f"{name}: expected 'street', a folder of pictures, a video file or a webcam number")
    return _resized(_repeated(pictures, loop, name), size)


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
