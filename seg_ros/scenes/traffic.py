"""What stands or moves on the street: endless files of objects whose places follow from seed and time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from seg_ros.scenes.plan import CROSSING_AT, PERIOD, Plan

CAR, PEDESTRIAN, BICYCLIST = 8, 9, 10
LAMP, SIGN, TREE = 2, 6, 5
_CYCLE = 64  # slots until a file uses an instance id again: far more than are ever in view
_THINGS = (CAR, PEDESTRIAN, BICYCLIST)
_LEAD = 0
_LONGEST = 5.0  # m, of a car


@dataclasses.dataclass(frozen=True)
class Item:
    """One object in view.

    Attributes:
        kind: class id of what it is (`CAR`, ..., `LAMP`).
        x, z: where it stands, m; for a car the middle of its near end.
        away: whether it moves away from the camera (or to the right, when crossing).
        crossing: whether it walks across the road.
        instance: id of a thing, from 1; 0 for furniture.
        r: its own random numbers `(12,)`, 0..1.
    """

    kind: int
    x: float
    z: float
    away: bool
    crossing: bool
    instance: int
    r: np.ndarray


@dataclasses.dataclass(frozen=True)
class File:
    """Objects of one kind in a line along the street, one (or none) per slot.

    Attributes:
        spacing: length of a slot, m.
        share: part of the slots that hold an object, 0..1.
        speed: m/s along the street, 0 for what stands.
        wander: each object's own place in its slot, up to this part of `spacing`.
        spread: each object's own shift in x, up to this, m.
        reach: how far away it is still drawn, m.
    """

    kind: int
    x: float
    spacing: float
    share: float
    speed: float
    away: bool
    wander: float
    spread: float
    reach: float


def _files(rng: np.random.Generator, plan: Plan) -> list[File]:
    busy, lane = plan.density, plan.lane
    files = []
    for side, sign in enumerate((-1, 1)):
        kerb = plan.road[side]
        inner, outer = sign * (kerb + 0.5), plan.line[side] - kerb
        away = side == 1
        way = 1 if away else -1
        lamp, sign_gap = rng.uniform(13, 19), rng.uniform(11, 16)
        files += [
            File(LAMP, inner, lamp, 0.95, 0.0, away, 0.2, 0.1, 38.0),
            File(SIGN, inner, sign_gap, 0.85, 0.0, away, 0.7, 0.2, 30.0),
            File(
                TREE,
                sign * (kerb + 0.9),
                rng.uniform(10, 18),
                rng.uniform(0.4, 0.9),
                0.0,
                away,
                0.6,
                0.3,
                60.0,
            ),
        ]
        for k, direction in enumerate((1, -1)):
            across = sign * (kerb + outer * (0.4 + 0.3 * k) + 0.3)
            speed = direction * rng.uniform(1.0, 1.5)
            files.append(
                File(PEDESTRIAN, across, rng.uniform(3.5, 6), 0.8 * busy, speed, direction > 0, 0.8, 0.45, 36.0)
            )
        bike = plan.road[side] - 2.2 * plan.parking[side] - 0.7
        speed = way * rng.uniform(3.0, 5.0)
        files.append(File(BICYCLIST, sign * bike, rng.uniform(10, 15), 0.8, speed, away, 0.5, 0.2, 34.0))
        if plan.parking[side]:
            files.append(File(CAR, sign * (kerb - 1.05), 6.6, 0.7 * busy, 0.0, away, 0.12, 0.1, 55.0))
    for k in range(plan.lanes[0]):
        speed = -rng.uniform(6, 10)
        files.append(File(CAR, -(k + 0.5) * lane, rng.uniform(16, 26), 0.8 * busy, speed, False, 0.4, 0.15, 60.0))
    if plan.lanes[1] == 2:
        files.append(
            File(
                CAR,
                2 * lane - plan.driven,
                rng.uniform(14, 22),
                0.8,
                rng.uniform(6, 11),
                True,
                0.4,
                0.15,
                60.0,
            )
        )
    return files


def _far_to_near(items: list[Item], x: float) -> list[Item]:
    """Returns the order to paint in, seen from `x` (m): by distance, but a car is hidden by what is beside it.

    Along a line of sight the distance to the side only grows, so of two objects abreast the one nearer to
    the camera's own line is in front.
    """
    order = {id(item): item.z for item in items}
    for car in items:
        if car.kind == CAR:
            side = 1 if car.x > x else -1
            aside = side * (car.x - x) - 0.9
            for item in items:
                if car.z < item.z < car.z + _LONGEST and -0.9 < side * (item.x - x) < aside:
                    order[id(item)] = min(order[id(item)], car.z - 0.01)
    return sorted(items, key=lambda item: -order[id(item)])


class Traffic:
    """Everything on one street."""

    def __init__(self, rng: np.random.Generator, plan: Plan, draw: Callable[[int, int], np.ndarray]) -> None:
        """Places the traffic; `draw(kind, slot)` gives random numbers `(12,)` in 0..1 that are fixed for a slot."""
        self._plan, self._draw = plan, draw
        self._files = _files(rng, plan)
        self._gap = rng.uniform(10, 20), rng.uniform(1, 4), rng.uniform(0, 2 * np.pi)

    def items(self, t: float, s: float, x: float) -> list[Item]:
        """Lists what can be seen at time `t` (s) from `s` metres down the street at `x` (m), far to near."""
        found = list(self._crossers(s))
        for number, file in enumerate(self._files, start=3):
            # a car's body reaches on from its near end: one that is being passed is still in view
            nearest = -3.0 if file.kind == CAR else 2.2
            origin = s - file.speed * t
            first = int(np.floor((origin + nearest) / file.spacing)) - 1
            last = int(np.floor((origin + file.reach) / file.spacing))
            for slot in range(first, last + 1):
                r = self._draw(number, slot)
                z = (slot + file.wander * r[1]) * file.spacing - origin
                if r[0] >= file.share or not nearest < z < file.reach:
                    continue
                across = file.x + file.spread * (2 * r[2] - 1)
                instance = number * _CYCLE + slot % _CYCLE + 1 if file.kind in _THINGS else 0
                found.append(Item(file.kind, across, z, file.away, False, instance, r))
        if self._plan.lead:
            z = self._gap[0] + self._gap[1] * float(np.sin(0.3 * t + self._gap[2]))
            found.append(Item(CAR, self._plan.driven, z, True, False, 1, self._draw(2, _LEAD)))
        return _far_to_near(found, x)

    def _crossers(self, s: float) -> Iterator[Item]:
        """Yields the pedestrians on the zebra crossings ahead: off the camera's lane before it gets there."""
        if not self._plan.crossing or self._plan.lead:
            return
        for period in range(int(s // PERIOD), int((s + 40) // PERIOD) + 1):
            z = period * PERIOD + CROSSING_AT - s
            if not 2.2 < z < 36:
                continue
            for k in range(3):
                slot = period * 3 + k
                r = self._draw(2, slot + 1)
                done = float(np.clip((38 + 8 * r[1] - z) / 34, 0, 1))
                left, right = -self._plan.road[0] - 1.0, self._plan.road[1] + 1.0
                # all walk out of the lane to the left or start beyond it and reach the right kerb in time
                x = right + (left - right) * done if k != 1 else left + (right - left) * min(done * 1.3, 1.0)
                yield Item(PEDESTRIAN, x, z + r[2] * 2 - 1, k == 1, True, 2 + slot % _CYCLE, r)
