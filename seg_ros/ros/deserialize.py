"""Has the middleware read a serialised message, where its fields are not read in place."""

from __future__ import annotations

from typing import TypeVar

from rclpy.serialization import deserialize_message

from seg_ros.errors import FrameError

T = TypeVar("T")


def deserialized(message: bytes, kind: type[T], reason: str = "cdr") -> T:
    """Reads a serialised message of the type `kind`.

    Raises:
        FrameError: with the reason, if it is none.
    """
    try:
        return deserialize_message(message, kind)
    except Exception as error:  # rclpy's own, which is no subclass of anything, and those of its type support
        raise FrameError(reason, f"the middleware cannot read this {kind.__name__}: {error}") from error
