"""A node with a fault, as a process of its own, and a camera that it looks at."""

from __future__ import annotations

import pytest


@pytest.fixture
def faulty(ros_env, small_weights, tmp_path):
    """Starts a `NodeProcess`: `faulty("sleep", 1.5, watchdog=60.0)`. What still runs after the test is ended."""
    from test.faults.processes import NodeProcess

    started = []

    def faulty(fault, seconds=0.0, env=None, unread=False, **parameters):
        parameters = {"weights": small_weights, "engine": "eager", "input_topic": "/eye/image"} | parameters
        env, log = ros_env | (env or {}), tmp_path / f"{len(started)}.log"
        started.append(NodeProcess(env, log, fault, seconds, parameters, unread))
        return started[-1]

    yield faulty
    for node in started:
        node.end()


@pytest.fixture
def eye(graph):
    from test.faults.processes import Eye

    return Eye(graph)
