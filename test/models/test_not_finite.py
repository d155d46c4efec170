"""NaN and Inf inside a network, on engines: they come out as what the graphs' docstrings say, and as no crash.

The graphs are compiled once: the first pixel of a picture says where what is poured in.
"""

import math

import pytest
import torch
from torch import nn

from seg_ros.classes import CAMVID
from seg_ros.engines import open_engine
from seg_ros.errors import EngineError
from seg_ros.models import boxes
from seg_ros.models.graph import InstanceGraph, SemanticGraph
from seg_ros.models.mask_rcnn import MaskRCNN
from seg_ros.results import Frame
from seg_ros.segmenter import Segmenter
from seg_ros.weights import Manifest
from test.conftest import SMALL_INSTANCE

MEAN, STD, THINGS = (0.5,) * 3, (0.25,) * 3, (8, 9, 10)
NUMBERS = (0.0, math.nan, math.inf, -math.inf)
BAD = pytest.mark.parametrize("bad", [1, 2, 3], ids=["nan", "inf", "-inf"])
CLASSES, PLACE = 5, (7, 9)
EVERYWHERE, ALL_CLASSES = 1, 1


def picture(*first, size=(32, 48)):
    pixels = torch.randint(0, 256, (1, *size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pixels[0, 0, 0] = torch.tensor(first, dtype=torch.uint8)
    return pixels


class Coarse(nn.Module):
    """Logits at half the size; the first pixel: which number, at one place or everywhere, in one class or all."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, CLASSES, 1)

    def coarse(self, images):
        first = ((images[0, :, 0, 0] * STD[0] + MEAN[0]) * 255.0).round()
        logits = self.layer(images[..., ::2, ::2].to(self.layer.weight.dtype))
        height, width = logits.shape[-2:]
        here = (torch.arange(height) == PLACE[0]).view(1, 1, -1, 1) & (torch.arange(width) == PLACE[1])
        own = (torch.arange(CLASSES) == 2).view(1, -1, 1, 1)
        poured = (here | (first[1] == EVERYWHERE)) & (own | (first[2] == ALL_CLASSES))
        for i, number in enumerate(NUMBERS[1:], start=1):
            logits = torch.where(poured & (first[0] == i), number, logits)
        return logits, tuple(images.shape[-2:])


@pytest.fixture(scope="module", params=["eager fp32", "inductor fp32", "inductor bf16"])
def labels(request, tmp_path_factory):
    name, precision = request.param.split()
    torch.manual_seed(0)
    graph = SemanticGraph(Coarse(), MEAN, STD).eval()
    return open_engine(name, graph, (1, 32, 48), "coarse", tmp_path_factory.mktemp("engines"), precision, "cpu").run


@BAD
@pytest.mark.parametrize("classes", [0, ALL_CLASSES], ids=["one class", "all classes"])
@pytest.mark.parametrize("where", [0, EVERYWHERE], ids=["one place", "everywhere"])
def test_labels(labels, where, classes, bad):
    label, confidence = (t.clone() for t in labels(picture(bad, where, classes)))
    usual, _ = labels(picture(0, 0, 0))
    assert (usual < CLASSES).all()
    y, x = (2 * i for i in PLACE)
    poured = torch.zeros_like(label, dtype=torch.bool)
    poured[:, y : y + 2, x : x + 2] = True
    if where == EVERYWHERE:
        poured[:] = True
    if NUMBERS[bad] == -math.inf and classes != ALL_CLASSES:  # a probability of 0; upsampling spoils its neighbours
        assert (label == 255).any()
    else:
        assert (label[poured] == 255).all()
    assert (confidence[label == 255] == 0).all()
    assert (label != 255).any() == (where != EVERYWHERE)
    if where != EVERYWHERE:
        assert (label == 255).sum() <= 36  # itself and the neighbours that see it


LAYERS = {
    "backbone": lambda model: model.backbone.fpn.layer_blocks[0][0],
    "rpn logits": lambda model: model.rpn.head.cls_logits,
    "rpn deltas": lambda model: model.rpn.head.bbox_pred,
    "class logits": lambda model: model.roi_heads.box_predictor.cls_score,
    "box deltas": lambda model: model.roi_heads.box_predictor.bbox_pred,
    "mask logits": lambda model: model.roi_heads.mask_predictor.mask_fcn_logits,
}


FIRST = []
"""Of the picture in work; an engine copies its graph, so it is not kept there."""


class Poured(InstanceGraph):
    """Adds a number to all that one layer says; the first pixel: which layer, which number."""

    def __init__(self, model):
        super().__init__(model, MEAN, STD, THINGS)
        for place, layer in enumerate(LAYERS.values(), start=1):
            layer(model).register_forward_hook(lambda _, __, out, place=place: self.pour(place, out))

    def forward(self, pixels):
        FIRST[:] = [pixels[0, 0, 0].float()]
        return super().forward(pixels)

    def pour(self, place, output):
        layer, number, _ = FIRST[0].unbind()
        for i, value in enumerate(NUMBERS[1:], start=1):
            output = torch.where((layer == place) & (number == i), value, output)
        return output


@pytest.fixture(scope="module", params=["eager fp32", "eager bf16", "inductor fp32"])
def objects(request, tmp_path_factory):
    """A segmenter of the poured network, and its engine's name."""
    name, precision = request.param.split()
    torch.manual_seed(0)
    model = MaskRCNN(**SMALL_INSTANCE | {"width": 0.25, "proposals": 16, "detections": 6})
    with torch.no_grad():
        model.roi_heads.box_predictor.cls_score.bias[1] = 5.0  # sure of something
        model.roi_heads.mask_predictor.mask_fcn_logits.bias.fill_(5.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boxes, "_CHAIN", 2)  # compiles faster
        engine = open_engine(
            name, Poured(model).eval(), (1, 64, 96), "poured", tmp_path_factory.mktemp("engines"), precision, "cpu"
        )
        manifest = Manifest("mask_rcnn", SMALL_INSTANCE, CAMVID, (64, 96), licence="test")
        yield Segmenter(manifest, lambda size: engine, (64, 96), task="instances"), name


def frame(*first):
    return Frame(picture(*first, size=(64, 96))[0].numpy())


@BAD
@pytest.mark.parametrize("place", range(1, len(LAYERS) + 1), ids=LAYERS)
def test_objects(objects, place, bad):
    segmenter, name = objects
    outputs = [t.clone() for t in segmenter.engine.run(picture(place, bad, 0, size=(64, 96)))]
    assert ((outputs[0] >= 0) & (outputs[0] <= 96)).all()
    if name == "inductor" and list(LAYERS)[place - 1] == "backbone":
        return  # the ReLU of the next layer, fused into its convolution, may make 0 of NaN
    assert (outputs[1] == -1.0).all()
    with pytest.raises(EngineError) as caught:
        segmenter(frame(place, bad, 0))
    assert caught.value.reason == "not_finite"
    assert len(segmenter(frame(0, 0, 0)).score) > 0


@BAD
@pytest.mark.parametrize("place", LAYERS)
def test_weights_are_refused_before_they_are_compiled(place, bad, tmp_path):
    model = MaskRCNN(**SMALL_INSTANCE)
    layer = LAYERS[place](model)
    with torch.no_grad():
        (layer.weight if layer.bias is None else layer.bias).fill_(NUMBERS[bad])
        graph = InstanceGraph(model, MEAN, STD, THINGS).eval()
        assert (graph(picture(0, 0, 0, size=(64, 96)))[1] == -1.0).all()  # plain PyTorch's ReLU keeps a NaN
    with pytest.raises(EngineError, match="expected finite weights") as caught:
        open_engine("inductor", graph, (1, 64, 96), "bad", tmp_path, "fp32", "cpu")
    assert caught.value.reason == "not_finite"
