"""Command lines: each is `python -m seg_ros.cli.NAME`, and `ros2 run seg_ros NAME` in a workspace."""
