"""Mask R-CNN against torchvision's: the same names, and for the same weights and images the same objects."""

import pytest
import torch
import torch.nn.functional as F

from seg_ros.models.mask_rcnn import mask_rcnn
from test.models.oracle import torchvision

THINGS, PROPOSALS, DETECTIONS = 4, 120, 20


def oracle(norm):
    """torchvision's network."""
    detection = torchvision().models.detection
    build = detection.maskrcnn_resnet50_fpn_v2 if norm else detection.maskrcnn_resnet50_fpn
    numbers = {"rpn_pre_nms_top_n_test": PROPOSALS, "rpn_post_nms_top_n_test": PROPOSALS}
    network = build(
        weights=None, weights_backbone=None, num_classes=THINGS + 1, box_detections_per_img=DETECTIONS, **numbers
    )
    return network.eval()


@torch.no_grad()
def randomise(network, images):
    """Weights shaped as trained ones are, so that overlapping objects of every class are found in `images`."""
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.8, 1.2)
        elif name.endswith(("running_mean", "bias")):
            tensor.uniform_(-0.1, 0.1)
        elif name.endswith("weight") and tensor.ndim == 1:  # of a normalisation
            tensor.uniform_(0.5, 1.0)
        elif name.endswith("weight"):
            tensor.normal_(std=(2.0 / tensor[0].numel()) ** 0.5)
    heads = network.roi_heads
    box, mask = heads.box_predictor, heads.mask_predictor
    spread(network, images, {network.rpn.head.cls_logits: 2.0, network.rpn.head.bbox_pred: 0.3})
    spread(network, images, {box.cls_score: 2.0, box.bbox_pred: 1.0, mask.mask_fcn_logits: 2.0})


def spread(network, images, deviations):
    """Scales layers so that their outputs have these standard deviations."""
    seen = {layer: [] for layer in deviations}
    handles = [layer.register_forward_hook(lambda at, _, out: seen[at].append(out.flatten())) for layer in deviations]
    threshold, network.roi_heads.score_thresh = network.roi_heads.score_thresh, 0.0  # so that masks are looked at
    infer(network, images)
    network.roi_heads.score_thresh = threshold
    for handle in handles:
        handle.remove()
    for layer, deviation in deviations.items():
        factor = deviation / torch.cat(seen[layer]).std()
        layer.weight.mul_(factor)
        layer.bias.mul_(factor)


@torch.no_grad()
def infer(network, images):
    """torchvision's own steps after its resizing: padding to a multiple of 32, backbone, RPN, RoI heads."""
    size = tuple(images.shape[-2:])
    padded = F.pad(images, (0, -size[1] % 32, 0, -size[0] % 32))
    levels = network.backbone(padded)
    batch = torchvision().models.detection.image_list.ImageList(padded, [size] * len(images))
    proposals, _ = network.rpn(batch, levels)
    logits = []
    handle = network.roi_heads.mask_predictor.register_forward_hook(lambda _, __, out: logits.append(out))
    found, _ = network.roi_heads(levels, proposals, batch.image_sizes)
    handle.remove()
    labels = torch.cat([f["labels"] for f in found])
    own = logits[0][torch.arange(len(labels)), labels].split([len(f["labels"]) for f in found])
    return [f | {"mask_logits": m} for f, m in zip(found, own, strict=True)]


@pytest.mark.parametrize("norm", [False, True], ids=["v1", "v2"])
def test_names_and_shapes_are_torchvisions(norm):
    with torch.device("meta"):
        theirs = {name: t.shape for name, t in oracle(norm).state_dict().items()}
        ours = {name: t.shape for name, t in mask_rcnn(THINGS, norm=norm).state_dict().items()}
    assert ours == theirs


def test_finds_what_torchvisions_v2_finds():  # v1: test_convert_mask_rcnn.py
    torch.manual_seed(1)
    images = torch.randn(2, 3, 101, 131).cumsum(-1).cumsum(-2)  # of a size that is padded
    images = (images - images.mean()) / images.std()  # clouds: all scales, as in pictures
    network = oracle(norm=True)
    randomise(network, images[:1])
    ours = mask_rcnn(THINGS, norm=True, proposals=PROPOSALS, detections=DETECTIONS).eval()
    ours.load_state_dict(network.state_dict())
    theirs = infer(network, images)
    with torch.no_grad():
        found = ours(images)
    for i, their in enumerate(theirs):
        n = len(their["labels"])
        assert n >= 3
        assert (found["scores"][i] > 0).sum() == n
        assert torch.equal(found["things"][i, :n], their["labels"])
        assert not found["things"][i, n:].any()
        assert (found["boxes"][i, :n] - their["boxes"]).abs().max() <= 0.05
        assert (found["scores"][i, :n] - their["scores"]).abs().max() <= 1e-4
        assert (found["mask_logits"][i, :n] - their["mask_logits"]).abs().max() <= 1e-3
