"""Recordings of the synthetic street."""

import json

import cv2
import numpy as np
import pytest

from seg_ros.scenes import Street

pytest.importorskip("rosbags", reason="rosbags is not installed: pip install -r requirements/bags.txt")

FRAMES = 4
SIZE = (96, 128)


@pytest.fixture(scope="session")
def pictures():
    """BGR pictures of the street."""
    street = Street(3, SIZE)
    return [cv2.cvtColor(street.scene(i, 30.0).image, cv2.COLOR_RGB2BGR) for i in range(FRAMES)]


@pytest.fixture(scope="session")
def label(small_weights):
    """Runs the command in this process with small weights: its status, its last line, and what it said."""
    from seg_ros.cli import label as command

    def run(capsys, *arguments, weights=small_weights):
        status = 0
        try:
            command.main([*map(str, arguments), "--weights", str(weights), "--engine", "eager", "--quiet"])
        except SystemExit as end:
            status = end.code
        said = capsys.readouterr()
        last = said.out.splitlines()[-1] if said.out else "{}"
        return status, json.loads(last), said.err

    return run


def image_message(pixels, index, encoding="bgr8"):
    """A serialised image and its log time, whose stamp differs from it."""
    from seg_ros.ros.cdr import write_image

    return 1_000_000_000 + index * 100_000_000, write_image(
        (7, index), "camera", np.ascontiguousarray(pixels), encoding
    )
