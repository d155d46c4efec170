"""Class maps."""

import itertools

import numpy as np
import pytest

from seg_ros.classes import CAMVID, ClassMap, distinct_colors


def test_palette_has_a_row_for_every_label_value():
    palette = CAMVID.palette()
    assert palette.shape == (256, 3)
    assert palette.dtype == np.uint8
    assert tuple(palette[3]) == (128, 64, 128)
    assert not palette[255].any()


def test_dictionary_round_trip():
    assert ClassMap.from_dict(CAMVID.to_dict()) == CAMVID


def test_distinct_colors():
    colors = distinct_colors(255)
    assert len(ClassMap(tuple(map(str, range(255))), colors)) == 255  # valid ones
    assert len(set(colors)) > 250
    assert all(sum(abs(a - b) for a, b in zip(*pair, strict=True)) > 150 for pair in itertools.pairwise(colors))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((), ()), "1 to 255 classes, got 0"),
        ((("a", "b"), ((0, 0, 0),)), "2 class names but 1 colours"),
        ((("a",), ((0, 0, 256),)), "0..255"),
        ((("a",), ((0, 0, 0),), frozenset({1})), "thing ids must be in 0..0"),
    ],
)
def test_nonsense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClassMap(*arguments)
