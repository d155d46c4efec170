"""Measures for how long a camera's frames have arrived without one being published, and tells why."""

from __future__ import annotations

_SHORT = 1.0
"""Seconds of work on a frame that do not explain a standstill by themselves."""


class Standstill:
    """Watches one camera's counts (`seg_ros.statistics.Statistics.counts`).

    Attributes:
        seconds: since the first frame that arrived after the last one was published; 0.0 if none has.
    """

    def __init__(self) -> None:
        self._published, self._arrived = -1, 0
        self._since: float | None = None
        self._dropped: dict[str, int] = {}
        self.seconds = 0.0

    def watch(self, now: float, counts: dict, expected: bool) -> None:
        """Takes a look at the counts.

        Args:
            now: seconds of a monotonic clock.
            expected: whether frames that arrive are to be published.
        """
        arrived = counts["frames_in"] - counts["dropped"].get("rate", 0)  # these the user does not want
        if not expected or counts["frames_out"] != self._published:
            self._published, self._arrived, self._since = counts["frames_out"], arrived, None
            self._dropped = counts["dropped"]
        elif self._since is None and arrived > self._arrived:
            self._since = now
        self.seconds = 0.0 if self._since is None else now - self._since

    def why(self, counts: dict, compiling: float) -> str:
        """Returns the reason in a few words.

        Args:
            compiling: seconds for which an engine has been compiled; 0.0 if none is.
        """
        if compiling:
            return f"compiling for {compiling:.0f} s"
        since = {reason: n - self._dropped.get(reason, 0) for reason, n in sorted(counts["dropped"].items())}
        dropped = {reason: n for reason, n in since.items() if n and reason != "rate"}
        lost = ", ".join(f"{n} {reason}" for reason, n in dropped.items())
        if dropped.keys() - {"stale", "transport"}:
            return f"dropped: {lost}"
        work = counts["work"]
        slow = f"too slow: a frame takes {work:.1f} s" if work else "too slow: the first frame is not done"
        turns = ", and cameras take turns" if 0 < work < _SHORT else ""
        return slow + turns + (f"; dropped: {lost}" if lost else "")
