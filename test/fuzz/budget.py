"""How long the fuzzers run: a few seconds a format in `make test`; in `make soak`, SECONDS of each."""

import itertools
import os
import time
from pathlib import Path

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed")

from hypothesis import HealthCheck, Phase, given, seed, settings

from seg_ros.errors import FrameError

SECONDS = float(os.environ.get("SEG_ROS_SOAK") or 3.0)
CORPUS = Path(__file__).parent / "corpus"
_ROUND = 50
"""Examples between two looks at the clock."""


def answer(reasons, decode, *given):
    """What `decode` returns; None if it refuses for one of `reasons`. Any other error fails the test."""
    try:
        return decode(*given)
    except FrameError as error:
        if error.reason in reasons:
            return None
        raise


def fuzz(*strategies):
    """Runs a test on examples of `strategies` for `SECONDS`; the same ones each time, and more in a longer run."""

    def decorate(check):
        # Failing examples are shrunk; nothing is kept between runs.
        rounds = settings(
            max_examples=_ROUND,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )

        def run():
            end = time.monotonic() + SECONDS
            for number in itertools.count():
                seed(number)(rounds(given(*strategies)(check)))()
                if time.monotonic() > end:
                    return

        run.__name__, run.__doc__ = check.__name__, check.__doc__
        return run

    return decorate
