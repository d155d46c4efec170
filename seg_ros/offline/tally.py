"""Counts what became of the frames of one recording."""

from __future__ import annotations

import dataclasses
from typing import Any

from seg_ros.errors import EngineError, FrameError

_MOST_NAMED = 10_000
"""Lost frames that a report names one by one; the rest is counted."""


@dataclasses.dataclass
class Tally:
    """What became of the frames of one recording: `frames == labelled + sum of lost`.

    Attributes:
        named: `[topic or file, stamp or name, reason]` of lost frames.
        damage: where the recording ends early, and why; empty if it was read to its end.
        depth: topics of images that hold distances, which were not tried.
    """

    frames: int = 0
    labelled: int = 0
    lost: dict[str, int] = dataclasses.field(default_factory=dict)
    named: list[list[Any]] = dataclasses.field(default_factory=list)
    damage: str = ""
    depth: list[str] = dataclasses.field(default_factory=list)

    def lose(self, of: str, at: Any, error: FrameError | EngineError) -> None:
        """Counts a frame that has no label."""
        self.lost[error.reason] = self.lost.get(error.reason, 0) + 1
        if len(self.named) < _MOST_NAMED:
            self.named.append([of, at, f"{error.reason}: {error}"])

    def faults(self) -> list[str]:
        """Returns what people should know of it, a line each."""
        depth = [f"{', '.join(self.depth)}: distances, not labelled"] if self.depth else []
        lost = [f"frames lost: {count}, {reason}" for reason, count in self.lost.items()]
        return [*([self.damage] if self.damage else []), *lost, *depth]
