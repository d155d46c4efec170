"""The picture of a confusion matrix, whole whatever the names."""

import cv2
import numpy as np

from seg_ros.classes import ClassMap
from seg_ros.metrics.confusion import Confusion
from seg_ros.training.plots import confusion_matrix


def test_long_names_are_not_cut_off(tmp_path):
    for name in ("road", "a name as long as somebody liked it"):
        confusion = Confusion(2)
        confusion.add(np.arange(2, dtype=np.uint8), np.zeros(2, np.uint8))
        confusion_matrix(confusion, ClassMap(("other", name), ((0, 0, 0), (9, 9, 9))), tmp_path / "a.png")
        picture = cv2.imread(str(tmp_path / "a.png"))
        edges = (picture[0], picture[-1], picture[:, 0], picture[:, -1])
        assert all((edge == 255).all() for edge in edges)  # nothing reaches the edge, so nothing is cut
