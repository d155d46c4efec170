"""The nodes, and everything between ROS messages and the rest of seg_ros."""
