"""PointCloud2 in and out: every layout is read, none that lies, and what is written is what rclpy writes."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import PointCloud2, PointField

from seg_ros.errors import FrameError
from seg_ros.lifting import POINT
from seg_ros.ros.clouds import MOST_POINTS, read_cloud, read_points, write_cloud

XYZ = np.random.default_rng(0).normal(0, 10, (6, 3)).astype(np.float32)


def message(shape=(1, 6), kind="f4", big=False, point_step=32, padding=0, offsets=(0, 4, 8), names="xyz"):
    order = ">" if big else "<"
    height, width = shape
    row_step = width * point_step + padding
    data = np.zeros((height, row_step), np.uint8)
    for i, (name, offset) in enumerate(zip("xyz", offsets, strict=True)):
        assert name
        values = XYZ[:, i].astype(order + kind).reshape(shape)
        size = values.itemsize
        for column in range(width):
            at = column * point_step + offset
            data[:, at : at + size] = values[:, column : column + 1].copy().view(np.uint8)
    datatype = {"f4": PointField.FLOAT32, "f8": PointField.FLOAT64}[kind]
    fields = [PointField(name=n, offset=o, datatype=datatype, count=1) for n, o in zip(names, offsets, strict=True)]
    cloud = PointCloud2(height=height, width=width, fields=fields, is_bigendian=big, point_step=point_step)
    cloud.row_step, cloud.data = row_step, data.tobytes()
    cloud.header.stamp.sec, cloud.header.frame_id = 7, "lidar"
    return cloud


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"big": True},
        {"shape": (2, 3), "padding": 5},
        {"kind": "f8", "offsets": (0, 8, 16)},
        {"point_step": 13, "offsets": (1, 5, 9)},
        {"offsets": (8, 4, 20), "shape": (3, 2), "big": True},
    ],
)
def test_every_layout_is_read(layout):
    cloud = read_cloud(serialize_message(message(**layout)))
    assert (cloud.stamp, cloud.frame_id) == ((7, 0), "lidar")
    assert np.allclose(cloud.points, XYZ)
    assert cloud.points.dtype == np.float32


def changed(**fields):
    cloud = message()
    for name, value in fields.items():
        setattr(cloud, name, value)
    return serialize_message(cloud)


@pytest.mark.parametrize(
    ("serialized", "reason"),
    [
        (changed(fields=[]), "fields"),
        (changed(fields=[PointField(name=n, datatype=PointField.INT32, count=1) for n in "xyz"]), "fields"),
        (changed(fields=[PointField(name=n, offset=30, datatype=7, count=1) for n in "xyz"]), "fields"),
        (changed(fields=[PointField(name=n, offset=4_000_000_000, datatype=7, count=1) for n in "xyz"]), "fields"),
        (changed(width=7), "step"),
        (changed(height=2), "truncated"),
        (changed(data=b""), "truncated"),
        (changed(height=MOST_POINTS, width=2), "size"),
        (changed(row_step=0), "step"),
        pytest.param(serialize_message(message())[:40], "cdr", id="cut"),
    ],
)
def test_what_lies_is_refused(serialized, reason):
    with pytest.raises(FrameError) as error:
        read_cloud(serialized)
    assert error.value.reason == reason


def test_a_cloud_of_no_points_is_one():
    assert read_cloud(changed(height=0, width=0, data=b"", row_step=0)).points.shape == (0, 3)


@pytest.mark.parametrize("shape", [(2, 3), (6,), (0,)])
def test_what_is_written_reads_as_rclpy_and_pcl_expect(shape):
    points = np.zeros(shape, POINT)
    points["x"], points["label"], points["rgb"], points["confidence"] = 1.5, 8, 0x804020, 200
    serialized = write_cloud((3, 4), "eye", points)
    cloud = deserialize_message(serialized, PointCloud2)
    assert (cloud.header.stamp.sec, cloud.header.stamp.nanosec, cloud.header.frame_id) == (3, 4, "eye")
    assert (cloud.height, cloud.width) == (shape if len(shape) == 2 else (1, *shape))
    assert (cloud.point_step, cloud.row_step, cloud.is_bigendian, cloud.is_dense) == (
        24,
        cloud.width * 24,
        False,
        False,
    )
    fields = {f.name: (f.offset, f.datatype, f.count) for f in cloud.fields}
    floats, u32 = PointField.FLOAT32, PointField.UINT32
    assert fields == {
        "x": (0, floats, 1), "y": (4, floats, 1), "z": (8, floats, 1), "rgb": (12, floats, 1),  # as PCL's PointXYZRGBL
        "label": (16, u32, 1), "instance": (20, PointField.UINT16, 1), "confidence": (22, PointField.UINT8, 1),
    }  # fmt: skip
    stamp, again = read_points(serialized)
    assert stamp == (3, 4)
    assert np.array_equal(again, points)
