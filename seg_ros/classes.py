"""Class maps: names and colours of class ids, which of them are thing classes, and the id of unlabelled pixels."""

from __future__ import annotations

import colorsys
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from seg_ros import schema

UNLABELLED = 255
"""Label image value of a pixel that has no class (`vision_msgs/VisionClass.UNLABELED`)."""
_LONGEST_NAME = 256
"""Characters of a class name."""
_check_name = schema.text(_LONGEST_NAME)
_check = schema.record(
    {
        "names": schema.array(_check_name, 1, UNLABELLED),
        "colors": schema.array(schema.array(schema.whole(0, 255), 3, 3), 1, UNLABELLED),
        "things": schema.array(schema.whole(0, UNLABELLED - 1), 0, UNLABELLED),
    },
    optional=["things"],
)


@dataclasses.dataclass(frozen=True)
class ClassMap:
    """Class ids 0..N-1 with a name and an RGB colour each.

    Attributes:
        names: class name by id.
        colors: `(r, g, b)`, 0..255, by id.
        things: ids of countable objects ("things"); every other id is "stuff" (Kirillov et al.,
            Panoptic Segmentation, 2019).

    Raises:
        ValueError: if there are not 1 to 255 classes, each with a name of its own, which can be printed, and a colour;
            if a colour lies outside 0..255, or a thing is no class.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    things: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if not 1 <= len(self.names) <= UNLABELLED:
            raise ValueError(f"a class map needs 1 to {UNLABELLED} classes, got {len(self.names)}")
        for index, name in enumerate(self.names):
            _check_name(f"class name {index}", name)
        twice = next((n for i, n in enumerate(self.names) if n in self.names[:i]), None)
        if twice is not None:
            raise ValueError(f"expected class names that differ, got {twice!r} twice: give each class its own")
        if len(self.colors) != len(self.names):
            raise ValueError(f"{len(self.names)} class names but {len(self.colors)} colours: give one each")
        if not all(len(c) == 3 and all(0 <= v <= 255 for v in c) for c in self.colors):
            raise ValueError("colours must be (r, g, b) with each value in 0..255")
        if not all(0 <= i < len(self.names) for i in self.things):
            raise ValueError(f"thing ids must be in 0..{len(self.names) - 1}, got {sorted(self.things)}")

    def __len__(self) -> int:
        return len(self.names)

    def palette(self) -> np.ndarray:
        """Returns RGB by label value, `(256, 3) uint8`; unlabelled and unused ids are black."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self.colors)] = self.colors
        return table

    def ids(self, names: Iterable[str]) -> frozenset[int]:
        """Returns the ids of the classes of these names.

        Raises:
            ValueError: if there is no class of such a name.
        """
        return frozenset(self.names.index(name) for name in names)

    def to_dict(self) -> dict:
        return {
            "names": list(self.names),
            "colors": [list(c) for c in self.colors],
            "things": sorted(self.things),
        }

    @classmethod
    def read(cls, path: Path) -> ClassMap:
        """Reads a classes file: JSON of `names`, `colors` and, if there are any, `things`.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if it holds anything else.
        """
        try:
            return cls.from_dict(schema.parse(path.read_bytes()))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def from_dict(cls, data: Any) -> ClassMap:
        """Makes a class map of what a JSON file holds: `names`, `colors` and, if there are any, `things`.

        Raises:
            ValueError: if it is anything else.
        """
        _check("classes", data)
        return cls(
            tuple(data["names"]),
            tuple(tuple(c) for c in data["colors"]),
            frozenset(data.get("things", ())),
        )


def distinct_colors(count: int) -> tuple[tuple[int, int, int], ...]:
    """Returns `count` RGB colours whose hues are a golden angle apart: neighbours differ, however many there are."""
    hues = (colorsys.hsv_to_rgb(i * 0.618034 % 1, 0.75, 0.95) for i in range(count))
    return tuple(tuple(round(255 * v) for v in hue) for hue in hues)


CAMVID = ClassMap(
    names=(
        "sky", "building", "pole", "road", "pavement", "tree",
        "sign", "fence", "car", "pedestrian", "bicyclist",
    ),
    colors=(
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
        (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
    things=frozenset({8, 9, 10}),
)  # fmt: skip
"""The 11 classes and colours of the SegNet papers' CamVid split (Brostow et al., 2009)."""
