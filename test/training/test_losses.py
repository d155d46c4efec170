"""The loss: zero for what is right, unmoved by what is unlabelled."""

import numpy as np
import torch
import torch.nn.functional as F

from seg_ros.training.losses import class_weights, segmentation_loss


def test_right_and_sure_costs_nothing():
    label = torch.randint(0, 4, (2, 8, 8), dtype=torch.uint8)
    logits = 50.0 * F.one_hot(label.long(), 4).permute(0, 3, 1, 2).float()
    assert segmentation_loss(logits, label, torch.ones(4)) < 1e-4
    assert segmentation_loss(-logits, label, torch.ones(4)) > 1


def test_unlabelled_pixels_do_not_matter():
    torch.manual_seed(0)
    logits, label = torch.randn(1, 4, 8, 8), torch.randint(0, 4, (1, 8, 8), dtype=torch.uint8)
    label[:, :4] = 255
    other = logits.clone()
    other[:, :, :4] = torch.randn(1, 4, 4, 8)
    ones = torch.ones(4)
    torch.testing.assert_close(segmentation_loss(logits, label, ones), segmentation_loss(other, label, ones))


def test_nothing_labelled_is_zero_with_a_gradient():
    logits = torch.randn(1, 4, 8, 8, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((1, 8, 8), 255, dtype=torch.uint8), torch.ones(4))
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


def test_it_is_cross_entropy_plus_dice_written_out():
    torch.manual_seed(0)
    logits, label, weight = torch.randn(2, 4, 8, 8), torch.randint(0, 3, (2, 8, 8), dtype=torch.uint8), torch.rand(4)
    label[0, :2] = 255
    labelled = label < 255
    truth = F.one_hot(label.long().clamp(max=3), 4)[labelled].float()
    probability = logits.softmax(dim=1).permute(0, 2, 3, 1)[labelled]
    dice = 2 * (truth * probability).sum(dim=0) / (truth + probability).sum(dim=0)
    expected = F.cross_entropy(logits, label.long(), weight, ignore_index=255) + (1 - dice[:3]).mean()  # 3 is absent
    torch.testing.assert_close(segmentation_loss(logits, label, weight), expected)


def test_rare_classes_weigh_more():
    weights = class_weights(np.array([0.7, 0.29, 0.01]))
    assert weights[0] < weights[1] < weights[2]
    assert weights[2] / weights[0] < 12
    torch.testing.assert_close(weights.mean(), torch.tensor(1.0))
