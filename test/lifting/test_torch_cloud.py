"""Clouds by PyTorch are those of NumPy, bit for bit."""

import numpy as np
import pytest
import torch

from seg_ros.classes import CAMVID
from seg_ros.lifting import POINT, CameraModel, Labels, Style, organised
from seg_ros.lifting.torch_cloud import TorchClouds

H, W = 48, 64
CAMERA = CameraModel((H, W), (60.0, 62.0), (31.5, 20.0), "plumb_bob", (-0.2, 0.05, 0.0, 0.0, 0.0))


def test_a_gpu_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="finds no CUDA device"):
        TorchClouds("cuda")


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_pytorch_makes_the_same_clouds(device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device is there")
    rng, clouds, out = np.random.default_rng(0), TorchClouds(device), None
    label, confidence = rng.integers(0, 256, (2, H, W), np.uint8)
    instance = rng.integers(0, 1 << 16, (H, W), np.uint16)
    metres = rng.normal(1, 3, (H, W)).astype(np.float32)
    metres[0, :3] = np.nan, np.inf, 0
    millimetres = rng.integers(0, 1 << 16, (H, W), np.uint16)
    millimetres[0, :2] = 0, 65535
    for depth in (metres, millimetres):
        for style in (Style.of(CAMVID), Style.of(CAMVID, ("road", "car"))):
            for labels in (Labels(label, confidence, instance), Labels(label)):
                out = clouds.organised(depth, CAMERA, labels, style, out)
                expected = organised(depth, CAMERA, labels, style)
                for name in POINT.names:
                    assert np.array_equal(out[name], expected[name], equal_nan=POINT[name].kind == "f"), name
