"""Turns the graph's outputs for one image into a result at the frame's size, by task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from seg_ros.classes import UNLABELLED
from seg_ros.geometry import Resize
from seg_ros.models import INSTANCES, SEMANTIC
from seg_ros.pasting import paste
from seg_ros.results import Instances, SemanticMap, Wanted

Outputs = Sequence[np.ndarray]
"""Outputs of the graph for one image; `models.graph` describes them."""


class Postprocess(NamedTuple):
    """The functions that take the outputs of a task's graph.

    Attributes:
        not_finite: returns where the graph marked numbers of the network that are not finite; empty if nowhere.
        result: makes the result from outputs of one image, its `Resize`, and what is wanted.
    """

    not_finite: Callable[[Outputs], str]
    result: Callable[[Outputs, Resize, Wanted], SemanticMap | Instances]


def _unlabelled(outputs: Outputs) -> str:
    label = outputs[0]
    if label.max() < UNLABELLED:
        return ""
    return f"at {np.count_nonzero(label == UNLABELLED)} of {label.size} pixels"


def _semantic_map(outputs: Outputs, resize: Resize, wanted: Wanted) -> SemanticMap:
    label, confidence = outputs
    return SemanticMap(
        resize.to_frame(label, smooth=False), resize.to_frame(confidence, smooth=True) if wanted.confidence else None
    )


def _negative_score(outputs: Outputs) -> str:
    return "" if outputs[1][0] >= 0.0 else "among the numbers of its objects"


def _instances(outputs: Outputs, resize: Resize, wanted: Wanted) -> Instances:
    return paste(*outputs, resize, wanted.selection)


POSTPROCESS = {
    SEMANTIC: Postprocess(_unlabelled, _semantic_map),
    INSTANCES: Postprocess(_negative_score, _instances),
}
"""By task."""
