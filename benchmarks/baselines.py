"""What the engines are measured against: the same network in PyTorch as most code runs it, and torchvision's own."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seg_ros.models.fcn import TorchvisionFCN
from seg_ros.models.graph import InstanceGraph, SemanticGraph
from seg_ros.models.mask_rcnn import MaskRCNN, mask_rcnn

_STANDING_IN = torch.library.Library("torchvision", "FRAGMENT")
"""Schemas of operators that torchvision asks for when it is imported; they live as long as this."""


class Plain(nn.Module):
    """Pixels to label and confidence: eager, float32, NCHW, logits upsampled, soft-max, arg-max.

    Args:
        graph: of the network; an instance network's graph is already as most code has it.
        model: another network of the same kind, that stands in for the graph's own.
    """

    def __init__(self, graph: SemanticGraph | InstanceGraph, model: nn.Module | None = None) -> None:
        super().__init__()
        self.graph, self.model = graph, model or graph.model

    def forward(self, pixels: Tensor) -> object:
        """`pixels`: `(N, H, W, 3)` uint8, on the device of the network."""
        if self.graph.task == "instances":
            return self.graph(pixels) if self.model is self.graph.model else self.model(list(_floats(pixels)))
        images = _floats(pixels) * (255.0 * self.graph.normalise.scale) + self.graph.normalise.shift
        confidence, label = F.softmax(self.model(images)["out"], dim=1).max(dim=1)
        return label.to(torch.uint8), (confidence * 255.0 + 0.5).to(torch.uint8)


def torchvision_twin(graph: SemanticGraph | InstanceGraph, size: tuple[int, int]) -> Plain | None:
    """The same with torchvision's network of the same size and random weights; None where there is no twin.

    That is so for networks that torchvision does not have, where it is not installed, and for Mask R-CNN where its
    C++ operators do not load (scripts/compare_torchvision.py measures that case).
    """
    model, names = graph.model, None
    if isinstance(model, TorchvisionFCN):
        names = ("segmentation", f"fcn_resnet{101 if len(model.backbone.layer3) > 6 else 50}")
        options = {"num_classes": model.classifier[-1].out_channels}
    elif isinstance(model, MaskRCNN) and _state(model) == _state(mask_rcnn(model.things)):
        names = ("detection", "maskrcnn_resnet50_fpn")
        options = {"num_classes": model.things + 1, "min_size": min(size), "max_size": max(size)}
    torchvision = import_torchvision() if names else None
    if torchvision is None or (names[0] == "detection" and not torchvision.extension._has_ops()):
        return None
    twin = getattr(getattr(torchvision.models, names[0]), names[1])(weights=None, weights_backbone=None, **options)
    return Plain(graph, twin.eval())


def _floats(pixels: Tensor) -> Tensor:
    return pixels.permute(0, 3, 1, 2).contiguous().float() / 255.0


def _state(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def import_torchvision() -> ModuleType | None:
    """The module, or None where it is not installed. Operators that do not load are there by name only."""
    try:
        return importlib.import_module("torchvision")
    except ImportError:
        return None
    except RuntimeError:  # its operators, built for another PyTorch, do not load: networks without them still run
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        for operator in ("nms", "qnms"):
            _STANDING_IN.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return importlib.import_module("torchvision")
