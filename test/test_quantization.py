"""What is observed on pictures, and which layers are told to bear rounding."""

import pytest
import torch

from seg_ros import quantization
from seg_ros.models.graph import make_graph
from seg_ros.weights import load_model


@pytest.fixture(params=["small_weights", "small_instance_weights"])
def graph(request):
    model, manifest = load_model(request.getfixturevalue(request.param))
    return make_graph(model, manifest.mean, manifest.std, manifest.classes.things)


def pictures(n):
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8, generator=generator) for _ in range(n)]


def test_ranges_are_means_over_pictures_of_what_goes_into_a_layer(graph):
    black, white = torch.zeros(1, 64, 96, 3, dtype=torch.uint8), torch.full((1, 64, 96, 3), 255, dtype=torch.uint8)
    ranges = quantization.observed(graph, [black, white, white])
    first = next(iter(ranges))
    assert ranges[first] == pytest.approx((-2.0 / 3, 2.0 * 2 / 3), rel=1e-6)  # black is -2, white is 2
    assert all(low <= 0 < high for low, high in ranges.values())
    assert not any(layer._forward_pre_hooks for layer in graph.model.modules())  # the graph is left alone


def test_harm_is_the_share_of_labels_that_a_layer_changes_alone():
    generator = torch.Generator().manual_seed(0)

    class Two(torch.nn.Module):
        task = "semantic"

        def __init__(self):
            super().__init__()
            self.fine, self.coarse = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 4, 1)
            for weight in self.parameters():
                torch.nn.init.normal_(weight, generator=generator)

        def logits(self, images):
            return self.coarse(self.fine(images)), tuple(images.shape[-2:])

    graph = make_graph(Two(), (0.5,) * 3, (0.25,) * 3)
    pixels = torch.cat(pictures(2))
    ranges = quantization.observed(graph, pictures(2))
    harms = dict(quantization.harms(graph, ranges, pixels))
    assert list(harms) == ["fine", "coarse"]
    assert 0.0 < max(harms.values()) < 0.1
    narrow = ranges | {"coarse": (0.0, 1e-3)}  # everything into it is cut off
    assert dict(quantization.harms(graph, narrow, pixels))["coarse"] > 0.3


def test_layers_that_do_far_more_harm_than_most_stay_float():
    harms = {"stem": 0.006, "middle": 0.001, "deep": 0.0008, "deeper": 0.0, "classes": 0.001, "boxes": 0.0052}
    assert quantization.bearable(harms) == ["middle", "deep", "deeper", "classes"]
    assert quantization.bearable({"only": 0.0}) == ["only"]


def test_pictures_come_evenly_spaced_and_at_the_size_of_the_network():
    class Greys(torch.utils.data.Dataset):
        def __len__(self):
            return 50

        def __getitem__(self, index):
            return torch.full((30, 40, 3), index, dtype=torch.uint8), torch.zeros(30, 40)

    found = list(quantization.network_inputs(Greys(), (64, 96), most=8))
    assert [tuple(pixels.shape) for pixels in found] == [(1, 64, 96, 3)] * 8
    assert [int(pixels[0, 0, 0, 0]) for pixels in found] == [0, 7, 14, 21, 28, 35, 42, 49]
