"""The whole suite runs side by side where pytest-xdist is installed, and what measures time afterwards, alone.

A run that names no paths is a run of the whole suite: `make test`, `colcon test`, and `pytest` in the checkout. The
processes of pytest-xdist leave the tests that are marked `alone`; when they are through, the process that started them
runs those itself, one after the other. What is marked `compiles` begins first, for nothing shorter could fill the time
after it.
"""

from __future__ import annotations

import itertools
import os

import pytest

PROCESSES = 4
MEMORY = 3 * 2**30
"""Bytes that a process takes at most."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not _is_beside()
    if whole and config.pluginmanager.hasplugin("xdist") and config.option.numprocesses is None:
        config.option.numprocesses, config.option.dist = _processes(), "worksteal"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _is_beside() or _starts_others(config):
        items[:] = [item for item in items if (item.get_closest_marker("alone") is None) == _is_beside()]
        items.sort(key=lambda item: item.get_closest_marker("compiles") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session):
    result = yield
    if _starts_others(session.config) and not session.config.option.collectonly:
        ran = session.testscollected
        session.perform_collect()
        session.testscollected += ran
        for item, following in itertools.pairwise([*session.items, None]):
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
    return result


def _processes() -> int:
    """One more than there are cores: while a test waits for a process or a frame, another may compute."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)) + 1, memory // MEMORY, PROCESSES))


def _is_beside() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


def _starts_others(config: pytest.Config) -> bool:
    return config.pluginmanager.hasplugin("dsession")  # of pytest-xdist, in the process that starts the others
