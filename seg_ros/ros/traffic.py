"""Says in a line what became of a camera's frames, for the node's debug log."""

from __future__ import annotations

from collections import Counter

from seg_ros.statistics import Statistics


class Traffic:
    """Compares the counts of one camera with those of the call before."""

    def __init__(self) -> None:
        self._last: Counter[str] = Counter()

    def line(self, statistics: Statistics) -> str:
        """Returns what came in, what went out, why the rest did not, and the timings of the newest frame (ms).

        Empty if nothing happened since the last call.
        """
        counts = statistics.counts()
        now = Counter({"in": counts["frames_in"], "out": counts["frames_out"]})
        now.update({f"dropped as {reason}": count for reason, count in counts["dropped"].items()})
        new, self._last = now - self._last, now
        if not new:
            return ""
        line = ", ".join(f"{count} {what}" for what, count in new.items())
        newest = ", ".join(f"{stage} {ms:.1f}" for stage, ms in statistics.newest().items())
        return f"{line}; newest frame: {newest} ms" if new["out"] else line
