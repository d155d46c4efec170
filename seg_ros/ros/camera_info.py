"""The calibration of a camera, as it publishes it: received while it is wanted, and given out by frame."""

from __future__ import annotations

import copy
import threading
from collections import deque
from typing import Any, NamedTuple

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo

from seg_ros.errors import FrameError
from seg_ros.ros import messages
from seg_ros.ros.cdr import Stamp, check_text
from seg_ros.ros.deserialize import deserialized
from seg_ros.ros.qos import info_qos

TOPIC = "camera_info"
"""Of the camera, beside its images; and of the node, below the camera's name."""
_LARGEST = 16384
"""Bytes of the largest message that is read; a plumb-bob model has 370."""
_KEPT = 64
"""Messages that are kept: a frame comes with its own where an inference takes up to 2 s at 30 Hz."""


def info_topic(images: str) -> str:
    """Returns the topic of the calibration of a camera: beside that of its images, as image_transport has it.

    Args:
        images: resolved; one that ends in /compressed is below the topic that counts.
    """
    return images.removesuffix("/compressed").rpartition("/")[0] + f"/{TOPIC}"


class _Info(NamedTuple):
    stamp: Stamp
    message: CameraInfo


class CameraInfos:
    """The newest calibrations that one camera published. Put in on the executor's thread, taken on the worker's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._infos: deque[_Info] = deque(maxlen=_KEPT)
        self._unread = ""

    def put(self, serialized: bytes) -> None:
        """Takes a serialised `sensor_msgs/CameraInfo`. Of one that cannot be read only the reason is kept."""
        try:
            message = _read(serialized)
        except FrameError as error:
            with self._lock:
                self._unread = str(error)
            return
        stamp = message.header.stamp
        with self._lock:
            self._infos.append(_Info((stamp.sec, stamp.nanosec), message))

    def clear(self) -> None:
        """Forgets them: who publishes the next may be another camera."""
        with self._lock:
            self._infos.clear()
            self._unread = ""

    @property
    def empty(self) -> bool:
        """Returns whether there are none."""
        return not self._infos

    def of(self, stamp: Stamp, frame_id: str, size: tuple[int, int]) -> CameraInfo | None:
        """Returns the calibration of an image, with its stamp and frame_id, and otherwise as the camera sent it.

        That is the one of the image's own stamp; where there is none, the newest. None: there is none at all.

        Args:
            size: `(H, W)` of the image, pixels.

        Raises:
            FrameError: "camera_info_unreadable": nothing came that can be read; "camera_info_frame_id": all are of
                other frame_ids, so of other cameras; "camera_info_size": it is for images of another size.
        """
        with self._lock:
            infos, unread = list(self._infos), self._unread
        if not infos:
            if unread:
                raise FrameError("camera_info_unreadable", unread)
            return None
        mine = [i for i in infos if not frame_id or i.message.header.frame_id in ("", frame_id)]
        if not mine:
            got = infos[-1].message.header.frame_id
            raise FrameError(
                "camera_info_frame_id",
                f"it must have the images' frame_id {frame_id!r}, or none, got {got!r}: have the driver send one",
            )
        info = next((each for each in reversed(mine) if each.stamp == stamp), mine[-1]).message
        _check_size(info, size)
        own = copy.copy(info)
        own.header = messages.header_of(stamp, frame_id)
        return own


class InfoSubscription:
    """Receives the calibration of one camera while it is wanted.

    Args:
        topic: of the camera's images.
        infos: gets what comes.
    """

    def __init__(self, node: Node, topic: str, infos: CameraInfos) -> None:
        self._node, self._infos = node, infos
        self._topic = node.resolve_topic_name(info_topic(topic))
        self._subscription: Any = None
        self._qos: QoSProfile | None = None

    def follow(self, wanted: bool) -> None:
        """Subscribes while it is wanted, with the quality of service that the camera publishes it with."""
        if not wanted:
            self.close()
            return
        if not self._node.count_publishers(self._topic):
            self._infos.clear()
        qos = info_qos(self._node, self._topic)
        if self._subscription is None or qos != self._qos:
            self.close()
            self._subscription = self._node.create_subscription(CameraInfo, self._topic, self._infos.put, qos, raw=True)
            self._qos = qos

    def close(self) -> None:
        """Unsubscribes."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
            self._infos.clear()


def _read(serialized: bytes) -> CameraInfo:
    if len(serialized) > _LARGEST:
        raise FrameError("camera_info_unreadable", f"it must have at most {_LARGEST} bytes, got {len(serialized)}")
    message = deserialized(serialized, CameraInfo, "camera_info_unreadable")
    check_text("frame_id", message.header.frame_id)
    check_text("distortion_model", message.distortion_model)
    if not np.isfinite([*message.d, *message.k, *message.r, *message.p]).all():
        raise FrameError("camera_info_unreadable", "its numbers must be finite, got NaN or Inf among them")
    return message


def _check_size(info: CameraInfo, size: tuple[int, int]) -> None:
    """Refuses a calibration for images of another size.

    `height` and `width` are those that the camera was calibrated at, and `roi` and `binning` say what part of that an
    image is. Some drivers write the image's own size with either.
    """
    roi = info.roi
    full = info.height, info.width
    rows, columns = (roi.height or info.height, roi.width or info.width)
    part = rows // max(info.binning_y, 1), columns // max(info.binning_x, 1)
    if size not in (full, part):
        raise FrameError(
            "camera_info_size",
            f"it must be for images of {size[1]}x{size[0]}, got {info.width}x{info.height}"
            + (f", of which images are {part[1]}x{part[0]}" if part != full else ""),
        )
