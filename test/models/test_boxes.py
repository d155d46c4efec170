"""Boxes: overlap, regression, and suppression against the textbook's loop."""

import pytest
import torch

from seg_ros.models.boxes import clip, decode, encode, finite, greedy_nms, iou

WEIGHTS = (10.0, 10.0, 5.0, 5.0)


def random_boxes(n, generator, spread=60.0, sizes=(4.0, 40.0)):
    corner = torch.rand(n, 2, generator=generator) * spread
    size = sizes[0] + torch.rand(n, 2, generator=generator) * (sizes[1] - sizes[0])
    return torch.cat((corner, corner + size), dim=1)


def loop(boxes, valid, threshold, group):
    """From best to worst: what stays suppresses all it overlaps."""
    overlap = iou(boxes, boxes) > threshold
    kept = []
    for i in range(len(boxes)):
        if valid[i] and not any(overlap[j, i] and group[j] == group[i] for j in kept):
            kept.append(i)
    return kept


def chain(n):
    """`n` boxes in a row; each overlaps its neighbours by 0.6, and no other by more than 0.34."""
    x = torch.arange(n) * 25.0
    return torch.stack((x, torch.zeros(n), x + 100, torch.full((n,), 10.0)), dim=1)


def test_overlap_of_known_boxes():
    one = torch.tensor([[0.0, 0, 10, 10]])
    others = torch.tensor([[0.0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 7], [20, 20, 30, 30]])
    expected = torch.tensor([[1.0, 1 / 3, 0, 0.1, 0]])
    torch.testing.assert_close(iou(one, others), expected)
    torch.testing.assert_close(iou(others, one), expected.T)
    assert iou(one.expand(2, 3, 1, 4), others.expand(2, 3, 5, 4)).shape == (2, 3, 1, 5)


def test_an_empty_box_overlaps_nothing():
    empty = torch.tensor([[3.0, 3, 3, 3]])
    assert not (iou(empty, torch.cat((empty, torch.tensor([[0.0, 0, 9, 9]])))) > 0.0).any()


def test_deltas_of_a_known_pair():
    anchor, box = torch.tensor([0.0, 0, 10, 20]), torch.tensor([5.0, 0, 25, 20])
    expected = torch.tensor([10.0 * 1.0, 0.0, 5.0 * torch.log(torch.tensor(2.0)).item(), 0.0])
    torch.testing.assert_close(encode(box, anchor, WEIGHTS), expected)


def test_decode_undoes_encode():
    generator = torch.Generator().manual_seed(0)
    boxes, anchors = random_boxes(500, generator), random_boxes(500, generator)
    for weights in (WEIGHTS, (1.0, 1.0, 1.0, 1.0)):
        torch.testing.assert_close(decode(encode(boxes, anchors, weights), anchors, weights), boxes, rtol=0, atol=1e-3)


def test_growth_is_bounded():
    anchor = torch.tensor([0.0, 0, 16, 16])
    box = decode(torch.tensor([0.0, 0, 50, 50]), anchor, (1.0, 1.0, 1.0, 1.0))
    torch.testing.assert_close(box[2:] - box[:2], torch.tensor([1000.0, 1000.0]))


def test_clip():
    boxes = torch.tensor([[-5.0, -6, 700, 500], [10, 20, 30, 40], [-9, -9, -1, -1], [650, 490, 660, 495]])
    expected = torch.tensor([[0.0, 0, 640, 480], [10, 20, 30, 40], [0, 0, 0, 0], [640, 480, 640, 480]])
    assert torch.equal(clip(boxes, (480, 640)), expected)


def test_what_is_no_number_is_clipped_as_well():
    nan, inf = float("nan"), float("inf")
    boxes = torch.tensor([[nan, nan, nan, nan], [-inf, 5, inf, inf], [1, nan, 3, 4]])
    assert torch.equal(clip(boxes, (480, 640)), torch.tensor([[0.0, 0, 0, 0], [0, 5, 640, 480], [1, 0, 3, 4]]))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_one_number_that_is_not_finite_is_found(bad):
    one, other = torch.randn(3, 5, 4), torch.full((3, 1000), 6e4).half()  # whose sum is no float16
    assert finite(one, other).tolist() == [True, True, True]
    one[1, 4, 0] = other[0, 999] = bad
    assert finite(one, other).tolist() == [False, False, True]


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("seed", range(8))
def test_suppression_is_the_greedy_loop(seed, threshold):
    generator = torch.Generator().manual_seed(seed)
    batch, n = 2, (1, 5, 128, 129, 200, 300, 256, 77)[seed]
    boxes = torch.stack([random_boxes(n, generator, spread=30 + 20 * seed) for _ in range(batch)])
    valid = torch.rand(batch, n, generator=generator) < 0.9
    group = torch.randint(0, 1 + seed % 4, (batch, n), generator=generator)
    keep = greedy_nms(boxes, valid, threshold, group)
    assert keep.dtype == torch.bool
    for i in range(batch):
        assert keep[i].nonzero().flatten().tolist() == loop(boxes[i], valid[i], threshold, group[i])


def test_suppression_in_clusters_with_ties():
    # As a detector has it: many candidates a pixel or none from each other, over several blocks.
    generator = torch.Generator().manual_seed(1)
    centres = random_boxes(12, generator, spread=200)
    boxes = (centres[torch.randint(0, 12, (300,), generator=generator)] + torch.randint(-2, 3, (300, 4))).float()
    boxes[200:250] = boxes[:50]
    keep = greedy_nms(boxes[None], torch.ones(1, 300, dtype=torch.bool), 0.5)[0]
    assert keep.nonzero().flatten().tolist() == loop(boxes, [True] * 300, 0.5, [0] * 300)
    assert 8 <= keep.sum() < 100


def test_of_equal_boxes_the_first_stays_in_each_group():
    boxes = torch.tensor([[[0.0, 0, 10, 10]]]).expand(1, 6, 4)
    everything = torch.ones(1, 6, dtype=torch.bool)
    assert greedy_nms(boxes, everything, 0.5).tolist() == [[True] + [False] * 5]
    group = torch.tensor([[2, 2, 1, 2, 1, 3]])
    assert greedy_nms(boxes, everything, 0.5, group).tolist() == [[True, False, True, False, False, True]]


def test_an_invalid_box_neither_stays_nor_suppresses():
    boxes = torch.tensor([[[0.0, 0, 10, 10]]]).expand(1, 3, 4)
    valid = torch.tensor([[False, True, True]])
    assert greedy_nms(boxes, valid, 0.5).tolist() == [[False, True, False]]
    assert not greedy_nms(boxes, torch.zeros_like(valid), 0.5).any()


def test_overlap_of_exactly_the_threshold_stays():
    boxes = torch.tensor([[[0.0, 0, 30, 10], [10, 0, 40, 10]]])  # 20 / 40
    everything = torch.ones(1, 2, dtype=torch.bool)
    assert greedy_nms(boxes, everything, 0.5).all()
    assert greedy_nms(boxes, everything, 0.49).tolist() == [[True, False]]


def suppressed(boxes, loop=True):
    return greedy_nms(boxes[None], torch.ones(1, len(boxes), dtype=torch.bool), 0.5, loop=loop)[0]


class Suppression(torch.nn.Module):
    def forward(self, boxes):
        return suppressed(boxes)


@pytest.mark.parametrize("length", [2, 26, 27, 128, 129, 1000])
def test_chains_of_every_length_are_exact(length):
    assert suppressed(chain(length)).tolist() == [i % 2 == 0 for i in range(length)]


@pytest.mark.parametrize("length", [1, 27, 200])
def test_chains_are_exact_in_a_graph_of_any_data(length):
    graph = torch.export.export(Suppression(), (torch.zeros(length, 4),)).module()
    assert graph(chain(length)).tolist() == [i % 2 == 0 for i in range(length)]


@pytest.mark.parametrize("length", range(1, 27))
def test_without_a_loop_chains_of_up_to_25_links_are_exact(length):
    assert suppressed(chain(length), loop=False).tolist() == [i % 2 == 0 for i in range(length)]


def test_without_a_loop_a_longer_chain_has_fewer_boxes_and_no_duplicates():
    keep = suppressed(chain(1000), loop=False)
    assert 100 <= keep.sum() < 500
    assert not (keep[1:] & keep[:-1]).any()
    assert keep[:26].tolist() == [i % 2 == 0 for i in range(26)]
    random = random_boxes(1000, torch.Generator().manual_seed(0), spread=60, sizes=(30, 40))
    kept = random[suppressed(random, loop=False)]
    assert len(kept) > 5
    assert not (iou(kept, kept).triu(1) > 0.5).any()


def test_without_a_loop_a_chain_over_several_blocks_is_exact_if_no_block_holds_more_than_25_links():
    # 25 links at the end of each of three blocks, one more from block to block: 77 links, no limit crossed.
    boxes = torch.zeros(1, 384, 4)
    valid = torch.zeros(1, 384, dtype=torch.bool)
    places = [i for start in (102, 230, 358) for i in range(start, start + 26)]
    boxes[0, places] = chain(78)
    valid[0, places] = True
    keep = greedy_nms(boxes, valid, 0.5, loop=False)[0]
    assert keep[places].tolist() == [i % 2 == 0 for i in range(78)]
    assert keep.sum() == 39


@pytest.mark.parametrize("count", [1, 2, 300])
def test_other_floats_and_sizes(count):
    boxes = random_boxes(count, torch.Generator().manual_seed(0))[None].double()
    assert greedy_nms(boxes, torch.ones(1, count, dtype=torch.bool), 0.5).shape == (1, count)
