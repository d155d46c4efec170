"""A page in the browser that shows labelled points, boxes and pictures live. No ROS, no PyTorch."""

from seg_ros.viewing.page import Page
from seg_ros.viewing.space import Solid, edges, thinned

__all__ = ["Page", "Solid", "edges", "thinned"]
