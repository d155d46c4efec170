"""What the node tells `/diagnostics` about itself."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


def diagnostics(stamp: Time, node: str, level: bytes, message: str, values: dict) -> DiagnosticArray:
    """One status, named `<node>: segmentation`.

    Args:
        level: `OK`, `WARN` or `ERROR`.
        values: scalars by name; a nested dict becomes one value a key, as `name/key`.
    """
    flat = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}/{key}": v for key, v in value.items()}
        else:
            flat[name] = value
    status = DiagnosticStatus(level=level, name=f"{node}: segmentation", message=message, hardware_id="seg_ros")
    status.values = [KeyValue(key=key, value=f"{v:.2f}" if isinstance(v, float) else str(v)) for key, v in flat.items()]
    array = DiagnosticArray(status=[status])
    array.header.stamp = stamp
    return array


class Health:
    """Turns successive snapshots of the statistics into a level, a message and rates.

    Args:
        silence: seconds without a frame after which an active node is in error.
    """

    def __init__(self, silence: float = 2.0) -> None:
        self._silence = silence
        self._last: dict | None = None
        self._last_time = 0.0
        self._last_frame = 0.0

    def judge(self, now: float, active: bool, snapshot: dict, topic: str) -> tuple[bytes, str, dict]:
        """Level, message and `{"rate_in": Hz, "rate_out": Hz}` since the last call.

        Args:
            now: seconds of a monotonic clock.
            snapshot: of `Statistics`.
        """
        if not active or self._last is None:
            self._last, self._last_time, self._last_frame = snapshot, now, now
            return OK, "inactive" if not active else "starting", {"rate_in": 0.0, "rate_out": 0.0}
        seconds = max(now - self._last_time, 1e-6)
        new_in = snapshot["frames_in"] - self._last["frames_in"]
        rates = {
            "rate_in": new_in / seconds,
            "rate_out": (snapshot["frames_out"] - self._last["frames_out"]) / seconds,
        }
        before = self._last["dropped"]
        lost = {reason: n - before.get(reason, 0) for reason, n in snapshot["dropped"].items()}
        bad = {r: n for r, n in lost.items() if n and r not in ("stale", "no_subscriber")}
        if new_in:
            self._last_frame = now
        self._last, self._last_time = snapshot, now
        if now - self._last_frame > self._silence:
            return ERROR, f"no frame on {topic} for {now - self._last_frame:.0f} s", rates
        if bad.keys() & {"engine", "internal"}:
            return ERROR, "segmentation failed: " + _counts(bad), rates
        if bad:
            return WARN, "bad frames: " + _counts(bad), rates
        idle = new_in and lost.get("no_subscriber") == new_in
        return OK, "idle: no subscriber" if idle else "segmenting", rates


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items()))
