"""What the networks make of a recorded frame, as pictures: the same that the live node publishes, bit for bit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seg_ros.errors import FrameError
from seg_ros.models import INSTANCES
from seg_ros.results import Frame, Selection, Wanted
from seg_ros.ros.cdr import OtherLayoutError, read_compressed, read_image
from seg_ros.ros.pixels import compressed_frame, image_frame
from seg_ros.segmenter import Segmenter


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


def labels(net: Segmenter, frame: Frame, score_threshold: float, confidence: bool) -> list[Label]:
    """Segments a frame: class ids, and confidence if it is wanted; of networks that find objects also the objects' ids.

    Raises:
        EngineError: if the engine fails.
    """
    selection = Selection(score_threshold=max(score_threshold, net.least_score))
    output = net(frame, Wanted(confidence, selection))
    semantic = output.semantic()
    made = [Label("label", "mono8", semantic.label)]
    if confidence:
        made.append(Label("confidence", "mono8", semantic.confidence))
    if net.task == INSTANCES:
        made.append(Label("instance_ids", "16UC1", output.ids()))
    return made


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
