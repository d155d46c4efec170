"""Where a sensor is: as a parameter says, or as tf2 does."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.time import Time

from seg_ros.errors import FrameError
from seg_ros.lifting import Extrinsics


class Transforms:
    """Finds the place of a sensor in a camera's coordinates.

    Args:
        fixed: returned always; None asks tf2, which must be installed then.

    Raises:
        ValueError: tf2 is to be asked, and is not installed.
    """

    def __init__(self, node: Node, fixed: Extrinsics | None) -> None:
        self._fixed, self._listener = fixed, None
        self._buffer: Any = None
        if fixed is None:
            try:
                import tf2_ros
            except ImportError as error:
                raise ValueError(
                    "parameter 'extrinsics': got [], allowed where there is no tf2_ros: 7 numbers x y z qx qy qz qw"
                ) from error
            self._buffer = tf2_ros.Buffer()
            self._listener = tf2_ros.TransformListener(self._buffer, node)

    def sensor(self, camera: str, sensor: str) -> Extrinsics:
        """Returns the place of the frame `sensor` in the frame `camera`, the newest that is known.

        Raises:
            FrameError: "transform": tf2 does not know it, or what it says is no place.
        """
        if self._fixed is not None:
            return self._fixed
        try:
            found = self._buffer.lookup_transform(camera, sensor, Time()).transform
            t, q = found.translation, found.rotation
            return Extrinsics.from_quaternion((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))
        except Exception as error:  # tf2's own, of several classes, and ours
            raise FrameError("transform", f"from {sensor!r} to {camera!r}: {error}") from error

    def destroy(self) -> None:
        """Ends listening to tf2."""
        if self._listener is not None:
            self._listener.unregister()
