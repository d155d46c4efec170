"""Rows of pictures of any shape, none twice, and classes that are told apart."""

import numpy as np
import pytest

from seg_ros.classes import CAMVID, UNLABELLED, ClassMap
from seg_ros.training.contact_sheet import best_median_worst, distinct_palette, legend_row, stack, titled_row


@pytest.mark.parametrize("size", [(1, 2000), (40, 60), (90, 10)])
def test_pictures_of_any_shape_fit_a_row(size):
    row = titled_row([np.zeros((*size, 3), np.uint8)] * 3, "best")
    assert row.shape[1:] == (1200, 3)
    assert (row.shape[0] - 22) == pytest.approx(1200 * size[0] / (3 * size[1]), rel=0.2, abs=1)  # under the title
    assert not row[-1, [0, 600, -1]].any()
    legend = legend_row(CAMVID.names, CAMVID.palette())
    assert stack([legend, row, row]).shape == (legend.shape[0] + 2 * row.shape[0] + 3 * 4, 1200, 3)


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (1, {"best": [0]}),
        (2, {"best": [1], "worst": [0]}),
        (4, {"best": [3], "median": [1], "worst": [0]}),
        (100, {"best": [99, 98, 97], "median": [50, 49, 48], "worst": [2, 1, 0]}),
    ],
)
def test_no_picture_is_shown_twice(count, shown):
    found = list(best_median_worst(range(count), float))
    assert {title: [m for t, m in found if t == title] for title, _ in found} == shown


@pytest.mark.parametrize(
    ("colors", "kept", "unlabelled"),
    [
        (((0, 0, 0), (128, 64, 128)), True, (255, 255, 255)),  # black is a class, so unlabelled is not
        (((9, 9, 9), (9, 9, 9)), False, (0, 0, 0)),
        (((255, 0, 0), (250, 20, 0)), False, (0, 0, 0)),
        (((0, 0, 0), (255, 255, 255)), True, (128, 128, 128)),
        (CAMVID.colors, True, (0, 0, 0)),
    ],
)
def test_classes_are_told_apart(colors, kept, unlabelled):
    palette = distinct_palette(ClassMap(tuple(f"class {i}" for i in range(len(colors))), colors))
    assert (tuple(map(tuple, palette[: len(colors)].tolist())) == colors) is kept
    assert tuple(palette[UNLABELLED]) == unlabelled
    shown = [*palette[: len(colors)].astype(int), np.array(unlabelled)]
    assert all(np.abs(a - b).max() >= 40 for i, a in enumerate(shown) for b in shown[:i])


def test_the_legend_shows_every_class_however_many():
    names = [f"class {i}" for i in range(255)]
    palette = np.arange(256)[:, None].repeat(3, 1).astype(np.uint8)
    row = legend_row(names, palette)
    grey = row[(row[..., 0] == row[..., 1]) & (row[..., 1] == row[..., 2])][:, 0]
    assert set(range(256)) <= set(grey.tolist())
    assert row.shape[1:] == (1200, 3)
