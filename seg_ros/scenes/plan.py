"""The cross-section of a street: lanes, parking, pavements, and where the houses begin."""

from __future__ import annotations

import dataclasses

import numpy as np

PERIOD = 48.0
"""The ground repeats after this many metres."""
CROSSING_AT = 30.0
"""Where in each period the zebra crossing lies, if the street has one, m."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """The plan of a street. Widths in metres; pairs are (left, right) of the road's middle, both positive.

    Attributes:
        lane: width of one lane.
        lanes: number of lanes per side.
        parking: whether cars park at that kerb.
        road: from the middle to the kerb.
        line: from the middle to the house fronts.
        marks: x of dashed lines.
        edge_lines: whether a line runs along each kerb.
        driven: x of the middle of the camera's lane.
        crossing: whether zebra crossings cross the road.
        lead: whether a car drives in front of the camera.
        density: how busy the street is, 0.7..1.2.
    """

    lane: float
    lanes: tuple[int, int]
    parking: tuple[bool, bool]
    road: tuple[float, float]
    line: tuple[float, float]
    marks: tuple[float, ...]
    edge_lines: bool
    driven: float
    crossing: bool
    lead: bool
    density: float

    @classmethod
    def random(cls, rng: np.random.Generator) -> Plan:
        """Makes a random street."""
        lane = rng.uniform(2.9, 3.5)
        lanes = ((1, 1), (1, 1), (2, 1), (1, 2), (2, 2))[rng.integers(5)]
        parking = bool(rng.random() < 0.6), bool(rng.random() < 0.5 and lanes[1] == 1)
        cycle = 1.0  # room for bicycles next to the outer lane
        driven = tuple(n * lane + cycle for n in lanes)
        road = tuple(d + 2.2 * p for d, p in zip(driven, parking, strict=True))
        marks = [0.0]
        marks += [-lane] if lanes[0] == 2 else []
        marks += [lane] if lanes[1] == 2 else []
        marks += [-driven[0]] if parking[0] else []
        marks += [driven[1]] if parking[1] else []
        return cls(
            lane=lane,
            lanes=lanes,
            parking=parking,
            road=road,
            line=tuple(r + rng.uniform(3.4, 6.0) for r in road),
            marks=tuple(marks),
            edge_lines=bool(rng.random() < 0.5),
            driven=lane * (0.5 + int(rng.integers(lanes[1]))),
            crossing=bool(rng.random() < 0.6),
            lead=bool(rng.random() < 0.5),
            density=rng.uniform(0.7, 1.2),
        )
