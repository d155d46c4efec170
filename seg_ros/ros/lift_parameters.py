"""The lift node's parameters as one dataclass; all take effect at configure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from seg_ros import autoware
from seg_ros.classes import ClassMap
from seg_ros.lifting import Extrinsics, organised
from seg_ros.lifting.layouts import AUTOWARE, LAYOUTS, PCL, as_autoware
from seg_ros.lifting.lidar import FOOTPRINT
from seg_ros.lifting.voxels import thinned
from seg_ros.ros.fields import at_configure, check, parameter, warn_of_unknown


@dataclasses.dataclass(frozen=True)
class LiftParameters:
    """One set of values; a field is a parameter.

    Raises:
        ValueError: a value is not allowed: names parameter, value and what is.
    """

    autostart: bool = parameter(True, "configure and activate when started; else a life-cycle manager does")
    segmentation: str = parameter(
        "/segmentation", "name of the node that labels; of several cameras the camera's: /segmentation/front"
    )
    depth_topic: str = parameter("", "depth image of the labelled camera: 16UC1 millimetres or 32FC1 metres")
    points_topic: str = parameter("", "in place of depth_topic: the PointCloud2 of a LiDAR")
    register_depth: bool = parameter(
        False, "the depth image is another camera's: take it to the labelled one, as depth_image_proc's register does"
    )
    extrinsics: tuple[float, ...] = parameter(
        (),
        "place of the LiDAR, or of the other camera, in the labelled one's coordinates: x y z (m), quaternion "
        "x y z w; [] asks tf2",
    )
    fixed_frame: str = parameter(
        "",
        "frame of tf2 in which the world stands still, such as odom: between the stamps of label and measurement "
        "the vehicle moves; '' takes no account of that",
    )
    device: str = parameter("cpu", "what makes the clouds of a depth image: cpu, or cuda by PyTorch")
    weights: str = parameter("unet_camvid", "weights that the labels are of, for names and colours of the classes")
    keep: tuple[str, ...] = parameter((), "names of the classes whose points are published; [] is all")
    tolerance: float = parameter(0.02, "seconds between the stamps of label and measurement; the nearest is taken")
    queue: int = parameter(30, "most measurements that wait for their labels, and most labels that are kept")
    voxel: float = parameter(0.0, "m; publishes one point for each cube of this side that has any; 0 publishes all")
    layout: str = parameter(PCL, f"of a point: {' or '.join(LAYOUTS)}, which is Autoware's PointXYZCPE")
    autoware_classes: tuple[str, ...] = parameter(
        (), "ids in the layout autoware, as '<class>: <Autoware's>', in place of those in seg_ros/autoware.py"
    )
    footprint: tuple[float, ...] = parameter(
        FOOTPRINT, "degrees, height and width, that a LiDAR point hides: the gaps between its rings, and in a ring"
    )

    def __post_init__(self) -> None:
        check(self, "depth_topic", bool(self.depth_topic) != bool(self.points_topic), "it, or points_topic, not both")
        check(self, "register_depth", not (self.register_depth and self.points_topic), "false with points_topic")
        check(
            self, "extrinsics", not self.extrinsics or len(self.extrinsics) == 7, "[], or 7 numbers x y z qx qy qz qw"
        )
        moved = not self.fixed_frame or ((self.points_topic or self.register_depth) and not self.extrinsics)
        check(
            self, "fixed_frame", bool(moved), "'', or where tf2 is asked: points_topic or register_depth, extrinsics []"
        )
        check(self, "device", self.device in ("cpu", "cuda"), "'cpu' or 'cuda'")
        check(self, "device", self.device == "cpu" or not self.points_topic, "'cpu' with points_topic")
        check(self, "tolerance", 0 <= self.tolerance <= 10, "0.0 to 10.0")
        check(self, "queue", 1 <= self.queue <= 1000, "1 to 1000")
        check(self, "voxel", self.voxel == 0 or 0.01 <= self.voxel <= 100, "0.0, or 0.01 to 100.0")
        check(self, "layout", self.layout in LAYOUTS, " or ".join(map(repr, LAYOUTS)))
        two = len(self.footprint) == 2 and all(0 < d < 45 for d in self.footprint)
        check(self, "footprint", two, "2 numbers, each over 0.0 and below 45.0")
        try:
            self.sensor()
        except ValueError as error:
            check(self, "extrinsics", False, str(error))

    def sensor(self) -> Extrinsics | None:
        """Returns the sensor's place; None where tf2 is asked for it."""
        return Extrinsics.from_quaternion(self.extrinsics[:3], self.extrinsics[3:]) if self.extrinsics else None

    def organiser(self) -> Callable[..., np.ndarray]:
        """Returns `organised`, or what does the same on the device.

        Raises:
            ValueError: the device, or PyTorch, is not there.
        """
        if self.device == "cpu":
            return organised
        try:
            from seg_ros.lifting.torch_cloud import TorchClouds  # PyTorch only where it is asked for

            return TorchClouds(self.device).organised
        except (ImportError, ValueError) as error:
            raise ValueError(f"parameter 'device': got {self.device!r}, allowed: 'cpu': {error}") from error

    def finish(self, classes: ClassMap) -> Callable[[np.ndarray], np.ndarray]:
        """Returns what makes the cloud that is published of one of `POINT`: thinned out, and of the layout.

        Raises:
            ValueError: `autoware_classes` has a name that is not there.
        """
        ids = autoware.point_ids(classes.names, self.autoware_classes)

        def finished(cloud: np.ndarray) -> np.ndarray:
            cloud = thinned(cloud, self.voxel) if self.voxel else cloud
            return as_autoware(cloud, ids) if self.layout == AUTOWARE else cloud

        return finished


def declare(node: Node, configured: Callable[[], bool]) -> None:
    """Declares the parameters. A wrong value does not stop the node: `read` raises.

    Args:
        configured: returns whether the node is, or is being, configured: then a change is refused.
    """
    for field in dataclasses.fields(LiftParameters):
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        text = ParameterDescriptor(description=field.metadata["description"], dynamic_typing=True)
        node.declare_parameter(field.name, default, text)
    warn_of_unknown(node, LiftParameters)
    names = {field.name for field in dataclasses.fields(LiftParameters)}

    def refuse(parameters: list[Parameter]) -> SetParametersResult:
        mine = [each.name for each in parameters if each.name in names]
        if mine and configured():
            return SetParametersResult(successful=False, reason=at_configure(mine[0]))
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(refuse)


def read(node: Node) -> LiftParameters:
    """Returns the current values.

    Raises:
        ValueError: one of them is not allowed.
    """
    values = {}
    for field in dataclasses.fields(LiftParameters):
        values[field.name] = _typed(field, node.get_parameter(field.name).value)
    return LiftParameters(**values)


def _typed(field: dataclasses.Field, value: Any) -> Any:
    """The value as the field's type: people write whole numbers for floats, and [] has no type."""
    default = field.default
    if isinstance(default, tuple):
        kind = str if field.type == "tuple[str, ...]" else (int, float)
        if value is None or (not isinstance(value, str) and hasattr(value, "__len__") and not len(value)):
            return ()
        if not isinstance(value, str) and hasattr(value, "__len__") and all(isinstance(v, kind) for v in value):
            return tuple(v for v in value if v != "") if kind is str else tuple(float(v) for v in value)
        raise ValueError(f"parameter '{field.name}': got {value!r}, allowed: a list")
    if type(default) is float and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        raise ValueError(f"parameter '{field.name}': got {value!r}, allowed: {type(default).__name__}")
    return value
