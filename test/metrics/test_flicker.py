"""Flicker is counted along the true motion of what stands still."""

import numpy as np

from seg_ros.classes import CAMVID
from seg_ros.metrics.flicker import Flicker, followed, inside_areas, measured, table
from seg_ros.results import SemanticMap
from seg_ros.scenes.street import Street


def test_what_stands_still_is_found_where_it_is_seen_next():
    """Also on a street that is mirrored: the picture followed is the picture there, more so than where it was."""
    for seed in (10000, 10003):
        street = Street(seed)
        scenes = [street.scene(index, 10.0, space=True) for index in (3, 4)]
        pixels, places = followed(street, *scenes, (0.3, 0.4))
        assert len(pixels) > 0.5 * scenes[0].label.size
        before, after = (scene.image[..., 1].ravel().astype(int) for scene in scenes)
        moved, unmoved = (np.abs(after[where] - before[pixels]).mean() for where in (places, pixels))
        assert moved < 0.6 * unmoved


def test_changes_are_counted_with_and_without_a_pixel_of_tolerance():
    flicker, everywhere = Flicker(), np.arange(64)
    inside = np.repeat(np.arange(8) < 4, 8)
    before, after = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)
    after[:, 4] = 1  # thin: its old label is beside it
    flicker.add(before, after, everywhere, everywhere, ~inside)
    assert flicker.figures() == {"flicker": 12.5, "flicker_1px": 0.0, "flicker_inside": 12.5}
    flicker.add(before, np.ones((8, 8), np.uint8), everywhere, everywhere, inside)
    assert flicker.figures() == {"flicker": 56.25, "flicker_1px": 50.0, "flicker_inside": 56.25}


def test_what_lies_inside_of_an_area_is_far_from_every_border():
    label = np.zeros((20, 20), np.uint8)
    label[:, 10:] = 1
    assert np.flatnonzero(~inside_areas(label)[5]).tolist() == [7, 8, 9, 10, 11, 12]


def test_labels_that_flicker_do_so_less_when_smoothed():
    rng = np.random.default_rng(0)

    def label(frame):
        wrong = rng.random((frame.height, frame.width)) < 0.05
        return SemanticMap(np.where(wrong, 9, 3).astype(np.uint8), np.where(wrong, 100, 200).astype(np.uint8))

    figures = measured([10000], 4, CAMVID, label)
    assert figures.keys() == {"30 Hz", "10 Hz"}
    for by_way in figures.values():
        assert by_way["smooth"]["flicker"] < 0.6 * by_way["plain"]["flicker"]
    assert len(list(table(figures))) == 5
