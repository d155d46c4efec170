"""Diagnostics of the node: levels, messages and rates for `/diagnostics`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from seg_ros.ros.standstill import Standstill

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

_HARMLESS = frozenset({"stale", "rate", "transport"})
"""Reasons for a drop that mean no bad frame; losses in transport are weighed by their share."""
_FAILURES = frozenset({"engine", "memory", "not_finite", "internal"})
"""Reasons for a drop that are not the camera's fault."""
_MANY_LOST = 0.05
_LONG = 1.0
"""Seconds of work on one frame after which the level is ERROR."""
_STANDSTILL = ((5.0, ERROR), (2.0, WARN))
"""Seconds in which frames arrived and none was published, and the level that they make."""


def status(name: str, level: bytes, message: str, values: dict) -> DiagnosticStatus:
    """Makes one status.

    Args:
        level: `OK`, `WARN` or `ERROR`.
        values: scalars by name; a nested dict becomes one value a key, as `name/key`.
    """
    flat = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{key}/{k}": v for k, v in value.items()}
        else:
            flat[key] = value
    texts = [KeyValue(key=key, value=f"{v:.2f}" if isinstance(v, float) else str(v)) for key, v in flat.items()]
    return DiagnosticStatus(level=level, name=name, message=message, hardware_id="seg_ros", values=texts)


def array(stamp: Time, statuses: Sequence[DiagnosticStatus]) -> DiagnosticArray:
    """Makes the message for `/diagnostics`."""
    message = DiagnosticArray(status=list(statuses))
    message.header.stamp = stamp
    return message


class Look(NamedTuple):
    """The state of one camera at one moment.

    Attributes:
        now: seconds of a monotonic clock.
        state: "inactive", "disabled", "idle" (nobody wants its outputs, so it is not subscribed to) or "segmenting".
        topic: of the camera.
        published: whether anybody publishes it.
        counts: of its `Statistics`.
        busy, limit: seconds that the frame in work has taken, and may take.
        compiling: seconds for which an engine has been compiled; 0.0 when none is.
    """

    now: float
    state: str
    topic: str
    published: bool
    counts: dict
    busy: float = 0.0
    limit: float = 0.0
    compiling: float = 0.0


class Health:
    """Turns successive looks at a camera into a level, a message and rates.

    Args:
        patience: seconds without a frame after which an active camera is in error; of a camera that is slower than
            that, three of its periods.
    """

    def __init__(self, patience: float = 1.5) -> None:
        self._patience = patience
        self._last: Look | None = None
        self._seen = -1
        self._alive = 0.0
        self.silent = False
        self._standstill = Standstill()

    def watch(self, look: Look) -> bool:
        """Returns whether silence or a standstill has begun or ended since the last call.

        Called often, it reports soon. What was a warning and becomes an error has begun, too.
        """
        before = self.silent, self._standstill_level()
        counted = look.counts["frames_in"]
        if counted != self._seen or (look.state != "segmenting" and (look.state != "idle" or look.published)):
            self._seen, self._alive = counted, look.now
        self.silent = look.now - self._alive > max(self._patience, 3 * look.counts["period"])
        self._standstill.watch(look.now, look.counts, look.state == "segmenting" and not self.silent)
        return before != (self.silent, self._standstill_level())

    def judge(self, look: Look) -> tuple[bytes, str, dict]:
        """Returns level, message and `{"rate_in": Hz, "rate_out": Hz}` since the last call."""
        self.watch(look)
        last, self._last = self._last or look, look
        seconds = max(look.now - last.now, 1e-6)
        new_in, new_out = (look.counts[key] - last.counts[key] for key in ("frames_in", "frames_out"))
        rates = {"rate_in": new_in / seconds, "rate_out": new_out / seconds}
        level, message = self._verdict(look, new_in, new_out, *(_new(look, last, key) for key in ("dropped", "noted")))
        return level, message, rates

    def _standstill_level(self) -> bytes:
        return next((level for seconds, level in _STANDSTILL if self._standstill.seconds >= seconds), OK)

    def _verdict(
        self, look: Look, new_in: int, new_out: int, dropped: dict[str, int], noted: dict[str, int]
    ) -> tuple[bytes, str]:
        if look.busy > _LONG:
            return ERROR, f"the frame in work has taken {look.busy:.0f} s; at {look.limit:g} s the process ends"
        if self.silent:
            nobody = "" if look.published else ": nobody publishes it"
            return ERROR, f"no frame on {look.topic} for {look.now - self._alive:.0f} s{nobody}"
        bad = {reason: n for reason, n in dropped.items() if reason not in _HARMLESS}
        if bad.keys() & _FAILURES:
            return ERROR, "segmentation failed: " + _counts(bad)
        if bad and not new_out:
            return ERROR, "only bad frames: " + _counts(bad)
        if (level := self._standstill_level()) != OK:
            why = self._standstill.why(look.counts, look.compiling)
            return level, f"nothing published for {self._standstill.seconds:.0f} s: {why}"
        warnings = ["bad frames: " + _counts(bad)] if bad else []
        if dropped.get("transport", 0) > _MANY_LOST * new_in:
            share = f"{dropped['transport']} of {new_in} frames"
            warnings.append(f"{share} were lost between camera and node: see docs/transport.md")
        if noted:
            warnings.append("odd frames: " + _counts(noted))
        if warnings:
            return WARN, "; ".join(warnings)
        return OK, "idle: no subscriber" if look.state == "idle" else look.state


def _new(look: Look, last: Look, key: str) -> dict[str, int]:
    """Counts since the last look, by reason."""
    before = last.counts[key]
    return {reason: n - before.get(reason, 0) for reason, n in look.counts[key].items() if n > before.get(reason, 0)}


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items()))
