"""torchvision's Mask R-CNN becomes ours: its names, its classes, its frozen normalisation."""

import dataclasses
import re

import pytest
import torch
from torch import nn

from seg_ros import weights
from seg_ros.classes import ClassMap
from seg_ros.cli import convert as cli
from seg_ros.convert import _MASKS, COCO_NAMES, _unfrozen, convert, frozen_epsilon
from seg_ros.errors import WeightsError
from seg_ros.models.mask_rcnn import mask_rcnn
from test.models.oracle import torchvision
from test.models.test_mask_rcnn import infer, randomise


def published_layout(state):
    """The names of torchvision's file of 2019, `maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth`."""
    names = {
        r"((?:inner|layer)_blocks\.\d)\.0\.": r"\1.",
        r"rpn\.head\.conv\.0\.0\.": "rpn.head.conv.",
        r"mask_head\.(\d)\.0\.": lambda m: f"mask_head.mask_fcn{int(m[1]) + 1}.",
    }
    for pattern, old in names.items():
        state = {re.sub(pattern, old, name): t for name, t in state.items()}
    return state


@pytest.fixture(scope="module")
def detector():
    """torchvision's v1 network as its published weights have it: frozen normalisation without an epsilon."""
    tv = torchvision()
    frozen = tv.ops.FrozenBatchNorm2d
    resnet = tv.models.resnet50(weights=None, norm_layer=lambda channels: frozen(channels, eps=0.0))
    backbone = tv.models.detection.backbone_utils._resnet_fpn_extractor(resnet, 5)
    numbers = {"rpn_pre_nms_top_n_test": 100, "rpn_post_nms_top_n_test": 100, "box_detections_per_img": 20}
    return tv.models.detection.MaskRCNN(backbone, num_classes=4, **numbers).eval()


def test_torchvisions_mask_rcnn(detector, tmp_path):
    torch.manual_seed(1)
    images = torch.randn(1, 3, 64, 96).cumsum(-1).cumsum(-2)
    images = (images - images.mean()) / images.std()
    randomise(detector, images)
    norm = detector.backbone.body.layer1[0].bn1
    norm.running_var[::2] = torch.logspace(-12, -5, 32)  # channels that were hardly used
    norm.weight[::2] = norm.running_var[::2].sqrt()
    state = detector.state_dict()
    old = published_layout(state)
    assert "rpn.head.conv.weight" in old
    assert "backbone.fpn.inner_blocks.0.weight" in old
    assert "roi_heads.mask_head.mask_fcn1.weight" in old
    assert not [name for name in old if "num_batches_tracked" in name]

    with pytest.raises(WeightsError, match=r"give --epsilon 0 if .* COCO weights, --epsilon 1e-5 if from an ImageNet"):
        convert(old)
    manifest, tensors = convert(old, epsilon=0.0)
    assert manifest.arguments == {"things": 3, "depth": 50, "norm": False}
    assert (manifest.classes.names, manifest.classes.things) == (
        ("background", "class_1", "class_2", "class_3"),
        {1, 2, 3},
    )
    assert (manifest.mean, manifest.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    again = convert(state, epsilon=0.0)
    assert again[0] == manifest
    assert again[1].keys() == tensors.keys()
    assert all(torch.equal(t, tensors[name]) for name, t in again[1].items())

    few = manifest.arguments | {"proposals": 100, "detections": 20}  # to be quick
    weights.save(tmp_path / "ours.safetensors", tensors, dataclasses.replace(manifest, arguments=few))
    model, _ = weights.load_model(tmp_path / "ours.safetensors")
    theirs = infer(detector, images)[0]
    with torch.no_grad():
        found = model(images)
    n = len(theirs["labels"])
    assert n >= 3
    assert torch.equal(found["things"][0, :n], theirs["labels"])
    assert not found["scores"][0, n:].any()
    assert (found["boxes"][0, :n] - theirs["boxes"]).abs().max() <= 0.05
    assert (found["scores"][0, :n] - theirs["scores"]).abs().max() <= 1e-4
    assert (found["mask_logits"][0, :n] - theirs["mask_logits"]).abs().max() <= 1e-3


def test_torchvisions_second_mask_rcnn_keeps_its_tensors():
    with torch.device("meta"):
        state = mask_rcnn(90, norm=True).state_dict()
    manifest, tensors = convert(state)
    assert manifest.arguments == {"things": 90, "depth": 50, "norm": True}
    assert all(tensors[name] is t for name, t in state.items())
    assert len(tensors) == len(state)


def test_coco_class_ids_are_cocos_own():
    with torch.device("meta"):
        state = mask_rcnn(90, norm=True).state_dict()
    manifest, _ = convert(state)
    meta = torchvision().models.detection.MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta
    unique = [f"unused_{i}" if name == "N/A" else name for i, name in enumerate(meta["categories"])]
    assert list(manifest.classes.names) == list(COCO_NAMES) == unique
    assert len(set(unique)) == 91
    assert manifest.classes.things == set(range(1, 91))
    assert (manifest.classes.names[1], manifest.classes.names[90]) == ("person", "toothbrush")
    assert manifest.input_size[0] == 800
    assert manifest.input_size[1] % 32 == 0
    assert convert(state, input_size=(480, 640))[0].input_size == (480, 640)


def test_half_precision_keeps_channels_that_were_hardly_used(tmp_path, small_instance_weights):
    manifest, state = weights.load(small_instance_weights)
    frozen = {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")}
    frozen["backbone.body.bn1.running_var"][0] = 0.0
    tensors = _unfrozen(frozen, 0.0)
    weights.save(tmp_path / "half.safetensors", tensors, manifest, half=True)
    model, _ = weights.load_model(tmp_path / "half.safetensors")
    assert all(t.isfinite().all() for t in model.state_dict().values())
    assert model.backbone.body.bn1.weight[0] > 1e12


def test_own_classes_of_a_mask_rcnn():
    with torch.device("meta"):
        state = mask_rcnn(1, norm=True).state_dict()
    damage = ClassMap(("damage",), ((255, 0, 0),), frozenset({0}))
    manifest, _ = convert(state, damage)
    assert (manifest.classes, manifest.arguments["things"]) == (damage, 1)
    with pytest.raises(WeightsError, match="a class map of 1 things, got 0"):
        convert(state, ClassMap(("damage",), ((255, 0, 0),)))


@pytest.mark.parametrize("epsilon", [0.0, 1e-5, 1e-3])
def test_frozen_normalisation_computes_the_same_with_every_epsilon(epsilon):
    frozen = torchvision().ops.FrozenBatchNorm2d(16, eps=epsilon)
    frozen.running_var.copy_(torch.logspace(-12, 1, 16))
    frozen.weight.copy_(frozen.running_var.sqrt())
    frozen.running_mean.uniform_()
    frozen.bias.uniform_()
    state = {f"bn.{name}": t for name, t in frozen.state_dict().items()} | {_MASKS: torch.zeros(3)}
    tensors = _unfrozen(state, epsilon)
    ours = nn.BatchNorm2d(16).eval()
    ours.load_state_dict({name.removeprefix("bn."): t for name, t in tensors.items() if name != _MASKS})
    images = torch.randn(2, 16, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), frozen(images), rtol=1e-5, atol=1e-5)


def test_epsilon_of_the_published_coco_weights_is_known():
    with torch.device("meta"):
        state = mask_rcnn(90).state_dict()
    frozen = {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")}
    assert frozen_epsilon(frozen) == 0.0
    assert frozen_epsilon(state) is None
    assert convert(frozen)[1].keys() == convert(frozen, epsilon=1e-5)[1].keys() == state.keys()
    with pytest.raises(WeightsError, match="expected no epsilon: there is no frozen batch normalisation"):
        convert(state, epsilon=0.0)
    for nonsense in (-1e-5, float("nan"), 1.0):
        with pytest.raises(WeightsError, match=r"expected an epsilon in 0\.\.1, got"):
            convert(frozen, epsilon=nonsense)


def test_the_epsilon_is_an_option_and_printed(tmp_path, capsys):
    state = {n: t for n, t in mask_rcnn(2).state_dict().items() if not n.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "their.pth")
    options = [str(tmp_path / "their.pth"), "--output", str(tmp_path / "ours.safetensors"), "--half"]
    with pytest.raises(SystemExit, match=r"convert: expected to be told the epsilon .* give --epsilon 0 if"):
        cli.main(options)
    cli.main([*options, "--epsilon", "1e-5"])
    assert capsys.readouterr().out.endswith("epsilon of the frozen batch normalisation: 1e-05, as given\n")
