"""Autoware's class ids for images, and which of them stands for which of our classes.

Autoware's point cloud filter counts its classes in this order: `filter_semantic_label_target_list_` in
`autoware_image_projection_based_fusion`, `segmentation_pointcloud_fusion/node.hpp`. As it is set up, it removes the
points of BUILDING, WALL, ROAD and VEGETATION, and keeps all others.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np

NAMES = (
    "UNKNOWN", "BUILDING", "WALL", "OBSTACLE", "TRAFFIC_LIGHT", "TRAFFIC_SIGN", "PERSON", "VEHICLE",
    "BIKE", "ROAD", "SIDEWALK", "ROAD_PAINT", "CURBSTONE", "CROSSWALK", "VEGETATION", "SKY",
)  # fmt: skip
"""By id."""

_COUNTERPARTS = {
    # CamVid's, which are the synthetic street's. A fence is no WALL: the points of walls are removed.
    "pole": "OBSTACLE", "pavement": "SIDEWALK", "tree": "VEGETATION", "sign": "TRAFFIC_SIGN", "fence": "OBSTACLE",
    "car": "VEHICLE", "pedestrian": "PERSON", "bicyclist": "BIKE",
    # Cityscapes', where they are others.
    "rider": "BIKE", "truck": "VEHICLE", "bus": "VEHICLE", "motorcycle": "BIKE", "bicycle": "BIKE",
}  # fmt: skip


def counterpart(name: str) -> str:
    """Returns Autoware's name of a class, such as "PERSON" for "pedestrian"; "" where it has none."""
    same = name.upper().replace(" ", "_")  # building, road, sky, traffic light
    return same if same in NAMES else _COUNTERPARTS.get(name.lower(), "")


def without_counterpart(names: Iterable[str], chosen: tuple[str, ...]) -> list[str]:
    """Returns those of the classes `names` that are UNKNOWN to Autoware, and for which `chosen` says nothing."""
    said = {text.rpartition(":")[0].strip() for text in chosen}
    return [name for name in names if name not in said and not counterpart(name)]


@functools.lru_cache(maxsize=8)
def ids(names: tuple[str, ...], chosen: tuple[str, ...]) -> np.ndarray:
    """Makes the table of Autoware's id by label value, `(256,) uint8`; 0, which is UNKNOWN, where there is none.

    Args:
        names: of our classes, by id.
        chosen: texts `ours: THEIRS`, in place of the counterpart; an empty text says nothing.

    Raises:
        ValueError: one of `chosen` names a class that is not there, or one twice.
    """
    theirs = {name: counterpart(name) for name in names}
    said = set()
    for text in filter(None, chosen):
        ours, _, name = (part.strip() for part in text.rpartition(":"))
        if ours not in theirs or name not in NAMES or ours in said:
            raise ValueError(
                f"parameter 'autoware_classes': got {text!r}, allowed: '<class>: <Autoware's>', each class once, of "
                f"{', '.join(names)} and {', '.join(NAMES)}"
            )
        theirs[ours] = name
        said.add(ours)
    table = np.zeros(256, np.uint8)
    table[: len(names)] = [NAMES.index(theirs[name] or "UNKNOWN") for name in names]
    table.flags.writeable = False  # it is kept, and given to all who ask
    return table
