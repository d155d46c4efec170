"""Converts published PyTorch weights to seg_ros weights files: maps the parameter names of others to ours.

| layout | recognised by | becomes |
|---|---|---|
| torchvision `fcn_resnet50`, `fcn_resnet101` | `classifier.4.weight`, `backbone.*` | `fcn_torchvision`, same names |
| torchvision `maskrcnn_resnet50_fpn`, `_v2` | `roi_heads.mask_predictor.*` | `mask_rcnn`, same names |
| U-Net of milesial/Pytorch-UNet | `inc.double_conv.0.weight` | `unet` |
| U-Net of mateuszbuda/brain-segmentation-pytorch | `encoder1.enc1conv1.weight` | `unet` |
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from seg_ros.classes import UNLABELLED, ClassMap, distinct_colors
from seg_ros.errors import WeightsError
from seg_ros.pth import State
from seg_ros.weights import Manifest, check_tensors

VOC_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""Classes of torchvision's `COCO_WITH_VOC_LABELS_V1` weights."""

COCO_NAMES = (
    "__background__", "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "unused_12", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "unused_26", "backpack", "umbrella", "unused_29",
    "unused_30", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat",
    "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle", "unused_45", "wine glass", "cup", "fork",
    "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza",
    "donut", "cake", "chair", "couch", "potted plant", "bed", "unused_66", "dining table", "unused_68", "unused_69",
    "toilet", "unused_71", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven",
    "toaster", "sink", "refrigerator", "unused_83", "book", "clock", "vase", "scissors", "teddy bear", "hair drier",
    "toothbrush",
)  # fmt: skip
"""Classes of torchvision's `COCO_V1` detectors by COCO's own category id; the ids that COCO left out,
`N/A` there, are `unused_ID`, so that every name is of one class."""

COCO_SIZE = (800, 1056)
"""Network input for torchvision's detectors: they were trained with the shorter side at 800 pixels. A 4:3 camera then
has 1067 columns, and 1056 is the nearest multiple of the stride 32, so that nothing is spent on padding."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

EPSILON = 1e-5
"""What PyTorch's batch normalisation adds to the variance."""

_MASKS = "roi_heads.mask_predictor.mask_fcn_logits.weight"
"""Every Mask R-CNN of torchvision has this parameter."""


def frozen_epsilon(state: State) -> float | None:
    """Returns what the frozen normalisation layers of a Mask R-CNN add to the variance; None if it has none.

    The tensors cannot tell, and it matters where variances are small. In torchvision's published COCO weights, which
    are known by their 91 classes, and in what is trained from them, it is 0; trained from an ImageNet backbone, 1e-5.

    Raises:
        WeightsError: if there are such layers and the weights are not the published ones.
    """
    if not _frozen(state):
        return None
    if _count(state, _MASKS) == len(COCO_NAMES):
        return 0.0
    raise WeightsError(
        "expected to be told the epsilon of the frozen batch normalisation, which the file does not say: give "
        "--epsilon 0 if the network was trained from torchvision's COCO weights, --epsilon 1e-5 if from an ImageNet "
        "backbone (it is the eps of FrozenBatchNorm2d)"
    )


def convert(
    state: State,
    classes: ClassMap | None = None,
    input_size: tuple[int, int] | None = None,
    epsilon: float | None = None,
) -> tuple[Manifest, State]:
    """Recognises the layout of `state` and returns `(manifest, tensors)` for `seg_ros.weights.save`.

    Args:
        classes: names and colours; None takes torchvision's VOC names for 21 classes (of Mask R-CNN: COCO's for 91),
            else numbers. All classes of a Mask R-CNN but its background are thing classes, in ascending id.
        input_size: `(H, W)` in pixels that the node runs it at; None is (480, 640), and for Mask R-CNN `COCO_SIZE`.
        epsilon: that the frozen normalisation of a Mask R-CNN adds to the variance; None: as `frozen_epsilon` says.

    Raises:
        WeightsError: if the layout is none of the table above, a tensor is missing or has another shape than there,
            `classes` has another number of classes or things, or `epsilon` is needed.
        ValueError: if `input_size` is none.
    """
    if epsilon is not None and not _frozen(state):
        raise WeightsError("expected no epsilon: there is no frozen batch normalisation that would add it")
    manifest, tensors = _converted(state, classes, input_size, epsilon)
    check_tensors("what was converted", manifest, tensors)
    return manifest, tensors


def _converted(
    state: State, classes: ClassMap | None, input_size: tuple[int, int] | None, epsilon: float | None
) -> tuple[Manifest, State]:
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)  # both U-Nets take pixels scaled to 0..1
    if "classifier.4.weight" in state and "backbone.conv1.weight" in state:
        depth = 101 if "backbone.layer3.22.conv1.weight" in state else 50
        architecture, tensors = "fcn_torchvision", state
        arguments = {"depth": depth, "aux": "aux_classifier.4.weight" in state}
        mean, std, count = IMAGENET_MEAN, IMAGENET_STD, _count(state, "classifier.4.weight")
    elif "inc.double_conv.0.weight" in state:
        architecture, (arguments, tensors) = "unet", _milesial(state)
        count = _count(tensors, "head.weight")
    elif "encoder1.enc1conv1.weight" in state:
        architecture, (arguments, tensors) = "unet", _mateuszbuda(state)
        count = _count(tensors, "head.weight")
    elif _MASKS in state:
        return _mask_rcnn(state, classes, input_size or COCO_SIZE, epsilon)
    else:
        raise WeightsError(
            "expected the layout of torchvision's FCN or Mask R-CNN, or of a U-Net that seg_ros.convert knows, "
            f"got tensors {', '.join(sorted(state)[:3])}, ..."
        )
    if classes is None:
        classes = _numbered(count)
    if len(classes) != count:
        raise WeightsError(f"expected a class map of {count} classes, got {len(classes)}")
    size = input_size or (480, 640)
    return Manifest(architecture, arguments | {"classes": count}, classes, size, mean, std), tensors


def _tensor(state: State, name: str) -> Tensor:
    if name not in state or not state[name].ndim:
        got = "none" if name not in state else "a single number"
        raise WeightsError(f"tensor {name!r}: expected one of that layout, got {got}; the file is not whole")
    return state[name]


def _count(state: State, name: str) -> int:
    """The number of classes: outputs of the layer `name`."""
    count = len(_tensor(state, name))
    if not 1 <= count <= UNLABELLED:
        raise WeightsError(f"tensor {name!r}: expected 1 to {UNLABELLED} classes, got {count}")
    return count


def _mask_rcnn(
    state: State, classes: ClassMap | None, input_size: tuple[int, int], epsilon: float | None
) -> tuple[Manifest, State]:
    old = [  # of the published v1 file; torchvision renames them as it loads
        (r"(backbone\.fpn\.(?:inner|layer)_blocks\.\d)\.(weight|bias)$", r"\1.0.\2"),
        (r"rpn\.head\.conv\.(weight|bias)$", r"rpn.head.conv.0.0.\1"),
        (r"roi_heads\.mask_head\.mask_fcn(\d)\.", lambda m: f"roi_heads.mask_head.{int(m[1]) - 1}.0."),
        (r"", r""),
    ]
    epsilon = frozen_epsilon(state) if epsilon is None else epsilon
    tensors = _renamed(state, old)
    if epsilon is not None:
        tensors = _unfrozen(tensors, epsilon)
    count = _count(state, _MASKS)
    if classes is None:
        names = COCO_NAMES if count == len(COCO_NAMES) else ("background", *(f"class_{i}" for i in range(1, count)))
        classes = ClassMap(names, _colors(count), frozenset(range(1, count)))
    if len(classes.things) != count - 1:
        raise WeightsError(f"expected a class map of {count - 1} things, got {len(classes.things)}")
    arguments = {
        "things": count - 1,
        "depth": 101 if "backbone.body.layer3.22.conv1.weight" in state else 50,
        "norm": "backbone.fpn.inner_blocks.0.1.weight" in state,
    }
    return Manifest("mask_rcnn", arguments, classes, input_size, IMAGENET_MEAN, IMAGENET_STD), tensors


def _frozen(state: State) -> list[str]:
    """The layers of a Mask R-CNN that are torchvision's FrozenBatchNorm2d, which counts no batches."""
    layers = [name.removesuffix(".running_var") for name in state if name.endswith(".running_var")]
    return [layer for layer in layers if _MASKS in state and f"{layer}.num_batches_tracked" not in state]


def _unfrozen(state: State, epsilon: float) -> State:
    """Turns torchvision's FrozenBatchNorm2d, which adds `epsilon`, into a BatchNorm2d that computes the same.

    BatchNorm2d adds 1e-5 to the variance. The published detectors were trained with a frozen one that adds nothing
    (torchvision sets it to 0 as it loads them), and some of their variances are as small. The weight makes up for it:
    taking 1e-5 off the variance would leave only rounding errors of the small ones.
    """
    if not 0 <= epsilon < 1:
        raise WeightsError(f"expected an epsilon in 0..1, got {epsilon}")
    tensors = dict(state)
    for layer in _frozen(state):
        variance = state[f"{layer}.running_var"].double()
        weight = _tensor(state, f"{layer}.weight")
        if weight.shape != variance.shape:
            got = tuple(weight.shape)
            raise WeightsError(f"tensor '{layer}.weight': expected {tuple(variance.shape)}, got {got}")
        scale = ((variance + EPSILON) / (variance + epsilon).clamp(min=1e-30)).sqrt()
        tensors[f"{layer}.weight"] = (weight * scale).to(weight.dtype)
        tensors[f"{layer}.num_batches_tracked"] = torch.zeros((), dtype=torch.int64)
    return tensors


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
    return {"width": len(_tensor(state, "inc.double_conv.0.weight")), "depth": 4}, _renamed(state, rules)


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
        if _tensor(tensors, name).ndim != 4:
            raise WeightsError(f"tensor {name!r}: expected 4 dimensions, got {tuple(tensors[name].shape)}")
        up, skip = tensors[name].tensor_split(2, dim=1)
        tensors[name] = torch.cat((skip, up), dim=1)
    if len(_tensor(tensors, "head.weight")) == 1:  # theirs ends in one sigmoid: a soft-max of (0, logit) is the same
        for name in ("head.weight", "head.bias"):
            logit = _tensor(tensors, name)
            tensors[name] = torch.cat((torch.zeros_like(logit), logit))
    return {"width": len(_tensor(state, "encoder1.enc1conv1.weight")), "depth": 4}, tensors


def _renamed(state: State, rules: list) -> State:
    tensors = {}
    for name, tensor in state.items():
        for pattern, replacement in rules:
            ours, hit = re.subn(f"^{pattern}", replacement, name)
            if hit:
                tensors[ours] = tensor
                break
        else:
            raise WeightsError(f"tensor {name!r} has no place in seg_ros' network: another variant of that layout?")
    return tensors


def _numbered(count: int) -> ClassMap:
    names = VOC_NAMES if count == len(VOC_NAMES) else tuple(f"class_{i}" for i in range(count))
    return ClassMap(names, _colors(count))


def _colors(count: int) -> tuple[tuple[int, int, int], ...]:
    """Black for the background, and a colour for every other class."""
    return ((0, 0, 0), *distinct_colors(count - 1))
