"""The figures of a running node as one value, written as JSON or as a line for people."""

from __future__ import annotations

import dataclasses
import json
from typing import Any


@dataclasses.dataclass(frozen=True)
class Figures:
    """Counts, latency and quality of a node over some time.

    Attributes:
        frames_in: that the node received.
        labels_out: results that arrived here.
        dropped: frames by reason.
        fps: results per second.
        age_p50_ms, age_p99_ms: from the camera's stamp to the arrival here; None without results.
        stages_ms: p50 by stage of the node's work.
        engine: that runs the network.
        quality: figures of the comparison with the truth; None without truth.
    """

    frames_in: int
    labels_out: int
    dropped: dict[str, int]
    fps: float
    age_p50_ms: float | None
    age_p99_ms: float | None
    stages_ms: dict[str, float]
    engine: str
    quality: dict[str, Any]

    def to_json(self) -> str:
        """Writes one JSON object on one line; those of `quality` are beside the others."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return json.dumps(fields | fields.pop("quality"))

    def line(self, score: str, title: str) -> str:
        """Writes a line for people, with the figure `score` of `quality` under its `title` where it is known."""
        dropped = ", ".join(f"{count} {reason}" for reason, count in self.dropped.items()) or "none"
        stages = " ".join(f"{name} {ms:.1f}" for name, ms in self.stages_ms.items())
        value = self.quality.get(score)
        quality = "" if value is None else f"{title} {value:.3f}  "
        return (
            f"in {self.frames_in:5d}  out {self.labels_out:5d}  {self.fps:5.1f} Hz  "
            f"age p50 {self.age_p50_ms} p99 {self.age_p99_ms} ms  {quality}{self.engine}  "
            f"dropped: {dropped}  ms: {stages}"
        )
