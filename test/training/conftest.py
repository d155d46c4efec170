"""A rendered street to train on, small."""

import json

import pytest

from seg_ros.classes import CAMVID
from seg_ros.training.datasets import render_street

SIZE = (64, 96)


@pytest.fixture(scope="session")
def small_street(tmp_path_factory):
    """`train/` and `val/` of two pictures each, with labels and objects."""
    root = tmp_path_factory.mktemp("street")
    for part, seed in (("train", 0), ("val", 10000)):
        render_street(root / part, range(seed, seed + 1), 2, SIZE)
    (root / "classes.json").write_text(json.dumps(CAMVID.to_dict()))
    return root
