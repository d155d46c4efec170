"""How long the fuzzers run: a few seconds a format in `make test`; in `make soak`, SECONDS of each."""

import itertools
import os
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

SECONDS = float(os.environ.get("SEG_ROS_SOAK") or 4.0)
CORPUS = Path(__file__).parent / "corpus"
_ROUND = 50
"""Examples between two looks at the clock."""


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
