"""Recordings in, labelled recordings out: bags, videos and folders of pictures, every frame, without ROS."""
