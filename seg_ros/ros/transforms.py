"""Where a sensor is: as a parameter says, or as tf2 does."""

from __future__ import annotations

from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from seg_ros.errors import FrameError
from seg_ros.lifting import Extrinsics
from seg_ros.ros.cdr import Stamp
from seg_ros.ros.matching import JUMP

_LATE = 0.1
"""Seconds that a vehicle may say later than a camera and its labels where it was."""


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
        self._newest = 0
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

        With a fixed frame it is where the sensor was when it measured, from where the camera was when it saw. For that
        it waits up to 0.1 s; not on the thread of the executor, which has to hear of it.

        Args:
            seen: stamp of the camera's image.
            measured: of the measurement.

        Raises:
            FrameError: "transform": tf2 does not know it, or what it says is no place.
        """
        if self._given is not None:
            return self._given
        then, before = (Time(seconds=s, nanoseconds=ns) for s, ns in (seen, measured))
        self._start_again(before.nanoseconds)
        try:
            if self._fixed_frame:
                found = self._buffer.lookup_transform_full(
                    camera, then, sensor, before, self._fixed_frame, timeout=Duration(seconds=_LATE)
                ).transform
            else:
                found = self._buffer.lookup_transform(camera, sensor, Time()).transform
            t, q = found.translation, found.rotation
            return Extrinsics.from_quaternion((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))
        except Exception as error:  # tf2's own, of several classes, and ours
            reason = " ".join(str(error).split())  # tf2's have lines
            raise FrameError("transform", f"from {sensor!r} to {camera!r}: {reason}") from error

    def _start_again(self, time: int) -> None:
        """Forgets what moved when stamps, ns, go back: tf2 takes nothing that is 10 s older than what it knows."""
        if time < self._newest - JUMP:
            self._buffer.clear()
            self._newest = time
        self._newest = max(self._newest, time)

    def destroy(self) -> None:
        """Ends listening to tf2."""
        if self._listener is not None:
            self._listener.unregister()
