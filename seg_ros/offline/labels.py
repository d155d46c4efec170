"""What the networks make of a recorded frame: the same that the live node publishes, bit for bit."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

from seg_ros import overlay
from seg_ros.classes import ClassMap
from seg_ros.errors import EngineError, FrameError
from seg_ros.models import INSTANCES
from seg_ros.results import Frame, Instances, Selection, SemanticMap, Wanted
from seg_ros.ros.cdr import OtherLayoutError, read_compressed, read_image
from seg_ros.ros.pixels import compressed_frame, image_frame
from seg_ros.segmenter import Segmenter
from seg_ros.tracking import FAINT, SURE, Smoother, Tracker

K = TypeVar("K")
T = TypeVar("T")
_ALPHA = 0.5
"""Weight of the colours in overlays."""
_QUALITY = 80
"""Of overlays in JPEG."""


class Label(NamedTuple):
    """One picture that was made of a frame.

    Attributes:
        name: of the topic, below the node's name, or of the folder.
        encoding: of `sensor_msgs/Image`.
        pixels: `(H, W)`, at the frame's own size.
    """

    name: str
    encoding: str
    pixels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Wish:
    """What to make of recordings, beside their labels.

    Attributes:
        topics: of bags, that are labelled; empty is all that carry pictures.
        copy: write the bags' own messages too.
        confidence: of each pixel.
        overlay: the labels over the frames, as JPEG.
        coco: of pictures and videos, objects or classes as `annotations.json`.
        label_studio: the same as `label_studio.json`.
        smooth: hold the labels of bags and videos still, as the live node's parameter does.
        track_threshold: score from which an object begins a track, 0.1..1.
        report: a page `report.html` about the recording.
        uncertain: how many of the frames that the network is least sure of are written for labelling by hand.
    """

    topics: list[str] = dataclasses.field(default_factory=list)
    copy: bool = True
    confidence: bool = False
    overlay: bool = False
    coco: bool = False
    label_studio: bool = False
    smooth: bool = False
    track_threshold: float = SURE
    report: bool = False
    uncertain: int = 0

    @property
    def any_order(self) -> bool:
        """Returns whether nothing that is wanted needs all frames of a recording in their order."""
        return not self.smooth and not self.report and not self.uncertain

    @property
    def needs_confidence(self) -> bool:
        """Returns whether label images must come with their confidence."""
        return self.confidence or self.coco or self.label_studio or self.report or self.uncertain > 0


@dataclasses.dataclass(frozen=True)
class Shot:
    """A frame of a recording, and what the network made of it.

    Attributes:
        camera: topic of a bag, or name of a video or folder.
        name: file name of a picture; of a frame of a video its number and `.jpg`; of an image in a bag its log time.
        time: seconds of the log; the number of a picture.
        frame: the input.
        output: labels or objects at the frame's size.
    """

    camera: str
    name: str
    time: float
    frame: Frame
    output: SemanticMap | Instances

    @functools.cached_property
    def semantic(self) -> SemanticMap:
        """Returns the class of each pixel: with objects that of the best-scored one."""
        return self.output.semantic()


class Segmentation:
    """Segments frames of recordings. Not thread-safe: one thread calls it.

    Args:
        score_threshold: smallest score of an object, 0..1.
        confidence: whether label images come with their confidence.
        smooth: whether those of one camera are held still over time.
        track_threshold: score from which an object begins a track, 0.1..1.

    Attributes:
        classes: class map of the network.
        finds_objects: whether the network does.
    """

    def __init__(
        self,
        net: Segmenter,
        score_threshold: float = 0.5,
        confidence: bool = False,
        smooth: bool = False,
        track_threshold: float = SURE,
    ) -> None:
        self.classes: ClassMap = net.classes
        self.finds_objects = net.task == INSTANCES
        self._net, self._confidence, self._smooth = net, confidence or smooth, smooth
        self._track_threshold = track_threshold
        self._selection = Selection(score_threshold=max(score_threshold, net.least_score))

    def picture(self, frame: Frame) -> SemanticMap | Instances:
        """Segments a frame by itself.

        Raises:
            EngineError: if the engine fails.
        """
        return self._net(frame, Wanted(self._confidence, self._selection))

    def follow(self, frame: Frame, time: float, memory: Memory) -> SemanticMap | Instances:
        """Segments the next frame of a camera; objects come with their tracks, labels smoothed, as from the live node.

        Args:
            time: s.
            memory: of the camera.

        Raises:
            EngineError: if the engine fails.
        """
        output = self._net(frame, Wanted(self._confidence, dataclasses.replace(self._selection, faint_score=FAINT)))
        if isinstance(output, Instances):
            objects = output.followed(memory.tracker.update(time, output, frame.pixels, self._track_threshold))
            return objects[objects.score >= self._selection.score_threshold]
        return memory.smoother.update(time, output, frame.pixels) if self._smooth else output


class Memory(NamedTuple):
    """What is known of a camera's frames so far."""

    tracker: Tracker
    smoother: Smoother


class Memories:
    """Keeps a memory for each camera of a recording; ids of tracks are of one count, as the live node's."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._of: dict[str, Memory] = {}

    def of(self, camera: str) -> Memory:
        """Returns the memory of a camera."""
        if camera not in self._of:
            self._of[camera] = Memory(Tracker(self._ids), Smoother())
        return self._of[camera]


def segmented(
    frames: Iterable[tuple[K, Frame | T]], segment: Callable[[K, Frame], SemanticMap | Instances]
) -> Iterator[tuple[K, tuple[Frame, SemanticMap | Instances] | Exception | T]]:
    """Yields each key with its frame and what the network made of it, or what that failed with; or what is no frame.

    Args:
        segment: makes the output of a key and its frame.

    Raises:
        EngineError: if the device is lost.
    """
    for key, frame in frames:
        if not isinstance(frame, Frame):
            yield key, frame
            continue
        try:
            yield key, (frame, segment(key, frame))
        except (FrameError, EngineError) as error:
            if isinstance(error, EngineError) and error.fatal:  # every later frame would be lost, too
                raise
            yield key, error


def labels(shot: Shot, confidence: bool) -> list[Label]:
    """Draws class ids, and confidence if it is wanted; of objects also their ids, and those of their tracks."""
    output = shot.output
    made = [Label("label", "mono8", shot.semantic.label)]
    if confidence:
        made.append(Label("confidence", "mono8", shot.semantic.confidence))
    if isinstance(output, Instances):
        made.append(Label("instance_ids", "16UC1", output.ids()))
        if output.tracks is not None:
            made.append(Label("track_ids", "16UC1", output.track_ids()))
    return made


def drawn(frame: Frame, output: SemanticMap | Instances, classes: ClassMap) -> np.ndarray:
    """Draws the output over its frame, as the live node does by default: `(H, W, 3) uint8` BGR."""
    return overlay.draw(output, frame, classes, _ALPHA)


def overlaid(frame: Frame, output: SemanticMap | Instances, classes: ClassMap) -> np.ndarray:
    """Returns what `drawn` draws as a JPEG file, `(N,) uint8`."""
    return encoded(".jpg", drawn(frame, output, classes), cv2.IMWRITE_JPEG_QUALITY, _QUALITY)


def encoded(suffix: str, pixels: np.ndarray, *parameters: int) -> np.ndarray:
    """Encodes pixels as OpenCV's `imwrite` with these parameters writes them: `(N,) uint8`."""
    there, stream = cv2.imencode(suffix, pixels, parameters)
    if not there:
        raise FrameError("encode", f"OpenCV cannot encode {pixels.shape} {pixels.dtype} as {suffix}")
    return stream.reshape(-1)


def recorded_frame(kind: str, data: bytes) -> Frame:
    """Decodes a recorded image, with every check that the live node has.

    Args:
        kind: `sensor_msgs/msg/Image` or `sensor_msgs/msg/CompressedImage`.
        data: in CDR.

    Raises:
        FrameError: with the reasons of the live node.
    """
    try:
        if kind.endswith("/CompressedImage"):
            return compressed_frame(read_compressed(data))
        return image_frame(read_image(data))
    except OtherLayoutError as error:
        raise FrameError("cdr", f"expected a message in classic CDR, got one that starts with {error}") from error
