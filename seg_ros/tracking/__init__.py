"""Follows objects from frame to frame, by their masks and their motion; no ROS, no PyTorch."""

from seg_ros.tracking.tracker import FAINT, Tracker

__all__ = ["FAINT", "Tracker"]
