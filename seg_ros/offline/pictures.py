"""Labels a video or a folder of pictures: to folders of pictures, and to files of annotations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from seg_ros.classes import ClassMap
from seg_ros.errors import FrameError, RecordingError
from seg_ros.offline.coco import Coco
from seg_ros.offline.flow import in_background
from seg_ros.offline.label_studio import LabelStudio
from seg_ros.offline.labels import Memories, Segmentation, Shot, Wish, encoded, labels, overlaid, segmented
from seg_ros.offline.review import Review
from seg_ros.offline.tally import Tally
from seg_ros.opened import open_video, read_picture
from seg_ros.picture_folders import picture_files
from seg_ros.results import Frame, Instances, SemanticMap

_AHEAD, _WAITING = 16, 4
"""Pictures that are read before their turn; labelled ones that wait to be written."""
_RATE = 30.0
"""Frames/s of a video that does not say them."""
_ENOUGH = 0.95
"""Share of the frames that a video says it has; some formats only estimate them."""
_FOLDERS = {"label": "labels", "confidence": "confidence", "instance_ids": "instances", "track_ids": "tracks"}
"""Folder by kind of label: `labels` and `instances` are where training looks for the truth of pictures."""
_UNKNOWN = FrameError("corrupt", "OpenCV cannot read it")


class _Named(NamedTuple):
    """A picture's name, and of a frame of a video its time, s."""

    name: str
    time: float | None = None


def label_pictures(source: Path, target: Path, segmentation: Segmentation, wish: Wish, step: Callable) -> Tally:
    """Writes the labels of a video, or of a folder's pictures, as PNG: a folder for each kind, a file for each frame.

    Args:
        target: folder to make.
        step: called after each frame.

    Raises:
        RecordingError: if nothing can be read, or two pictures would have labels of one name.
        EngineError: if the device is lost.
    """
    tally = Tally()
    target.mkdir(parents=True)
    frames = in_background(_pictures(source), _AHEAD)
    review = Review(target, segmentation.classes, wish, "frames")
    files = _annotations(source, target, segmentation, wish)
    memory = Memories().of(source.name)

    def segment(named: _Named, frame: Frame) -> SemanticMap | Instances:
        return segmentation.picture(frame) if named.time is None else segmentation.follow(frame, named.time, memory)

    for number, ((name, _), made) in enumerate(in_background(segmented(frames, segment), _WAITING)):
        tally.frames += 1
        if isinstance(made, Exception):
            tally.lose(source.name, name, made)
        else:
            shot = Shot(source.name, name, float(number), *made)
            _write(target, shot, segmentation.classes, wish)
            if files and not source.is_dir():  # what is annotated must be there to be looked at
                _write_file(target / "images" / name, encoded(".jpg", shot.frame.pixels, cv2.IMWRITE_JPEG_QUALITY, 95))
            review.add(shot, Path(name).stem)
            for each in files:
                each.add(shot)
            tally.labelled += 1
        step()
    if not tally.labelled:
        raise RecordingError(f"{source}: it opens, but no picture could be read")
    said = frames_of(source)
    if tally.frames < _ENOUGH * said - 1:  # OpenCV ends a damaged video without a word
        tally.damage = (
            f"{source}: it ends after {tally.frames} of the {said} frames that it should have; is it cut off?"
        )
    for each in files:
        each.write(target)
    review.finish(source, tally)
    return tally


def _annotations(source: Path, target: Path, segmentation: Segmentation, wish: Wish) -> list[Coco | LabelStudio]:
    folder = source.name if source.is_dir() else f"{target.name}/images"
    files: list[Coco | LabelStudio] = [Coco(segmentation.classes, segmentation.finds_objects)] if wish.coco else []
    return [*files, LabelStudio(segmentation.classes, folder)] if wish.label_studio else files


def _write(target: Path, shot: Shot, classes: ClassMap, wish: Wish) -> None:
    stem = Path(shot.name).stem
    files = {}
    for each in labels(shot, wish.confidence):
        files[f"{_FOLDERS[each.name]}/{stem}.png"] = encoded(".png", each.pixels, cv2.IMWRITE_PNG_COMPRESSION, 1)
    if wish.overlay:
        files[f"overlays/{stem}.jpg"] = overlaid(shot.frame, shot.output, classes)
    for name, stream in files.items():
        _write_file(target / name, stream)


def _write_file(file: Path, stream: np.ndarray) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(stream)


def frames_of(source: Path) -> int:
    """Returns how many frames a video or folder says that it has; 0 where that cannot be told."""
    return len(picture_files(source)) if source.is_dir() else _frames_of_video(source)


def _frames_of_video(source: Path) -> int:
    try:
        return max(int(_opened(source).get(cv2.CAP_PROP_FRAME_COUNT)), 0)
    except RecordingError:  # said when it is its turn
        return 0


def _pictures(source: Path) -> Iterator[tuple[_Named, Frame | FrameError]]:
    if source.is_dir():
        files = picture_files(source)
        stem, count = Counter(file.stem for file in files).most_common(1)[0]
        if count > 1:
            raise RecordingError(f"{source}: {count} pictures are called {stem}, as their labels would be; rename them")
        for file in files:
            yield _Named(file.name), _frame(read_picture(file, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION))
        return
    capture = _opened(source)
    rate = capture.get(cv2.CAP_PROP_FPS) or _RATE
    try:
        number = 0
        while True:
            there, pixels = capture.read()
            if not there:
                return
            yield _Named(f"{number:06}.jpg", number / rate), _frame(pixels)
            number += 1
    finally:
        capture.release()


def _frame(pixels: np.ndarray | None) -> Frame | FrameError:
    return _UNKNOWN if pixels is None else Frame(pixels, bgr=True)


def _opened(source: Path) -> cv2.VideoCapture:
    try:
        capture = open_video(str(source))
    except ValueError as error:  # of its name
        raise RecordingError(str(error)) from error
    if not capture.isOpened():
        raise RecordingError(f"{source}: OpenCV cannot open it as a video")
    return capture
