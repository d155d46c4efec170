"""Networks that engines are tested with."""

import pytest
import torch

from seg_ros.models import boxes, create, roi_align
from seg_ros.models.graph import make_graph
from test.conftest import SMALL_INSTANCE


@pytest.fixture
def mask_rcnn_graph(monkeypatch):
    """A small untrained Mask R-CNN, with one of each part that is there many times over: its operators are the same."""
    monkeypatch.setattr(boxes, "_ROUNDS", 2)
    monkeypatch.setattr(roi_align, "_SAMPLES", 1)
    torch.manual_seed(0)
    return make_graph(create("mask_rcnn", **SMALL_INSTANCE), (0.5,) * 3, (0.25,) * 3, (8, 9, 10))
