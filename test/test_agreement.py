"""How an engine's agreement with plain PyTorch is measured."""

import pytest
import torch

from seg_ros.agreement import Agreement, agreement, street_pictures
from seg_ros.engines.opening import Engine
from seg_ros.models.graph import make_graph
from seg_ros.weights import load_model


@pytest.fixture(scope="module")
def graph(small_weights):
    model, manifest = load_model(small_weights)
    return make_graph(model, manifest.mean, manifest.std, ())


@pytest.fixture(scope="module")
def objects(small_instance_weights):
    model, manifest = load_model(small_instance_weights)
    return make_graph(model, manifest.mean, manifest.std, sorted(manifest.classes.things))


def engine(run):
    return Engine("some", "fp32", "cpu", run, {})


@pytest.mark.parametrize("which", ["graph", "objects"])
def test_the_network_itself_agrees_wholly(which, request):
    graph = request.getfixturevalue(which)
    assert agreement(engine(graph), graph, street_pictures((2, 64, 96))) == Agreement(1.0, 0.0)


def test_every_changed_pixel_counts(graph):
    def changed(pixels):
        label, confidence = graph(pixels)
        label[:, :16] = 254
        confidence[:, 16:32] ^= 51
        return label, confidence

    found = agreement(engine(changed), graph, street_pictures((1, 64, 96)))
    assert found.labels == 0.75
    assert 0.0 < found.error <= 51 / 255
    assert str(found).startswith("75.00 % of the labels")


class TwoObjects(torch.nn.Module):
    """Finds the same two in every picture: the left half and, a little less sure, the right half."""

    task = "instances"

    def forward(self, pixels):
        boxes = torch.tensor([[[0.0, 0.0, 48.0, 64.0], [48.0, 0.0, 96.0, 64.0]]])
        scores, ids = torch.tensor([[0.9, 0.8]]), torch.tensor([[8, 9]], dtype=torch.int32)
        return boxes, scores, ids, torch.ones(1, 2, 28, 28)


@pytest.mark.parametrize(
    ("change", "labels", "error"),
    [
        (lambda scores: scores * torch.tensor([1.0, 0.0]), 0.5, 0.0),  # the second is lost
        (lambda scores: scores - torch.tensor([0.2, 0.0]), 1.0, 0.2),  # the first is less sure
    ],
)
def test_objects_that_are_lost_or_less_sure_count(change, labels, error):
    def changed(pixels):
        boxes, scores, ids, masks = TwoObjects()(pixels)
        return boxes, change(scores), ids, masks

    found = agreement(engine(changed), TwoObjects(), street_pictures((1, 64, 96)))
    assert found.labels == pytest.approx(labels, abs=0.02)
    assert found.error == pytest.approx(error, abs=0.003)


@pytest.mark.parametrize("shape", [(1, 32, 48), (2, 61, 93), (1, 64, 250)])
def test_pictures_of_every_size(shape):
    pictures = street_pictures(shape)
    assert pictures.shape == (*shape, 3)
    assert pictures.dtype == torch.uint8
    assert pictures.float().std() > 10
