"""The networks: one table from the name in a weights manifest to the class that builds it."""

from __future__ import annotations

from torch import nn

from seg_ros.models.fcn import FCN, TorchvisionFCN
from seg_ros.models.mask_rcnn import MaskRCNN
from seg_ros.models.unet import UNet

MODELS: dict[str, type[nn.Module]] = {
    "unet": UNet,
    "fcn": FCN,
    "fcn_torchvision": TorchvisionFCN,
    "mask_rcnn": MaskRCNN,
}

INSTANCE_MODELS = frozenset(name for name, model in MODELS.items() if issubclass(model, MaskRCNN))
"""Those that find objects; the others give every pixel a class."""
