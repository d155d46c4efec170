"""What every network promises, for every row of the table; and what is U-Net's own."""

import pytest
import torch

from seg_ros.classes import CAMVID
from seg_ros.models import INSTANCES, MODELS, SEMANTIC, create
from seg_ros.models.graph import make_graph
from seg_ros.models.unet import unet, unet_resnet
from test.conftest import SMALL_INSTANCE
from test.models.oracle import torchvision

ARGUMENTS = {
    "unet": [{"width": 4, "depth": 2}, {"width": 4, "depth": 3, "stem": True}],
    "unet_resnet": [{"width": 0.1}, {"width": 0.1, "depth": 50}],
    "unet_efficientnet": [{}, {"variant": 2}],
    "fcn": [{"width": 0.1, "finest": 4}, {"width": 0.1, "depth": 50, "finest": 32}, {"width": 0.1, "depth": 34}],
    "fcn_efficientnet": [{}, {"variant": 1, "finest": 8}],
    "fcn_torchvision": [{"depth": 50}],
    "mask_rcnn": [SMALL_INSTANCE, SMALL_INSTANCE | {"norm": False, "anchor": 32}],
}
CASES = [(name, arguments) for name, variants in ARGUMENTS.items() for arguments in variants]
SIZES = [(64, 96), (61, 93), (16, 16), (33, 250)]


def of(task):
    return pytest.mark.parametrize(("name", "arguments"), [case for case in CASES if MODELS[case[0]].task == task])


def make(name, arguments):
    torch.manual_seed(0)
    return create(name, **arguments | {{SEMANTIC: "classes", INSTANCES: "things"}[MODELS[name].task]: 5})


def test_every_row_is_tested_and_tells_the_task_of_its_network():
    assert ARGUMENTS.keys() == MODELS.keys()
    assert {name: make(name, arguments).task for name, arguments in CASES} == {n: row.task for n, row in MODELS.items()}
    assert MODELS["unet"].count(CAMVID) == {"classes": 11}
    assert MODELS["mask_rcnn"].count(CAMVID) == {"things": 3}
    with pytest.raises(ValueError, match=r"expected a network of unet, .*, got 'transformer'"):
        create("transformer")


@of(SEMANTIC)
@torch.no_grad()
def test_logits_come_out_at_the_size_of_the_input(name, arguments):
    model = make(name, arguments).eval()
    for size in SIZES:
        logits = model(torch.randn(2, 3, *size))["out"]
        assert logits.shape == (2, 5, *size)
        assert logits.isfinite().all()


@of(INSTANCES)
@torch.no_grad()
def test_objects_come_out_in_fixed_slots_whatever_the_size_of_the_input(name, arguments):
    model = make(name, arguments).eval()
    for size in SIZES:
        found = model(torch.randn(2, 3, *size))
        shapes = {"boxes": (2, 8, 4), "scores": (2, 8), "things": (2, 8), "mask_logits": (2, 8, 28, 28)}
        assert {name: tuple(t.shape) for name, t in found.items()} == shapes
        assert all(t.isfinite().all() for t in found.values())
        assert (found["scores"] > 0).any()
        assert (found["boxes"] <= torch.tensor([*size[::-1], *size[::-1]])).all()


@of(SEMANTIC)
def test_every_parameter_gets_a_gradient(name, arguments):
    model = make(name, arguments)
    outputs = model(torch.randn(2, 3, 64, 64))
    sum(logits.square().mean() for logits in outputs.values()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_pixels_of_one_picture_do_not_depend_on_the_others(name, arguments):
    model = make(name, arguments).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        both, one = model(images), model(images[1:])
    for output in both:
        torch.testing.assert_close(both[output][1:], one[output], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in ARGUMENTS if MODELS[name].task == SEMANTIC])
def test_exports_as_one_graph(name):  # of instances: test_graph.py
    graph = make_graph(make(name, ARGUMENTS[name][0]), (0.5,) * 3, (0.25,) * 3, range(5))
    pixels = torch.randint(0, 256, (1, 61, 93, 3), dtype=torch.uint8)
    with torch.no_grad():
        exported = torch.export.export(graph, (pixels,)).module()
        for ours, theirs in zip(graph(pixels), exported(pixels), strict=True):
            torch.testing.assert_close(ours, theirs)


def test_mask_rcnn_refuses_nonsense():
    for number in ("things", "channels", "anchor", "proposals", "detections"):
        with pytest.raises(ValueError, match=f"{number}.* in (0|1).*, got 0"):
            create("mask_rcnn", **SMALL_INSTANCE | {number: 0})
    for threshold in ("score_threshold", "nms_threshold"):
        with pytest.raises(ValueError, match=rf"{threshold} must be in 0..1, got 1.5"):
            create("mask_rcnn", **SMALL_INSTANCE, **{threshold: 1.5})


def test_mask_rcnn_keeps_to_its_thresholds():
    images = torch.randn(1, 3, 64, 96)
    torch.manual_seed(0)
    model = create("mask_rcnn", **SMALL_INSTANCE, score_threshold=0.2).eval()
    with torch.no_grad():
        usual = model(images)["scores"]
        model.score_threshold = float(usual[0, 3])
        few = model(images)["scores"]
    assert (usual[usual > 0] > 0.2).all()
    assert torch.equal(few[few > 0], usual[usual > model.score_threshold])


def test_unet_is_symmetric_with_concatenating_skips():
    model = unet(classes=2, width=8, depth=3)
    assert [block[0].out_channels for block in model.encoder.down] == [8, 16, 32, 64]
    assert [(up.conv[0].in_channels, up.conv[0].out_channels) for up in model.up] == [(64, 32), (32, 16), (16, 8)]
    with torch.device("meta"):
        paper = unet(classes=2)
    assert [block[0].out_channels for block in paper.encoder.down] == [64, 128, 256, 512, 1024]


def test_unet_refuses_nonsense():
    with pytest.raises(ValueError, match=r"width must be in 1\.\.1024, got 0"):
        unet(classes=2, width=0)
    with pytest.raises(ValueError, match=r"classes must be in 1\.\.255, got 0"):
        unet_resnet(classes=0)


def test_names_of_unet_weights_have_no_encoder_in_them():
    model = unet(classes=2, width=4, depth=1, stem=True)
    state = model.state_dict()
    assert {name.split(".")[0] for name in state} == {"stem", "down", "up", "head"}
    other = unet(classes=2, width=4, depth=1, stem=True)
    other.load_state_dict(state)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    with pytest.raises(RuntimeError, match=r"encoder\.down\.0\.0\.weight"):
        other.load_state_dict({name: t for name, t in state.items() if name != "down.0.0.weight"})


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_published_resnets_are_encoders(depth):
    with torch.device("meta"):
        theirs = getattr(torchvision().models, f"resnet{depth}")(weights=None).state_dict()
        encoder = unet_resnet(classes=2, depth=depth).encoder
    shapes = {name: t.shape for name, t in theirs.items() if not name.startswith("fc.")}
    assert {name: t.shape for name, t in encoder.state_dict().items()} == shapes
