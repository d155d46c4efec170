"""Autoware's class ids for images and for point clouds, and which of them stands for which of our classes.

Of images: Autoware's point cloud filter counts its classes in this order: `filter_semantic_label_target_list_` in
`autoware_image_projection_based_fusion`, `segmentation_pointcloud_fusion/node.hpp`. As it is set up, it removes the
points of BUILDING, WALL, ROAD and VEGETATION, and keeps all others.

Of point clouds: `PointCloudClassification` in `autoware_point_types`, `types.hpp`, beside `PointXYZCPE`.
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

POINT_NAMES = (
    "CAR", "TRUCK", "BUS", "MOTORCYCLE", "BICYCLE", "PEDESTRIAN", "ANIMAL", "HAZARD", "FLAT_SURFACE", "STRUCTURE",
    "VEGETATION", "NOISE",
)  # fmt: skip
"""By id in point clouds."""
INVALID = 255
"""Id of points that are of none of them."""

_POINT_COUNTERPARTS = {
    "road": "FLAT_SURFACE", "pavement": "FLAT_SURFACE", "sidewalk": "FLAT_SURFACE",
    "building": "STRUCTURE", "wall": "STRUCTURE", "fence": "STRUCTURE", "pole": "STRUCTURE", "sign": "STRUCTURE",
    "traffic sign": "STRUCTURE", "traffic light": "STRUCTURE", "tree": "VEGETATION",
    "bicyclist": "BICYCLE", "rider": "BICYCLE", "person": "PEDESTRIAN",
}  # fmt: skip
"""Where it has another name. A rider is on a bicycle, as far as a box around both knows."""


def counterpart(name: str) -> str:
    """Returns Autoware's name of a class, such as "PERSON" for "pedestrian"; "" where it has none."""
    same = name.upper().replace(" ", "_")  # building, road, sky, traffic light
    return same if same in NAMES else _COUNTERPARTS.get(name.lower(), "")


def point_counterpart(name: str) -> str:
    """Returns Autoware's name of a class in point clouds, such as "STRUCTURE" for "fence"; "" where it has none."""
    same = name.upper()  # car, truck, vegetation
    return same if same in POINT_NAMES else _POINT_COUNTERPARTS.get(name.lower(), "")


def without_counterpart(names: Iterable[str], chosen: tuple[str, ...]) -> list[str]:
    """Returns those of the classes `names` that are UNKNOWN to Autoware, and for which `chosen` says nothing."""
    said = {text.rpartition(":")[0].strip() for text in chosen}
    return [name for name in names if name not in said and not counterpart(name)]


@functools.lru_cache(maxsize=8)
def ids(names: tuple[str, ...], chosen: tuple[str, ...]) -> np.ndarray:
    """Makes the table of Autoware's id by label value in images, `(256,) uint8`; 0, UNKNOWN, where there is none.

    Args:
        names: of our classes, by id.
        chosen: texts `ours: THEIRS`, in place of the counterpart; an empty text says nothing.

    Raises:
        ValueError: one of `chosen` names a class that is not there, or one twice.
    """
    theirs = {name: counterpart(name) or "UNKNOWN" for name in names}
    return _table(names, theirs, chosen, {name: i for i, name in enumerate(NAMES)}, NAMES.index("UNKNOWN"))


@functools.lru_cache(maxsize=8)
def point_ids(names: tuple[str, ...], chosen: tuple[str, ...]) -> np.ndarray:
    """Makes the same table of Autoware's ids in point clouds; 255, INVALID, where there is none."""
    theirs = {name: point_counterpart(name) or "INVALID" for name in names}
    numbers = {name: i for i, name in enumerate(POINT_NAMES)} | {"INVALID": INVALID}
    return _table(names, theirs, chosen, numbers, INVALID)


def _table(
    names: tuple[str, ...], theirs: dict[str, str], chosen: tuple[str, ...], numbers: dict[str, int], none: int
) -> np.ndarray:
    said = set()
    for text in filter(None, chosen):
        ours, _, name = (part.strip() for part in text.rpartition(":"))
        if ours not in theirs or name not in numbers or ours in said:
            raise ValueError(
                f"parameter 'autoware_classes': got {text!r}, allowed: '<class>: <Autoware's>', each class once, of "
                f"{', '.join(names)} and {', '.join(numbers)}"
            )
        theirs[ours] = name
        said.add(ours)
    table = np.full(256, none, np.uint8)
    table[: len(names)] = [numbers[theirs[name]] for name in names]
    table.flags.writeable = False  # it is kept, and given to all who ask
    return table
