"""torchvision's own networks, as a baseline for those that have the same layers."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seg_ros.cli.plain import Plain
from seg_ros.models import create
from seg_ros.models.graph import InstanceGraph, SemanticGraph

_FCN, _MASK_RCNN = "classifier.4.weight", "roi_heads.mask_predictor.mask_fcn_logits.weight"
"""Tensors that torchvision's networks have, with as many rows as classes."""

_stand_ins: list[torch.library.Library] = []
"""Schemas of operators that torchvision asks for when it is imported; they live as long as their library."""


def torchvision_twin(graph: SemanticGraph | InstanceGraph, size: tuple[int, int]) -> Plain | None:
    """Builds torchvision's network with the layers and weights of `graph`; None where there is none.

    That is so for networks that torchvision does not have, where it is not installed, and for Mask R-CNN where its
    C++ operators do not load (benchmarks.compare_torchvision measures that case).
    """
    state, names = _state(graph.model), None
    if _FCN in state:
        names = ("segmentation", f"fcn_resnet{101 if 'backbone.layer3.22.conv1.weight' in state else 50}")
        options = {"num_classes": state[_FCN][0]}
    elif _MASK_RCNN in state and state == _state(create("mask_rcnn", things=state[_MASK_RCNN][0] - 1)):
        names = ("detection", "maskrcnn_resnet50_fpn")
        options = {"num_classes": state[_MASK_RCNN][0], "min_size": min(size), "max_size": max(size)}
    torchvision = import_torchvision() if names else None
    if torchvision is None or (names[0] == "detection" and not torchvision.extension._has_ops()):
        return None
    twin = getattr(getattr(torchvision.models, names[0]), names[1])(weights=None, weights_backbone=None, **options)
    twin.load_state_dict(graph.model.state_dict(), strict=False)  # it may have another head, for training
    return Plain(graph, twin.eval() if graph.maps else Detector(twin.eval()))


class Detector(nn.Module):
    """torchvision's detector from normalised images to the objects of each, with masks over the boxes as ours.

    Its own beginning and end are left out: resizing, which changes nothing at this size, and masks pasted into whole
    images, which we do outside the graph for the objects that are kept.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps `(N, 3, H, W)` to boxes, labels, scores and masks `(K, 1, 28, 28)` of K objects, image after image."""
        sizes = [tuple(images.shape[-2:])] * len(images)
        height, width = sizes[0]
        images = F.pad(images, (0, -width % 32, 0, -height % 32))
        levels = self.network.backbone(images)
        batch = importlib.import_module("torchvision.models.detection.image_list").ImageList(images, sizes)
        proposals, _ = self.network.rpn(batch, levels)
        found, _ = self.network.roi_heads(levels, proposals, sizes)
        return [tensor for objects in found for tensor in objects.values()]


def _state(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def import_torchvision() -> ModuleType | None:
    """Imports torchvision; None where it is not installed. Operators that do not load are there by name only."""
    try:
        return importlib.import_module("torchvision")
    except ImportError:
        return None
    except RuntimeError:  # its operators, built for another PyTorch, do not load: networks without them still run
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        if not _stand_ins:
            _stand_ins.append(torch.library.Library("torchvision", "FRAGMENT"))
            for operator in ("nms", "qnms"):
                _stand_ins[0].define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return importlib.import_module("torchvision")
