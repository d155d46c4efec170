"""Parity with torchvision as oracle: its parameter names, its numbers."""

import pytest
import torch

from seg_ros.models.fcn import TorchvisionFCN
from test.models.oracle import torchvision


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
