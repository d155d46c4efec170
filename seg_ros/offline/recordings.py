"""Labels one recording: a bag to a bag, a video or a folder of pictures to folders of pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from seg_ros.classes import ClassMap
from seg_ros.errors import EngineError, FrameError, RecordingError
from seg_ros.offline.flow import in_background, mapped
from seg_ros.offline.labels import Label, recorded_frame
from seg_ros.results import Frame
from seg_ros.ros.cdr import write_image
from seg_ros.ros.names import camera_names
from seg_ros.sources import picture_files

NODE = "/segmentation"
"""What the topics of labels are below, as those of the live node."""
_AHEAD = 16
"""Frames that are read and decoded before their turn."""
_WAITING = 4
"""Labelled frames that wait to be written."""
_DECODERS = 2
_MOST_NAMED = 10_000
"""Lost frames that a report names one by one; the rest is counted."""

Segment = Callable[[Frame], list[Label]]
"""Makes the labels of a frame."""


@dataclasses.dataclass
class Tally:
    """What became of the frames of one recording: `frames == labelled + sum of lost`.

    Attributes:
        named: `[topic or file, stamp or number, reason]` of lost frames.
        damage: where the recording ends early, and why; empty if it was read to its end.
    """

    frames: int = 0
    labelled: int = 0
    lost: dict[str, int] = dataclasses.field(default_factory=dict)
    named: list[list[Any]] = dataclasses.field(default_factory=list)
    damage: str = ""

    def lose(self, of: str, at: Any, error: FrameError | EngineError) -> None:
        """Counts a frame that has no label."""
        self.lost[error.reason] = self.lost.get(error.reason, 0) + 1
        if len(self.named) < _MOST_NAMED:
            self.named.append([of, at, f"{error.reason}: {error}"])

    def faults(self) -> list[str]:
        """Returns what people should know of it, a line each."""
        lost = [f"{count} frames lost, {reason}" for reason, count in self.lost.items()]
        return [self.damage, *lost] if self.damage else lost


def label_bag(
    source: Path, target: Path, segment: Segment, classes: ClassMap, topics: list[str], copy: bool, step: Callable
) -> Tally:
    """Writes a bag of the labels of a bag's images, with their stamps and log times, beside all that the bag holds.

    Args:
        target: folder to make.
        topics: to label; empty is all that carry images.
        copy: whether the bag's own messages are written too.
        step: called after each frame.

    Raises:
        RecordingError: if the bag cannot be read at all, has no images, or lacks one of the topics.
        EngineError: if the device is lost.
    """
    from seg_ros.offline.bags import IMAGES, BagWriter, open_bag  # pictures need no rosbags

    tally = Tally()
    with open_bag(source) as bag:
        chosen = image_topics(source, bag.connections, topics)
        names = output_names(chosen)
        with BagWriter(target, bag) as writer:

            def decoded(message: Any) -> tuple[Any, Frame | FrameError | None]:
                if message.topic not in names or message.kind not in IMAGES:
                    return message, None
                try:
                    return message, recorded_frame(message.kind, message.data)
                except FrameError as error:
                    return message, error

            wanted = None if copy else chosen
            frames = in_background(mapped(decoded, bag.messages(wanted), _DECODERS, _AHEAD), _AHEAD)
            first = True
            try:
                # The network runs on a thread of its own, so that writing does not hold it up.
                for message, made in in_background(_segmented(frames, segment), _WAITING):
                    if first:
                        writer.label_info(f"{NODE}/label_info", classes.names, message.time)
                        first = False
                    if copy:
                        writer.copy(message)
                    if made is None:
                        continue
                    tally.frames += 1
                    if isinstance(made, Exception):
                        tally.lose(message.topic, message.time, made)
                    else:
                        frame, pictures = made
                        for each in pictures:
                            topic = f"{NODE}/{names[message.topic]}{each.name}"
                            data = write_image(frame.stamp, frame.frame_id, each.pixels, each.encoding)
                            writer.write(topic, IMAGES[0], message.time, data)
                        tally.labelled += 1
                    step()
            except RecordingError as error:  # what came before it is labelled
                tally.damage = str(error)
    return tally


def _segmented(
    frames: Iterator[tuple[Any, Frame | FrameError | None]], segment: Segment
) -> Iterator[tuple[Any, tuple[Frame, list[Label]] | Exception | None]]:
    """Yields each message with the labels of its frame, what that failed with, or None if it has no frame."""
    for message, frame in frames:
        if frame is None or isinstance(frame, FrameError):
            yield message, frame
            continue
        try:
            yield message, (frame, segment(frame))
        except (FrameError, EngineError) as error:
            if isinstance(error, EngineError) and error.fatal:  # every later frame would be lost, too
                raise
            yield message, error


def frames_of(source: Path, bag: bool, topics: list[str]) -> int:
    """Returns how many frames a recording says that it has, for the progress; 0 where that cannot be told."""
    if not bag:
        return len(picture_files(source)) if source.is_dir() else _frames_of_video(source)
    from seg_ros.offline.bags import open_bag

    try:
        with open_bag(source) as opened:
            return opened.count(image_topics(source, opened.connections, topics))
    except RecordingError:  # said when it is its turn
        return 0


def _frames_of_video(source: Path) -> int:
    capture = cv2.VideoCapture(str(source))
    frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    return max(frames, 0)


def image_topics(source: Path, connections: list, topics: list[str]) -> list[str]:
    """Returns the topics of a bag that are to be labelled.

    Raises:
        RecordingError: if there are none, or one that was asked for is not there or carries no images.
    """
    from seg_ros.offline.bags import IMAGES

    found = sorted({c.topic for c in connections if c.msgtype in IMAGES and c.msgcount})
    if missing := [topic for topic in topics if topic not in found]:
        there = ", ".join(found) or "no topic"
        raise RecordingError(f"{source}: it has no images on {', '.join(missing)}, it has on {there}")
    # Of a camera that was recorded raw and compressed the raw images are the better ones.
    raw = {topic for topic in found if not topic.endswith("/compressed")}
    usual = [topic for topic in found if topic in raw or topic.removesuffix("/compressed") not in raw]
    chosen = topics or [topic for topic in usual if not topic.startswith(f"{NODE}/")]
    if not chosen:
        raise RecordingError(f"{source}: it has no topic with images; give another recording")
    return chosen


def output_names(topics: list[str]) -> dict[str, str]:
    """Returns what the labels of each topic are below, as the live node names its cameras: one alone has no name."""
    if len(topics) == 1:
        return {topics[0]: ""}
    return {topic: f"{name}/" for topic, name in zip(topics, camera_names(topics), strict=True)}


def label_pictures(source: Path, target: Path, segment: Segment, step: Callable) -> Tally:
    """Writes the labels of a video, or of a folder's pictures, as PNG: a folder for each kind, a file for each frame.

    Raises:
        RecordingError: if nothing can be read.
        EngineError: if the device is lost.
    """
    tally = Tally()
    for name, pixels in in_background(_pictures(source), _AHEAD):
        tally.frames += 1
        try:
            if pixels is None:
                raise FrameError("corrupt", "OpenCV cannot read it")
            made = segment(Frame(pixels, bgr=True))
        except (FrameError, EngineError) as error:
            if isinstance(error, EngineError) and error.fatal:
                raise
            tally.lose(source.name, name, error)
        else:
            for each in made:
                folder = target / _FOLDERS[each.name]
                folder.mkdir(parents=True, exist_ok=True)
                file = folder / f"{name}.png"
                if not cv2.imwrite(str(file), each.pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1]):
                    raise OSError(f"{file}: OpenCV cannot write it; is there room on the disk?")
            tally.labelled += 1
        step()
    if not tally.labelled:
        raise RecordingError(f"{source}: it opens, but no picture could be read")
    return tally


_FOLDERS = {"label": "labels", "confidence": "confidence", "instance_ids": "instances"}
"""Folder by kind of label: `labels` and `instances` are where training looks for the truth of pictures."""


def _pictures(source: Path) -> Iterator[tuple[str, np.ndarray | None]]:
    if source.is_dir():
        for file in picture_files(source):
            yield file.stem, cv2.imread(str(file), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        return
    capture = cv2.VideoCapture(str(source))
    if not capture.isOpened():
        raise RecordingError(f"{source}: OpenCV cannot open it as a video")
    try:
        number = 0
        while True:
            there, pixels = capture.read()
            if not there:
                return
            yield f"{number:06}", pixels
            number += 1
    finally:
        capture.release()
