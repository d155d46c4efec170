"""The networks of the GPU check, and small ones in their place where there is no GPU."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import nn

from seg_ros.agreement import street_pictures
from seg_ros.cli.common import Subject
from seg_ros.models.graph import make_graph
from seg_ros.models.mask_rcnn import MaskRCNN, mask_rcnn

UNET, R50 = "unet_street 544x960", "maskrcnn_resnet50_fpn 800x1344"
SHIPPED = ("unet_street", "unet_camvid", "fcn_camvid", "mask_rcnn_street")
NAMES = {"cuda": (*SHIPPED, UNET, R50), "cpu": ("small unet", "small mask_rcnn")}
"""What is checked, by device. The first of the two sizes is Isaac's; the other is torchvision's, in whole strides."""
_SMALL = {"things": 3, "depth": 18, "width": 0.125, "channels": 16, "hidden": 32, "proposals": 32, "detections": 8}


def network(name: str, device: str) -> Subject:
    """Makes a network of `NAMES`, on the CPU; random weights are always the same, but for rounding on the device."""
    if name in SHIPPED:
        return Subject.shipped(name)
    if name == UNET:
        return dataclasses.replace(Subject.shipped("unet_street"), name=name, size=(544, 960))
    if name == "small unet":
        small = Subject.untrained("unet", ["classes=11", "width=4", "depth=2", "stem=true"])
        return dataclasses.replace(small, name=name, size=(64, 96))
    arguments, size = ({"things": 90}, (800, 1344)) if name == R50 else (_SMALL, (64, 96))
    torch.manual_seed(0)
    model = mask_rcnn(**arguments).eval()
    graph = make_graph(model, (0.5,) * 3, (0.25,) * 3, range(1, model.things + 1))
    graph.to(device)
    as_trained(model, graph.normalise(street_pictures((1, *size)).to(device)))
    return Subject(name, graph.cpu(), f"{name} as trained", size)


@torch.no_grad()
def as_trained(model: MaskRCNN, images: torch.Tensor) -> None:
    """Draws weights whose features neither fade nor grow, and that find objects of many classes in `images`.

    With PyTorch's own no object is found, and torchvision, whose time depends on their number, has nothing to do.
    """
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear, nn.ConvTranspose2d)):
            module.weight.normal_(std=(2.0 / module.weight[0].numel()) ** 0.5)
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.fill_(math.sqrt(0.5))
    heads = model.roi_heads
    box, mask = heads.box_predictor, heads.mask_predictor
    _spread(model, images, {model.rpn.head.cls_logits: 2.0, model.rpn.head.bbox_pred: 0.3})
    _spread(model, images, {box.cls_score: 4.0, box.bbox_pred: 1.0, mask.mask_fcn_logits: 2.0})


def _spread(model: MaskRCNN, images: torch.Tensor, deviations: dict[nn.Module, float]) -> None:
    """Scales layers so that their outputs have these standard deviations."""
    seen = {layer: [] for layer in deviations}
    handles = [layer.register_forward_hook(lambda at, _, out: seen[at].append(out.flatten())) for layer in deviations]
    model(images)
    for handle in handles:
        handle.remove()
    for layer, deviation in deviations.items():
        factor = deviation / torch.cat(seen[layer]).std()
        layer.weight.mul_(factor)
        layer.bias.mul_(factor)
