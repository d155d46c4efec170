"""Computes the age of a frame from its stamp, and checks the stamp."""

from __future__ import annotations

from seg_ros.errors import FrameError
from seg_ros.ros.cdr import Stamp

_AHEAD = 0.1
"""Seconds that a stamp may lie ahead of the node's clock: clocks of two machines never agree to the last digit."""


def age(stamp: Stamp, now: int) -> float | None:
    """Returns the seconds from `stamp` to `now`, nanoseconds of the node's clock.

    None where it is unknown: the camera does not stamp, or a simulated clock has not begun.
    """
    nanoseconds = stamp[0] * 10**9 + stamp[1]
    return 1e-9 * (now - nanoseconds) if nanoseconds and now else None


def oddity(stamp: Stamp, now: int) -> str:
    """Returns `zero_stamp`, `future_stamp` or an empty string, for /diagnostics. Such frames are published."""
    if stamp == (0, 0):
        return "zero_stamp"
    seconds = age(stamp, now)
    return "future_stamp" if seconds is not None and seconds < -_AHEAD else ""


def check_age(stamp: Stamp, now: int, most: float) -> None:
    """Refuses a frame that is too old.

    Args:
        most: seconds; 0.0 is any age.

    Raises:
        FrameError: "old".
    """
    seconds = age(stamp, now)
    if most and seconds is not None and seconds > most:
        raise FrameError(
            "old",
            f"its stamp is {seconds:.2f} s old, max_frame_age allows {most:.2f} s; if all frames are old, "
            f"the camera's clock is behind, or this is a recording: play it with --clock and set use_sim_time",
        )
