"""Follows objects from frame to frame, and holds labels still; no ROS, no PyTorch."""

from seg_ros.tracking.known import SURE
from seg_ros.tracking.smoothing import Smoother
from seg_ros.tracking.tracker import FAINT, Tracker

__all__ = ["FAINT", "SURE", "Smoother", "Tracker"]
