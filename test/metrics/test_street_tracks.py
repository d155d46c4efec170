"""Trackers are compared on the same objects of the street, and none is found better than the truth allows."""

import importlib.util
import itertools

import pytest

from seg_ros.metrics.tracks import find_trackeval

if not find_trackeval():
    pytest.skip("TrackEval is not installed: requirements/tracking.txt", allow_module_level=True)

from seg_ros.metrics.street_tracks import OTHERS, compared, drives, table
from seg_ros.scenes.street import Street
from test.objects import true_objects

FRAMES = 8
FIGURES = {"hota", "smotsa", "idf1", "id_switches", "ms_per_frame"}
KINDS = {"30 Hz", "10 Hz", "30 Hz, every third dropped"}


def test_trackers_are_compared_on_true_objects():
    street = Street(20000)
    scenes = (street.scene(index, rate) for rate in (30.0, 10.0) for index in range(FRAMES))
    driven = drives(20000, FRAMES, lambda frame: true_objects(next(scenes), least=32)[0])
    lengths = {kind: len(one) for kind, one in driven.items()}
    assert lengths == {"30 Hz": 8, "10 Hz": 8, "30 Hz, every third dropped": 6}
    figures = compared([driven])
    installed = set(OTHERS) if importlib.util.find_spec("trackers") else set()
    assert figures.keys() == {"ours"} | installed
    for values in figures.values():
        assert values.keys() == FIGURES | KINDS
        assert all(values[kind].keys() == FIGURES for kind in KINDS)
    ours = figures["ours"]["30 Hz"]
    assert ours["hota"] > 0.8  # no object has an id in the first of the eight frames
    assert ours["id_switches"] == 0
    lines = list(table(figures))
    assert len(lines) == 1 + 4 * len(figures)
    assert len({len(line) for line in itertools.chain(lines)}) == 1
