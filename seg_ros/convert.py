"""Published PyTorch weights -> seg_ros weights files: the parameter names of others, mapped to ours.

Files are opened with `torch.load(weights_only=True)`, which builds tensors and plain containers and runs nothing.

| layout | recognised by | becomes |
|---|---|---|
| torchvision `fcn_resnet50`, `fcn_resnet101` | `classifier.4.weight`, `backbone.*` | `fcn_torchvision`, same names |
| U-Net of milesial/Pytorch-UNet | `inc.double_conv.0.weight` | `unet` |
| U-Net of mateuszbuda/brain-segmentation-pytorch | `encoder1.enc1conv1.weight` | `unet` |
"""

from __future__ import annotations

import colorsys
import pickle
import re
from pathlib import Path

import torch
from torch import Tensor

from seg_ros.classes import ClassMap
from seg_ros.errors import WeightsError
from seg_ros.weights import Manifest

VOC_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""Classes of torchvision's `COCO_WITH_VOC_LABELS_V1` weights."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

State = dict[str, Tensor]


def read_pth(path: str | Path) -> State:
    """The tensors of a `.pth` file by name; a wrapping dict (`state_dict`, `model`) is opened.

    Raises:
        WeightsError: if the file is missing, no PyTorch file, or holds anything but tensors.
    """
    if not Path(path).is_file():
        raise WeightsError(f"{path}: no such file")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise WeightsError(f"{path}: expected a PyTorch file of tensors only, got: {error}") from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if isinstance(state, dict):
        state = {name: t for name, t in state.items() if name != "mask_values"}  # milesial's script adds this list
    if not isinstance(state, dict) or not state or not all(isinstance(t, Tensor) for t in state.values()):
        raise WeightsError(f"{path}: expected a dict of tensors, got {type(state).__name__} of something else")
    return state


def convert(state: State, classes: ClassMap | None = None, input_size: tuple[int, int] = (480, 640)) -> tuple:
    """Recognises the layout of `state` and returns `(manifest, tensors)` for `seg_ros.weights.save`.

    Args:
        classes: names and colours; None takes torchvision's VOC names for 21 classes, else numbers.
        input_size: `(height, width)` the node shall run it at.

    Raises:
        WeightsError: if the layout is none of the table above, or `classes` has another number of classes.
    """
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)  # both U-Nets take pixels scaled to 0..1
    if "classifier.4.weight" in state and "backbone.conv1.weight" in state:
        depth = 101 if "backbone.layer3.22.conv1.weight" in state else 50
        architecture, tensors = "fcn_torchvision", state
        arguments = {"depth": depth, "aux": "aux_classifier.4.weight" in state}
        mean, std, count = IMAGENET_MEAN, IMAGENET_STD, len(state["classifier.4.weight"])
    elif "inc.double_conv.0.weight" in state:
        architecture, (arguments, tensors) = "unet", _milesial(state)
        count = len(tensors["head.weight"])
    elif "encoder1.enc1conv1.weight" in state:
        architecture, (arguments, tensors) = "unet", _mateuszbuda(state)
        count = len(tensors["head.weight"])
    else:
        raise WeightsError(
            "expected the layout of torchvision's FCN or of a U-Net that seg_ros.convert knows, got tensors "
            f"{', '.join(sorted(state)[:3])}, ..."
        )
    if classes is None:
        classes = _numbered(count)
    if len(classes) != count:
        raise WeightsError(f"expected a class map of {count} classes, got {len(classes)}")
    return Manifest(architecture, arguments | {"classes": count}, classes, input_size, mean, std), tensors


def _milesial(state: State) -> tuple[dict, State]:
    if any(name.startswith("up1.conv.double_conv.0") for name in state) and "up1.up.weight" not in state:
        raise WeightsError("expected a U-Net with transposed convolutions, got one trained with bilinear=True")
    rules = [
        (r"inc\.double_conv\.(\d)\.", r"down.0.\1."),
        (r"down(\d)\.maxpool_conv\.1\.double_conv\.(\d)\.", r"down.\1.\2."),
        (r"up(\d)\.up\.", lambda m: f"up.{int(m[1]) - 1}.up."),
        (r"up(\d)\.conv\.double_conv\.(\d)\.", lambda m: f"up.{int(m[1]) - 1}.conv.{m[2]}."),
        (r"outc\.conv\.", r"head."),
    ]
    return {"width": len(state["inc.double_conv.0.weight"]), "depth": 4}, _renamed(state, rules)


def _mateuszbuda(state: State) -> tuple[dict, State]:
    index = {"conv1": 0, "norm1": 1, "conv2": 3, "norm2": 4}
    rules = [
        (r"encoder(\d)\.enc\d(conv\d|norm\d)\.", lambda m: f"down.{int(m[1]) - 1}.{index[m[2]]}."),
        (r"bottleneck\.bottleneck(conv\d|norm\d)\.", lambda m: f"down.4.{index[m[1]]}."),
        (r"upconv(\d)\.", lambda m: f"up.{4 - int(m[1])}.up."),
        (r"decoder(\d)\.dec\d(conv\d|norm\d)\.", lambda m: f"up.{4 - int(m[1])}.conv.{index[m[2]]}."),
        (r"conv\.", r"head."),
    ]
    tensors = _renamed(state, rules)
    for level in range(4):  # theirs concatenates (up, skip), ours (skip, up)
        name = f"up.{level}.conv.0.weight"
        up, skip = tensors[name].chunk(2, dim=1)
        tensors[name] = torch.cat((skip, up), dim=1)
    if len(tensors["head.weight"]) == 1:  # theirs ends in one sigmoid: a soft-max of (0, logit) is the same
        for name in ("head.weight", "head.bias"):
            tensors[name] = torch.cat((torch.zeros_like(tensors[name]), tensors[name]))
    return {"width": len(state["encoder1.enc1conv1.weight"]), "depth": 4}, tensors


def _renamed(state: State, rules: list) -> State:
    tensors = {}
    for name, tensor in state.items():
        for pattern, replacement in rules:
            ours, hit = re.subn(f"^{pattern}", replacement, name)
            if hit:
                tensors[ours] = tensor
                break
        else:
            raise WeightsError(f"tensor {name!r} has no place in seg_ros' U-Net: another variant of that layout?")
    return tensors


def _numbered(count: int) -> ClassMap:
    names = VOC_NAMES if count == len(VOC_NAMES) else tuple(f"class_{i}" for i in range(count))
    hues = [colorsys.hsv_to_rgb(i * 0.618 % 1, 0.7, 0.9) for i in range(count)]
    colors = [(0, 0, 0)] + [tuple(round(255 * v) for v in rgb) for rgb in hues[1:]]
    return ClassMap(names, tuple(colors))
