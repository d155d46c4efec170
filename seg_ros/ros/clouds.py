"""Reads the places out of serialised `sensor_msgs/PointCloud2`, whatever its layout, and writes labelled clouds."""

from __future__ import annotations

import functools
import struct
from typing import NamedTuple

import numpy as np
from rclpy.serialization import serialize_message
from sensor_msgs.msg import PointCloud2, PointField

from seg_ros.errors import FrameError
from seg_ros.lifting import POINT
from seg_ros.ros.cdr import Stamp, check_text
from seg_ros.ros.deserialize import deserialized
from seg_ros.ros.pixels import check_length

MOST_POINTS = 4_000_000
"""Of a cloud that is read; the largest LiDARs have a tenth of it."""
_TYPES = {
    np.dtype("<f4"): PointField.FLOAT32, np.dtype("<u4"): PointField.UINT32, np.dtype("<u2"): PointField.UINT16,
    np.dtype("u1"): PointField.UINT8,
}  # fmt: skip
_FLOATS = {PointField.FLOAT32: "f4", PointField.FLOAT64: "f8"}
_SENT_AS_FLOAT = "rgb"  # PCL packs a colour in a float's bits


class Cloud(NamedTuple):
    """A cloud that a sensor sent.

    Attributes:
        points: `(N, 3) float32`, x y z, m; NaN where a sensor has none.
    """

    stamp: Stamp
    frame_id: str
    points: np.ndarray


def read_cloud(message: bytes) -> Cloud:
    """Reads the places of a serialised `sensor_msgs/PointCloud2`, organised, padded and of either byte order or not.

    Raises:
        FrameError: "cdr": it does not deserialise; "fields": x, y and z are not three floats inside a point; "size": it
            has more than `MOST_POINTS` points; "step" or "truncated": rows or data are shorter than the points need.
    """
    cloud = deserialized(message, PointCloud2)
    check_text("frame_id", cloud.header.frame_id)
    stamp = cloud.header.stamp.sec, cloud.header.stamp.nanosec
    height, width, step = cloud.height, cloud.width, cloud.point_step
    if height * width > MOST_POINTS:
        raise FrameError("size", f"a cloud may have {MOST_POINTS} points, got {width}x{height}: thin it out")
    if not height * width:
        return Cloud(stamp, cloud.header.frame_id, np.zeros((0, 3), np.float32))
    if cloud.row_step < width * step:
        raise FrameError("step", f"row_step must be at least {width * step} for {width} points, got {cloud.row_step}")
    need = cloud.row_step * (height - 1) + width * step
    check_length(cloud.data, need, f"a cloud of {width}x{height} points")
    fields = {field.name: field for field in cloud.fields}
    order = ">" if cloud.is_bigendian else "<"
    points = np.empty((height, width, 3), np.float32)
    for i, name in enumerate("xyz"):
        field = fields.get(name)
        kind = np.dtype(order + _FLOATS[field.datatype]) if field and field.datatype in _FLOATS else None
        if kind is None or field.count != 1 or field.offset + kind.itemsize > step:
            names = ", ".join(f"{f.name[:20]} of type {f.datatype}" for f in cloud.fields[:8])
            raise FrameError(
                "fields", f"a cloud needs x, y and z, each FLOAT32 or FLOAT64, inside a point; got {names}"
            )
        strides = cloud.row_step, step
        points[..., i] = np.ndarray((height, width), kind, cloud.data, field.offset, strides)
    return Cloud(stamp, cloud.header.frame_id, points.reshape(-1, 3))


def read_points(message: bytes) -> tuple[Stamp, np.ndarray]:
    """Reads what `write_cloud` made of `POINT`: stamp and the points, of the cloud's shape. See `read_labelled`."""
    stamp, _, points = read_labelled(message)
    return stamp, points


def read_labelled(message: bytes) -> tuple[Stamp, str, np.ndarray]:
    """Reads what `write_cloud` made of `POINT`: stamp, frame_id, and the points, of the cloud's shape.

    Raises:
        FrameError: "cdr": it does not deserialise; "fields": its points are of another layout; "size": it has more than
            `MOST_POINTS` points, or other than its data has.
    """
    cloud = deserialized(message, PointCloud2)
    laid = {(field.name, field.offset, field.datatype) for field in cloud.fields}
    if cloud.is_bigendian or cloud.point_step != POINT.itemsize or laid != _LAYOUT:
        raise FrameError("fields", "a labelled cloud must have the fields of lift's layout pcl")
    count = cloud.height * cloud.width
    if count > MOST_POINTS or len(cloud.data) != count * POINT.itemsize:
        got = f"{cloud.width}x{cloud.height} points in {len(cloud.data)} bytes"
        raise FrameError(
            "size", f"a labelled cloud has {POINT.itemsize} bytes a point, at most {MOST_POINTS}; got {got}"
        )
    points = np.frombuffer(cloud.data, POINT)
    shape = (cloud.height, cloud.width) if cloud.height > 1 else (cloud.width,)
    return (cloud.header.stamp.sec, cloud.header.stamp.nanosec), cloud.header.frame_id, points.reshape(shape)


def write_cloud(stamp: Stamp, frame_id: str, cloud: np.ndarray, dense: bool = False) -> bytes:
    """Writes a cloud, `(H, W)` or `(N,)` of `POINT` or another record, as a serialised `sensor_msgs/PointCloud2`.

    Args:
        dense: whether no point has NaN.
    """
    height, width = cloud.shape if cloud.ndim == 2 else (1, len(cloud))
    head = _head(frame_id, height, width, cloud.dtype)
    body = np.ascontiguousarray(cloud).reshape(-1).view(np.uint8).data
    return b"".join((head[:4], struct.pack("<iI", *stamp), head[12:], body, bytes((dense,))))


def _fields(record: np.dtype) -> list[PointField]:
    made = []
    for name, (kind, offset) in record.fields.items():
        datatype = PointField.FLOAT32 if name == _SENT_AS_FLOAT else _TYPES[kind]
        made.append(PointField(name=name, offset=offset, datatype=datatype, count=1))
    return made


_LAYOUT = {(field.name, field.offset, field.datatype) for field in _fields(POINT)}


@functools.lru_cache(maxsize=64)
def _head(frame_id: str, height: int, width: int, record: np.dtype) -> bytes:
    """Everything before the points, as the middleware itself writes it, with a stamp of zero at bytes 4 to 11."""
    step = width * record.itemsize
    message = PointCloud2(height=height, width=width, fields=_fields(record), point_step=record.itemsize, row_step=step)
    message.header.frame_id = frame_id
    empty = serialize_message(message)
    # It ends with the length of the data, none, and is_dense; the middleware pads it to a multiple of four.
    at = len(empty) - 5 - (len(empty) - 5) % 4
    if empty[:4] != b"\x00\x01\x00\x00" or empty[at : at + 4] != bytes(4):
        raise RuntimeError(
            "the middleware does not write classic little-endian CDR: set RMW_IMPLEMENTATION to one that does"
        )
    return empty[:at] + struct.pack("<I", height * step)
