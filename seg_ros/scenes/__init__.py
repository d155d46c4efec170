"""The synthetic street: camera frames of a drive, with exact semantic and instance truth."""

from seg_ros.scenes.street import Scene, Street

__all__ = ["Scene", "Street"]
