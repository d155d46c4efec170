"""NaN and Inf inside a network, on engines: they come out as what the graphs' docstrings say, and as no crash.

Without them the engine computes what the graph says. Labels and objects are one graph here, which is compiled once, for
it takes longest: the first pixel of a picture says where what is poured in.
"""

import dataclasses
import functools
import math

import pytest
import torch
from torch import nn

from seg_ros.classes import CAMVID
from seg_ros.engines.opening import open_engine
from seg_ros.errors import EngineError
from seg_ros.models import roi_align
from seg_ros.models.graph import InstanceGraph, SemanticGraph
from seg_ros.models.mask_rcnn import mask_rcnn
from seg_ros.results import Frame
from seg_ros.runner import CpuRunner
from seg_ros.segmenter import Segmenter
from seg_ros.weights import Manifest
from test.conftest import SMALL_INSTANCE
from test.objects import assert_same_objects

pytestmark = pytest.mark.compiles

MEAN, STD, THINGS = (0.5,) * 3, (0.25,) * 3, (8, 9, 10)
NUMBERS = (0.0, math.nan, math.inf, -math.inf)
BAD = pytest.mark.parametrize("bad", [1, 2, 3], ids=["nan", "inf", "-inf"])
SIZE = (64, 96)
CLASSES, PLACE = 5, (7, 9)
EVERYWHERE, ALL_CLASSES = 1, 2

LAYERS = {
    "backbone": lambda model: model.backbone.fpn.layer_blocks[0][0],
    "rpn logits": lambda model: model.rpn.head.cls_logits,
    "rpn deltas": lambda model: model.rpn.head.bbox_pred,
    "class logits": lambda model: model.roi_heads.box_predictor.cls_score,
    "box deltas": lambda model: model.roi_heads.box_predictor.bbox_pred,
    "mask logits": lambda model: model.roi_heads.mask_predictor.mask_fcn_logits,
}

POURED = []
"""Into the picture in work: layer (0 is the logits of labels), number, spread. An engine copies its graph, so it is not
kept there."""


def picture(layer, number, spread=0, seed=0):
    pixels = torch.randint(0, 256, (1, *SIZE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    pixels[0, 0, 0] = torch.tensor([layer, number, spread], dtype=torch.uint8)
    return pixels


class HalfSize(nn.Module):
    """Logits at half the size; the number is added at one place or everywhere, in one class or all."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, CLASSES, 1)

    def logits(self, images):
        logits = self.layer(images[..., ::2, ::2].to(self.layer.weight.dtype))
        layer, number, spread = POURED
        height, width = logits.shape[-2:]
        here = (torch.arange(height) == PLACE[0]).view(1, 1, -1, 1) & (torch.arange(width) == PLACE[1])
        own = (torch.arange(CLASSES) == 2).view(1, -1, 1, 1)
        poured = (layer == 0) & (here | (spread & EVERYWHERE > 0)) & (own | (spread & ALL_CLASSES > 0))
        return logits + torch.where(poured, number, 0.0).to(logits.dtype), tuple(images.shape[-2:])


def small_mask_rcnn():
    model = mask_rcnn(**SMALL_INSTANCE | {"width": 0.25, "norm": False, "proposals": 16, "detections": 6})
    model.roi_heads.mask_head = model.roi_heads.mask_head[:1]
    with torch.no_grad():  # as if trained: some places and classes stand out
        model.rpn.head.cls_logits.weight.mul_(50)
        model.roi_heads.box_predictor.cls_score.weight.mul_(80)
        model.roi_heads.mask_predictor.mask_fcn_logits.bias.fill_(5.0)
    return model


class Poured(nn.Module):
    """Label, confidence, boxes, scores, class ids and masks, with a number added to what one layer says."""

    def __init__(self):
        super().__init__()
        half_size, detector = HalfSize(), small_mask_rcnn()
        self.model = nn.ModuleList([half_size, detector])
        self.labels = SemanticGraph(half_size, MEAN, STD)
        self.objects = InstanceGraph(detector, MEAN, STD, THINGS)
        for place, layer in enumerate(LAYERS.values(), start=1):
            layer(detector).register_forward_hook(functools.partial(pour, place))

    def forward(self, pixels):
        layer, number, spread = pixels[0, 0, 0].long().unbind()
        POURED[:] = [layer, torch.tensor(NUMBERS)[number], spread]
        with pytest.MonkeyPatch.context() as patch:  # here, for a compiler runs this in a process of its own
            patch.setattr(roi_align, "_SAMPLES", 1)  # less to compile
            return *self.labels(pixels), *self.objects(pixels)


def pour(place, _module, _inputs, output):
    layer, number, _ = POURED
    return output + torch.where(layer == place, number, 0.0).to(output.dtype)


@pytest.fixture(scope="module")
def graph():
    torch.manual_seed(0)
    return Poured().eval()


@pytest.fixture(scope="module", params=["eager fp32", "eager bf16", "inductor fp32"])
def engine(request, graph, engine_cache):
    name, precision = request.param.split()
    return open_engine(name, graph, (1, *SIZE), "poured", engine_cache, precision, "cpu")


@pytest.mark.parametrize("seed", range(3))
def test_nothing_poured_in(engine, graph, seed):
    exact = engine.precision == "fp32"
    pixels = picture(0, 0, seed=seed)
    with torch.no_grad():
        label, confidence, *theirs = graph(pixels)
    ours = [output.cpu() for output in engine.run(pixels)]
    assert (ours[0] == label).float().mean() > (0.999 if exact else 0.98)
    assert (ours[1].int() - confidence.int()).abs().max() <= (1 if exact else 8)
    if exact:  # in bfloat16 two boxes that are nearly as good change places
        assert_same_objects(ours[2:], theirs)


@BAD
@pytest.mark.parametrize("classes", [0, ALL_CLASSES], ids=["one class", "all classes"])
@pytest.mark.parametrize("where", [0, EVERYWHERE], ids=["one place", "everywhere"])
def test_labels(engine, where, classes, bad):
    label, confidence, *_ = (t.clone() for t in engine.run(picture(0, bad, where | classes)))
    usual, *_ = engine.run(picture(0, 0))
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


@pytest.fixture(scope="module")
def segmenter(engine):
    """Of the objects alone."""
    objects = dataclasses.replace(engine, run=lambda pixels: engine.run(pixels)[2:])
    manifest = Manifest("mask_rcnn", SMALL_INSTANCE, CAMVID, SIZE, licence="test")
    return Segmenter(manifest, CpuRunner(lambda size: objects, "instances", SIZE))


def frame(*first):
    return Frame(picture(*first)[0].numpy())


@BAD
@pytest.mark.parametrize("place", range(1, len(LAYERS) + 1), ids=LAYERS)
def test_objects(segmenter, place, bad):
    found, scores, *_ = (t.clone() for t in segmenter.runner.engine.run(picture(place, bad)))
    assert ((found >= 0) & (found <= max(SIZE))).all()
    if segmenter.runner.engine.name == "inductor" and list(LAYERS)[place - 1] == "backbone":
        return  # the ReLU of the next layer, fused into its convolution, may make 0 of NaN
    assert (scores == -1.0).all()
    with pytest.raises(EngineError) as caught:
        segmenter(frame(place, bad))
    assert caught.value.reason == "not_finite"
    assert len(segmenter(frame(0, 0)).score) > 0


@BAD
@pytest.mark.parametrize("place", LAYERS)
def test_weights_are_refused_before_they_are_compiled(place, bad, tmp_path):
    model = small_mask_rcnn()
    layer = LAYERS[place](model)
    with torch.no_grad():
        layer.bias.fill_(NUMBERS[bad])
        graph = InstanceGraph(model, MEAN, STD, THINGS).eval()
        assert (graph(picture(0, 0))[1] == -1.0).all()  # plain PyTorch's ReLU keeps a NaN
    with pytest.raises(EngineError, match="expected finite weights") as caught:
        open_engine("inductor", graph, (1, *SIZE), "bad", tmp_path, "fp32", "cpu")
    assert caught.value.reason == "not_finite"
