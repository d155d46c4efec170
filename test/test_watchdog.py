"""The watchdog ends a process that hangs, and no other. In processes of their own: it ends them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from signal import SIGALRM

import pytest

from seg_ros.watchdog import Watchdog

HEAD = """
import ctypes, sys, time
from seg_ros.runtime import attend, deadline, release_deadlines
from seg_ros.watchdog import Watchdog
attend()
libc = ctypes.PyDLL(None)  # its calls keep Python's lock, as a native library may
def inference(seconds):
    libc.usleep(int(1e6 * seconds)) if LOCKED else time.sleep(seconds)
"""
BODY = """
watchdog = Watchdog(WITHIN, deadline)
for _ in range(3):
    with watchdog.guard():
        inference(TAKES)
time.sleep(1.0)
print("alive", flush=True)
"""


def program(body, locked=False, **values):
    return (
        "".join(f"{name.upper()} = {value!r}\n" for name, value in {"locked": locked, **values}.items()) + HEAD + body
    )


def run(body, locked=False, **values):
    command = [sys.executable, "-c", program(body, locked, **values)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("locked", [False, True])
def test_what_hangs_ends_the_process_with_all_stacks(locked):
    start = time.monotonic()
    result = run(BODY, locked, within=0.5, takes=40.0)
    assert time.monotonic() - start < 30
    assert (result.returncode, result.stdout) == (-SIGALRM, "")
    assert "Timeout" in result.stderr
    assert "in inference" in result.stderr


@pytest.mark.parametrize("locked", [False, True])
def test_what_is_in_time_does_not(locked):
    result = run(BODY, locked, within=10.0, takes=0.01)
    assert (result.returncode, result.stdout, result.stderr) == (0, "alive\n", "")


@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("frozen", [False, True], ids=["stopped", "frozen"])
def test_time_in_which_the_process_was_stopped_does_not_count(locked, frozen):
    """Frozen: the attendant as well, as in a container that is paused."""
    body = """
with deadline(0.6):
    print("begins", flush=True)
    inference(0.3)
print("ends", flush=True)
with deadline(0.2):
    inference(40.0)
"""
    process = subprocess.Popen([sys.executable, "-c", program(body, locked)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begins\n"
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split() if frozen else []
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in (process.pid, *map(int, children)):
            os.kill(pid, number)
        time.sleep(0.8 * (number == signal.SIGSTOP))
    assert process.communicate(timeout=30)[0] == "ends\n"
    assert process.returncode == -SIGALRM


def test_frames_of_one_node_do_not_hide_the_hang_of_another():
    body = """
import threading
def node():
    watchdog = Watchdog(0.3, deadline)
    while True:
        with watchdog.guard():
            inference(0.01)
threading.Thread(target=node, daemon=True).start()
with Watchdog(0.5, deadline).guard():
    inference(40.0)
"""
    result = run(body)
    assert result.returncode == -SIGALRM
    assert "has taken 0.5 s" in result.stderr


def test_the_end_of_the_guard_ends_the_watch():
    result = run(BODY, within=0.9, takes=0.0)  # the process lives longer than that afterwards
    assert (result.returncode, result.stdout, result.stderr) == (0, "alive\n", "")


def test_an_error_ends_the_watch_too():
    body = """
watchdog = Watchdog(0.5, deadline)
try:
    with watchdog.guard():
        raise KeyError("a bug")
except KeyError as error:
    print(repr(error), watchdog.busy)
time.sleep(1.0)
"""
    result = run(body)
    assert (result.returncode, result.stdout, result.stderr) == (0, "KeyError('a bug') 0.0\n", "")


def test_busy_counts_seconds():
    watchdog = Watchdog(3600.0)
    assert (watchdog.seconds, watchdog.busy) == (3600.0, 0.0)
    start = time.monotonic()
    with watchdog.guard():
        time.sleep(0.05)
        assert 0.05 <= watchdog.busy <= time.monotonic() - start
    assert watchdog.busy == 0.0


def test_once_released_it_ends_nothing_any_more():
    body = """
watchdog = Watchdog(1.0, deadline)
with watchdog.guard():
    release_deadlines()
    inference(2.0)
print("alive", flush=True)
"""
    result = run(body)
    assert (result.returncode, result.stdout, result.stderr) == (0, "alive\n", "")


def test_of_two_deadlines_the_nearest_counts_and_the_other_stays():
    """Two nodes in one process: the end of one's frame must not end the watch over the other's."""
    body = """
with deadline(40.0):
    with deadline(0.5):
        pass
    time.sleep(1.0)
print("in time", flush=True)
with deadline(0.5):
    with deadline(40.0):
        pass
    inference(40.0)
"""
    result = run(body)
    assert (result.returncode, result.stdout) == (-SIGALRM, "in time\n")
    assert "in inference" in result.stderr


def test_without_a_deadline_the_process_is_left_alone():
    body = """
with Watchdog(0.5).guard():
    inference(1.0)
print("alive", flush=True)
"""
    assert run(body).stdout == "alive\n"


def test_while_it_is_paused_nothing_is_watched_and_afterwards_again():
    body = """
watchdog = Watchdog(0.5, deadline)
with watchdog.guard():
    with watchdog.paused():
        inference(1.0)
        print(watchdog.busy, flush=True)
    inference(40.0)
"""
    result = run(body)
    assert (result.returncode, result.stdout) == (-SIGALRM, "0.0\n")
    assert "in inference" in result.stderr
