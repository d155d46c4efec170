"""seg_ros: camera images in; label images and instance masks out, at camera size, in real time."""

__version__ = "0.1.0"
