"""Where a sensor is: as a parameter says, or as tf2 does."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.time import Time

from seg_ros.errors import FrameError
from seg_ros.lifting import Extrinsics
from seg_ros.ros.cdr import Stamp


class Transforms:
    """Finds the place of a sensor in a camera's coordinates.

    Args:
        given: returned always; None asks tf2, which must be installed then.
        fixed_frame: frame in which the world stands still: what moves between two stamps is the vehicle. "" takes the
            sensors to be where they are to each other.

    Raises:
        ValueError: tf2 is to be asked, and is not installed.
    """

    def __init__(self, node: Node, given: Extrinsics | None, fixed_frame: str = "") -> None:
        self._given, self._fixed_frame, self._listener = given, fixed_frame, None
        self._buffer: Any = None
        if given is None:
            try:
                import tf2_ros
            except ImportError as error:
                raise ValueError(
                    "parameter 'extrinsics': got [], allowed where there is no tf2_ros: 7 numbers x y z qx qy qz qw"
                ) from error
            self._buffer = tf2_ros.Buffer()
            self._listener = tf2_ros.TransformListener(self._buffer, node)

    def sensor(self, camera: str, sensor: str, seen: Stamp, measured: Stamp) -> Extrinsics:
        """Returns the place of the frame `sensor` in the frame `camera`, the newest that is known.

        With a fixed frame it is where the sensor was when it measured, from where the camera was when it saw.

        Args:
            seen: stamp of the camera's image.
            measured: of the measurement.

        Raises:
            FrameError: "transform": tf2 does not know it, or what it says is no place.
        """
        if self._given is not None:
            return self._given
        try:
            if self._fixed_frame:
                then, before = (Time(seconds=s, nanoseconds=ns) for s, ns in (seen, measured))
                found = self._buffer.lookup_transform_full(camera, then, sensor, before, self._fixed_frame).transform
            else:
                found = self._buffer.lookup_transform(camera, sensor, Time()).transform
            t, q = found.translation, found.rotation
            return Extrinsics.from_quaternion((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))
        except Exception as error:  # tf2's own, of several classes, and ours
            raise FrameError("transform", f"from {sensor!r} to {camera!r}: {error}") from error

    def destroy(self) -> None:
        """Ends listening to tf2."""
        if self._listener is not None:
            self._listener.unregister()
