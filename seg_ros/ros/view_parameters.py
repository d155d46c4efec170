"""The parameters of the view node as one dataclass; they are read once, when it starts."""

from __future__ import annotations

import dataclasses

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node

from seg_ros.ros.fields import check, parameter, warn_of_unknown


@dataclasses.dataclass(frozen=True)
class ViewParameters:
    """One set of values; a field is a parameter.

    Raises:
        ValueError: a value is not allowed: names parameter, value and what is.
    """

    segmentation: str = parameter(
        "/segmentation", "name of the node that labels; of several cameras the camera's: /segmentation/front"
    )
    lift: str = parameter("/lift", "name of the node that lifts labels into space")
    input_topic: str = parameter("/camera/image_raw", "camera topic; a CompressedImage topic ends in /compressed")
    weights: str = parameter("unet_camvid", "weights that the labels are of, for names and colours of the classes")
    host: str = parameter("127.0.0.1", "address that is listened on; 0.0.0.0 lets browsers of other machines in")
    port: int = parameter(8080, "of the page; the next free one if it is taken")
    rate: float = parameter(10.0, "most updates of each thing a second, Hz")
    points: int = parameter(100_000, "most points of an update")

    def __post_init__(self) -> None:
        check(self, "port", 0 <= self.port <= 65535, "0 to 65535")
        check(self, "rate", 0.1 <= self.rate <= 60, "0.1 to 60.0")
        check(self, "points", 100 <= self.points <= 1_000_000, "100 to 1000000")


def declared(node: Node) -> ViewParameters:
    """Declares the parameters, which cannot be changed, and returns their values.

    Raises:
        ValueError: one of them is not allowed.
    """
    values = {}
    for field in dataclasses.fields(ViewParameters):
        text = ParameterDescriptor(description=field.metadata["description"], read_only=True)
        try:
            values[field.name] = node.declare_parameter(field.name, field.default, text).value
        except InvalidParameterTypeException as error:
            raise ValueError(f"parameter '{field.name}': allowed: {type(field.default).__name__}; {error}") from error
    warn_of_unknown(node, ViewParameters)
    return ViewParameters(**values)
