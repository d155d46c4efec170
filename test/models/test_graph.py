"""The graphs that engines compile: pixels in, and out what the messages need."""

import pytest
import torch

from seg_ros.classes import UNLABELLED
from seg_ros.models.graph import InstanceGraph, SemanticGraph, make_graph
from seg_ros.models.mask_rcnn import mask_rcnn
from seg_ros.models.unet import unet
from test.conftest import SMALL_INSTANCE

MEAN, STD, THINGS = (0.5,) * 3, (0.25,) * 3, (8, 9, 10)


class Fixed(torch.nn.Module):
    """Gives the same, whatever comes."""

    def __init__(self, **outputs):
        super().__init__()
        self.outputs = outputs

    def forward(self, images):
        self.images = images
        return self.outputs

    def logits(self, images):
        return self.forward(images)["out"], tuple(images.shape[-2:])


def finds(**changes):
    """Two objects in four slots, as `MaskRCNN` gives them."""
    return {
        "boxes": torch.arange(16.0).view(1, 4, 4),
        "scores": torch.tensor([[0.9, 0.6, 0.0, 0.0]]),
        "things": torch.tensor([[3, 1, 0, 0]]),
        "mask_logits": torch.linspace(-9, 9, 4 * 28 * 28).view(1, 4, 28, 28),
    } | changes


def pictures(n, size=(64, 96), seed=0):
    return torch.randint(0, 256, (n, *size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def tiny():
    """A small network whose detections pass the threshold, so that there is something to compare."""
    torch.manual_seed(0)
    model = mask_rcnn(**SMALL_INSTANCE)
    with torch.no_grad():
        model.rpn.head.cls_logits.weight.mul_(50)
        model.rpn.head.bbox_pred.weight.mul_(5)
        model.roi_heads.box_predictor.cls_score.weight.mul_(20)
    return InstanceGraph(model, MEAN, STD, THINGS).eval()


@pytest.mark.parametrize("build", [SemanticGraph, lambda *a: InstanceGraph(*a, THINGS)], ids=["semantic", "instances"])
def test_normalises_as_the_manifest_says(build):
    model = Fixed(out=torch.zeros(1, 2, 4, 4), **finds())
    pixels = torch.full((1, 4, 4, 3), 51, dtype=torch.uint8)  # 51 / 255 = 0.2
    build(model, (0.1, 0.2, 0.3), (0.5, 0.25, 0.1))(pixels)
    assert model.images.shape == (1, 3, 4, 4)
    torch.testing.assert_close(model.images[0, :, 0, 0], torch.tensor([0.2, 0.0, -1.0]), atol=1e-6, rtol=0)


def test_semantic_gives_the_winner_and_its_probability():
    logits = torch.randn(1, 7, 8, 9) * 3
    label, confidence = SemanticGraph(Fixed(out=logits), MEAN, STD)(torch.zeros(1, 8, 9, 3))
    probability, winner = logits.softmax(1).max(1)
    assert label.dtype == confidence.dtype == torch.uint8
    assert torch.equal(label.long(), winner)
    assert (confidence.float() - probability * 255).abs().max() <= 0.5 + 1e-3


def test_semantic_marks_what_is_not_finite_as_unlabelled():
    logits = torch.randn(1, 3, 2, 2)
    logits[0, 1, 0, 0] = float("nan")
    logits[0, :, 1, 1] = float("inf")
    label, confidence = SemanticGraph(Fixed(out=logits), MEAN, STD)(torch.zeros(1, 2, 2, 3))
    assert label[0, 0, 0] == label[0, 1, 1] == UNLABELLED
    assert confidence[0, 0, 0] == confidence[0, 1, 1] == 0
    assert UNLABELLED not in (label[0, 0, 1], label[0, 1, 0])


def test_instances_carry_class_ids_and_probabilities():
    found = finds()
    boxes, scores, class_ids, masks = InstanceGraph(Fixed(**found), MEAN, STD, THINGS)(pictures(1))
    assert torch.equal(boxes, found["boxes"])
    assert torch.equal(scores, found["scores"])
    assert class_ids.tolist() == [[10, 8, UNLABELLED, UNLABELLED]]
    torch.testing.assert_close(masks, found["mask_logits"].sigmoid())


def test_instances_come_out_as_float32_and_int32():
    half = finds(**{name: t.bfloat16() for name, t in finds().items() if t.is_floating_point()})
    outputs = InstanceGraph(Fixed(**half), MEAN, STD, THINGS)(pictures(1))
    assert [o.dtype for o in outputs] == [torch.float32, torch.float32, torch.int32, torch.float32]


def test_instances_of_a_network(tiny):
    with torch.no_grad():
        boxes, scores, class_ids, masks = tiny(pictures(2))
    assert [tuple(o.shape) for o in (boxes, scores, class_ids, masks)] == [(2, 8, 4), (2, 8), (2, 8), (2, 8, 28, 28)]
    assert (scores > 0.05).sum() >= 2
    assert (scores.diff(dim=1) <= 0).all()
    found = scores > 0
    assert set(class_ids[found].tolist()) <= set(THINGS)
    assert (class_ids[~found] == UNLABELLED).all()
    assert ((boxes >= 0) & (boxes <= torch.tensor([96.0, 64, 96, 64]))).all()
    assert (boxes[found][:, 2:] > boxes[found][:, :2]).all()
    assert ((masks >= 0) & (masks <= 1)).all()


def test_a_sure_background_leaves_empty_slots():
    torch.manual_seed(0)
    model = mask_rcnn(**SMALL_INSTANCE)
    with torch.no_grad():
        model.roi_heads.box_predictor.cls_score.bias[0] = 50.0
        _, scores, class_ids, _ = InstanceGraph(model, MEAN, STD, THINGS).eval()(pictures(1))
    assert not scores.any()
    assert (class_ids == UNLABELLED).all()


def test_a_picture_of_nan_has_no_objects_and_says_so(tiny):
    # A NaN must not become an index either: on a GPU that is fatal to the process.
    for pixels in (torch.full((1, 3, 64, 96), float("nan")), torch.full((1, 3, 64, 96), 3e38)):
        with torch.no_grad():
            found = tiny.model(pixels)
        assert (found["scores"] == -1.0).all()
        assert not found["things"].any()


def test_of_a_batch_only_the_picture_of_nan_is_marked(tiny):
    images = tiny.normalise(pictures(3))
    images[1] = float("nan")
    with torch.no_grad():
        scores = tiny.model(images)["scores"]
    assert (scores[1] == -1.0).all()
    assert (scores[[0, 2]] >= 0.0).all()
    assert (scores[[0, 2]] > 0.05).any()


def test_a_batch_is_its_pictures_one_by_one(tiny):
    pixels = pictures(2)
    with torch.no_grad():
        together = tiny(pixels)
        for i in range(2):
            for whole, one in zip(together, tiny(pixels[i : i + 1]), strict=True):
                torch.testing.assert_close(whole[i], one[0], rtol=1e-4, atol=1e-4)


def test_instances_export_as_one_graph_in_which_no_shape_depends_on_data(tiny):
    pixels = pictures(1, (61, 93))
    with torch.no_grad():
        program = torch.export.export(tiny, (pixels,))
        for ours, theirs in zip(program.module()(pixels), tiny(pixels), strict=True):
            torch.testing.assert_close(ours, theirs)
    nodes = [n for n in program.graph.nodes if n.op == "call_function" and "_assert" not in str(n.target)]
    assert len(nodes) > 500
    for node in nodes:
        values = node.meta["val"]
        for value in values if isinstance(values, (tuple, list)) else [values]:
            assert isinstance(value, torch.Tensor), f"{node}: {value}"  # no number that is only known at run time
            assert all(type(side) is int for side in value.shape), f"{node}: {value.shape}"
    operators = {str(n.target) for n in nodes}
    for name in ("nonzero", "masked_select", "unique", "nms", "item", "_local_scalar_dense", "cond"):
        assert not [o for o in operators if name in o.split(".")]
    indices = [i for n in nodes if str(n.target) == "aten.index.Tensor" for i in n.args[1] if i is not None]
    assert indices
    assert torch.bool not in {i.meta["val"].dtype for i in indices}


def test_graph_by_network(tiny):
    assert make_graph(tiny.model, MEAN, STD, THINGS).task == "instances"
    graph = make_graph(unet(classes=3, width=4, depth=2), MEAN, STD, [])
    assert graph.task == "semantic"
    assert not graph.training


@pytest.mark.parametrize("model", [unet(3, width=4, depth=2), mask_rcnn(**SMALL_INSTANCE)], ids=["unet", "mask_rcnn"])
def test_no_number_is_made_on_the_host(model, monkeypatch):
    """On a GPU that would be a copy from the host for every frame, which no CUDA graph captures."""
    graph = make_graph(model, MEAN, STD, THINGS)

    def fail(*_, **__):
        raise AssertionError("a tensor of numbers of the host")

    for name in ("tensor", "as_tensor", "from_numpy"):
        monkeypatch.setattr(torch, name, fail)
    with torch.no_grad():
        graph(pictures(1))
