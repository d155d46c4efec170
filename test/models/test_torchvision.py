"""Parity with torchvision as oracle: its parameter names, its numbers."""

import functools
import importlib.util
import sys

import pytest
import torch

from seg_ros.models.fcn import TorchvisionFCN


@functools.cache
def torchvision():
    """The oracle. Beside a CPU build of PyTorch its C++ operators do not load, so their schemas are declared."""
    if not importlib.util.find_spec("torchvision"):
        pytest.skip("torchvision is not installed")
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    module = importlib.import_module("torchvision")
    module.library = library  # an operator lives as long as its library
    return module


@pytest.mark.parametrize("depth", [50, 101])
def test_fcn_is_torchvisions(depth):
    torch.manual_seed(depth)
    build = getattr(torchvision().models.segmentation, f"fcn_resnet{depth}")
    oracle = build(weights=None, weights_backbone=None, num_classes=21, aux_loss=True)
    # Untrained normalisation is the identity; shaped statistics and scales are a harder test.
    for name, tensor in oracle.state_dict().items():
        if name.endswith("running_var") or (name.endswith("weight") and tensor.ndim == 1):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith(("running_mean", "bias")):
            tensor.uniform_(-0.2, 0.2)
    ours = TorchvisionFCN(21, depth)
    ours.load_state_dict(oracle.state_dict())  # strict: every name and shape
    ours.eval(), oracle.eval()
    with torch.no_grad():
        for size in ((65, 97), (64, 64)):
            images = torch.randn(1, 3, *size)
            theirs = oracle(images)["out"]
            logits = ours(images)["out"]
            assert (logits - theirs).abs().max() <= 1e-4
            assert theirs.std() > 0.01  # not trivially equal
            assert logits.shape == theirs.shape
