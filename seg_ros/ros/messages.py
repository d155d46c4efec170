"""Makes messages of results. Every message carries the source's stamp and frame_id, and rows without padding."""

from __future__ import annotations

import array
import math
from collections.abc import Sequence

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header

from seg_ros import run_lengths
from seg_ros.classes import ClassMap
from seg_ros.outlines import Outline
from seg_ros.results import Frame, Instances
from seg_ros.ros.cdr import Stamp, write_compressed, write_encoded, write_image, write_line_list
from seg_ros_msgs.msg import InstanceMask, InstanceMaskArray

try:
    import vision_msgs.msg as vision
except ImportError:
    vision = None  # it is optional: `detections` and `label_info` need it

_PIXELS = {"mono8": ("u1", ()), "rgb8": ("u1", (3,)), "bgr8": ("u1", (3,)), "16UC1": ("<u2", ())}
"""Per encoding the dtype of a value, little-endian, and the shape of a pixel."""
_LINE_WIDTH = 2.0
"""Pixels."""


def header(frame: Frame) -> Header:
    """Makes the header of what is computed from `frame`: the source's own stamp and frame_id."""
    return header_of(frame.stamp, frame.frame_id)


def header_of(stamp: Stamp, frame_id: str) -> Header:
    """Makes the header of a stamp and a frame_id."""
    return Header(stamp=Time(sec=stamp[0], nanosec=stamp[1]), frame_id=frame_id)


def image(header: Header, pixels: np.ndarray, encoding: str) -> Image:
    """Makes an image message, little-endian, `step == width * bytes per pixel`.

    Args:
        pixels: `(H, W) uint8` for mono8, `(H, W, 3) uint8` for rgb8 and bgr8, `(H, W) uint16` for 16UC1.

    Raises:
        ValueError: `pixels` has not the shape and type of `encoding`.
    """
    pixels = _checked(pixels, encoding)
    height, width = pixels.shape[:2]
    step = width * math.prod(pixels.shape[2:]) * pixels.itemsize  # strides may be of the array it was cut from
    msg = Image(header=header, height=height, width=width, encoding=encoding, is_bigendian=0, step=step)
    # One memcpy. rclpy takes an array('B') as it is, anything else value by value (147 ms at VGA); as an argument of
    # Image() it would be copied once more.
    data = array.array("B")
    data.frombytes(pixels.reshape(-1).view(np.uint8))
    msg.data = data
    return msg


def serialized_image(stamp: Stamp, frame_id: str, pixels: np.ndarray, encoding: str) -> bytes:
    """Makes what `image` makes, serialised for a publisher. Arguments and errors are those of `image`."""
    return write_image(stamp, frame_id, _checked(pixels, encoding), encoding)


def serialized_jpeg(stamp: Stamp, frame_id: str, bgr: np.ndarray, quality: int = 80) -> bytes:
    """Makes a serialised `CompressedImage`: `(H, W, 3) uint8` BGR as JPEG of `quality` 0..100.

    Its `format` is what image_transport writes.
    """
    ok, stream = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ValueError(f"OpenCV cannot encode {bgr.shape} {bgr.dtype} as JPEG")
    return write_compressed(stamp, frame_id, "bgr8; jpeg compressed bgr8", stream.reshape(-1))


def camera_info(stamp: Stamp, frame_id: str, size: tuple[int, int], matrix: np.ndarray) -> CameraInfo:
    """Makes the calibration of a camera without distortion.

    Args:
        size: `(H, W)` of its images.
        matrix: `(3, 3) float64`, the camera matrix, px.
    """
    height, width = size
    info = CameraInfo(header=header_of(stamp, frame_id), height=height, width=width)
    info.distortion_model, info.d = "plumb_bob", [0.0] * 5
    info.k, info.r = matrix.ravel(), np.eye(3).ravel()
    info.p = np.hstack([matrix, np.zeros((3, 1))]).ravel()
    return info


def serialized_run_lengths(stamp: Stamp, frame_id: str, label: np.ndarray, ids: np.ndarray) -> bytes:
    """Makes a serialised `Image` of run lengths, as the mask images of Autoware's perception are.

    Encoding, step, height and width are those of the mono8 image that `data`, see `run_lengths`, is decoded to.

    Args:
        label: `(H, W) uint8`, class ids.
        ids: `(256,) uint8`, the id to write for each.
    """
    runs = run_lengths.encode(label, ids)
    return write_encoded(stamp, frame_id, label.shape, "mono8", label.shape[1], runs.view(np.uint8))


def serialized_outlines(stamp: Stamp, frame_id: str, found: Sequence[Outline], classes: ClassMap) -> bytes:
    """Makes a serialised `ImageMarker` of all outlines of a frame, a list of lines.

    A line has the colour of the class, and the score for opacity. It is one marker, because viewers show the last of a
    topic; without outlines it has no lines, so that those of the frame before go.
    """
    counts = np.array([len(each.corners) for each in found], int)
    starts = np.concatenate([np.zeros((0, 2)), *(each.corners for each in found)])
    following = np.arange(1, len(starts) + 1)
    last = counts.cumsum() - 1
    following[last] -= counts  # the line from the last corner closes the outline
    colors = classes.palette()[[each.class_id for each in found]] / 255
    rgba = np.column_stack([colors, [each.score for each in found]])
    lines = np.stack([starts, starts[following]], 1)
    return write_line_list(stamp, frame_id, lines, np.repeat(rgba, counts, axis=0), _LINE_WIDTH)


def instances(header: Header, result: Instances, classes: ClassMap) -> InstanceMaskArray:
    """Makes the message of the objects with their masks, each cropped to its region of interest."""
    height, width = result.size
    msg = InstanceMaskArray(header=header, height=height, width=width)
    rows = zip(result.class_id.tolist(), result.score.tolist(), result.roi.tolist(), result.masks, strict=True)
    tracks = result.tracks
    for i, (class_id, score, (x, y, w, h), mask) in enumerate(rows):
        instance = InstanceMask(id=i + 1, class_id=class_id, class_name=classes.names[class_id], score=score)
        if tracks is not None:
            instance.track_id, instance.age_frames = int(tracks.track_id[i]), int(tracks.age_frames[i])
            instance.track_score = float(tracks.track_score[i])
        instance.roi = RegionOfInterest(x_offset=x, y_offset=y, width=w, height=h, do_rectify=False)
        instance.mask = image(header, mask, "mono8")
        msg.instances.append(instance)
    return msg


def detections(header: Header, result: Instances, classes: ClassMap) -> vision.Detection2DArray:
    """Makes the message of the objects as boxes, with the class name as `class_id` and the track's id as `id`.

    A box is the network's own, in pixels, x to the right and y down, and not rotated; `pose` is left empty. It is
    estimated apart from the mask, and fits true objects better than the smallest box around the mask, which is the
    `roi` in `instances`. The objects have the order of `instances`. An object that has no track has an empty `id`, as
    vision_msgs wants it. Behind them are the predicted boxes of those that are only expected, with a score of 0.0,
    which no object that was found has.
    """
    msg = vision.Detection2DArray(header=header)
    track_ids = [0] * len(result) if result.tracks is None else result.tracks.track_id.tolist()
    rows = list(zip(track_ids, result.class_id.tolist(), result.score.tolist(), result.box.tolist(), strict=True))
    if (expected := result.coasting) is not None:
        boxes = zip(expected.track_id.tolist(), expected.class_id.tolist(), expected.box.tolist(), strict=True)
        rows += [(track_id, class_id, 0.0, box) for track_id, class_id, box in boxes]
    for track_id, class_id, score, (x0, y0, x1, y1) in rows:
        detection = vision.Detection2D(header=header, id=str(track_id) if track_id else "")
        detection.bbox.center.position.x, detection.bbox.center.position.y = (x0 + x1) / 2, (y0 + y1) / 2
        detection.bbox.size_x, detection.bbox.size_y = x1 - x0, y1 - y0
        found = vision.ObjectHypothesisWithPose()
        found.hypothesis.class_id, found.hypothesis.score = classes.names[class_id], score
        detection.results.append(found)
        msg.detections.append(detection)
    return msg


def label_info(header: Header, classes: ClassMap, threshold: float = 0.0) -> vision.LabelInfo:
    """Makes the message of class id -> name; `threshold` is the score, 0..1, below which nothing is published."""
    class_map = [vision.VisionClass(class_id=i, class_name=name) for i, name in enumerate(classes.names)]
    return vision.LabelInfo(header=header, class_map=class_map, threshold=threshold)


def _checked(pixels: np.ndarray, encoding: str) -> np.ndarray:
    """Contiguous and little-endian, if it is what `encoding` says."""
    if encoding not in _PIXELS:
        raise ValueError(f"expected one of the encodings {', '.join(_PIXELS)}, got '{encoding}'")
    dtype, pixel = np.dtype(_PIXELS[encoding][0]), _PIXELS[encoding][1]
    if pixels.ndim < 2 or pixels.shape[2:] != pixel or pixels.dtype.newbyteorder("<") != dtype:
        shape = ", ".join(("H", "W", *map(str, pixel)))
        raise ValueError(f"{encoding} needs ({shape}) {dtype}, got {pixels.shape} {pixels.dtype}")
    return np.ascontiguousarray(pixels, dtype)
