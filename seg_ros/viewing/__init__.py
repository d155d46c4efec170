"""A page in the browser that shows labelled points, boxes and pictures live. No ROS, no PyTorch."""
