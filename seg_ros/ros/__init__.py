"""Between ROS messages and the rest of seg_ros: images in, results out, qualities of service."""
