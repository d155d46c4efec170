"""Faults that a process dies of, or must not die of: hangs, missing memory, a lost device, signals."""

import contextlib
import os
import signal
import statistics
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from std_srvs.srv import SetBool

from seg_ros.engines.cache import default_directory
from test.conftest import wait_for
from test.faults.processes import LONG, SOAK, Eye
from test.nodes import Sender

HANG = 5.0 if SOAK else 3.0
KILLS = 20 if SOAK else 1
FOR_EVER = 3600.0
PIPE = 2**16
"""Bytes that a pipe takes."""
SEGMENT = 70e6
"""Bytes of the shared memory that a participant makes with config/fastdds.xml."""


@pytest.fixture
def statuses(graph):
    return graph.collect(DiagnosticArray, "/diagnostics")


@pytest.mark.alone
@pytest.mark.parametrize(
    "fault",
    ["sleep", pytest.param("hold", marks=LONG)],  # in short: test_watchdog.py
)
def test_a_hang_ends_the_process_and_a_respawn_heals_it(faulty, eye, statuses, fault):
    node = faulty(fault, FOR_EVER, watchdog=HANG)
    eye.opens(node)
    eye.troubles(node)
    met = time.monotonic()
    assert node.wait(HANG + 10.0 * node.load) == -signal.SIGALRM
    ended = time.monotonic()
    assert ended - met >= HANG - 0.1
    assert "Timeout" in node.log
    assert "faulty_node.py" in node.log  # the stack of what hung
    if fault == "sleep":
        errors = [s.status[0].message for s in statuses if s.status[0].level == DiagnosticStatus.ERROR]
        assert any("the frame in work has taken" in message for message in errors)
    node.respawn()
    eye.opens(node)
    healed = time.monotonic() - ended
    print(f"\n{fault}: ended {ended - met:.2f} s into the frame, limit {HANG} s; serves again {healed:.1f} s later")
    assert healed < 10.0 * node.load


def test_memory_that_is_short_costs_one_frame_but_five_in_a_row_the_process(faulty, eye, statuses):
    node = faulty("memory")
    eye.opens(node)
    eye.troubles(node)
    eye.answered()
    wait_for(lambda: statuses and values(statuses[-1]).get("dropped/memory") == str(node.troubles))
    assert node.lives

    def ended():
        eye.send(trouble=True)
        time.sleep(0.1)
        return not node.lives

    wait_for(ended)
    assert node.wait() == 1
    assert "out of memory 5 times in a row" in node.log


@LONG  # in short: engines/test_engines.py tells it from other errors, and ros/test_life_cycle.py ends with it
def test_a_lost_device_ends_the_process(faulty, eye):
    node = faulty("lost")
    eye.opens(node)
    eye.troubles(node)
    assert node.wait() == 1
    assert "the device is lost" in node.log


@pytest.mark.alone
@pytest.mark.parametrize(
    ("number", "seconds"),
    [(signal.SIGINT, 10.0), *([(signal.SIGINT, 1.5), (signal.SIGTERM, 1.5), (signal.SIGTERM, 10.0)] if SOAK else [])],
)
def test_a_signal_ends_it_quietly_in_mid_inference(faulty, eye, number, seconds):
    node = faulty("sleep", seconds, watchdog=60.0)
    eye.opens(node)
    eye.troubles(node)
    sent = time.monotonic()
    node.kill(number)
    assert node.wait() == 0
    took = time.monotonic() - sent
    print(f"\n{number.name} in an inference of {seconds} s: ended after {took:.2f} s")
    assert took < 3.0  # it must not wait for ten
    assert "Traceback" not in node.log
    assert "Fatal" not in node.log


@pytest.mark.parametrize(
    ("transition", "number"),
    [
        (Transition.TRANSITION_DEACTIVATE, signal.SIGTERM),
        pytest.param(Transition.TRANSITION_ACTIVE_SHUTDOWN, signal.SIGINT, marks=LONG),
    ],
)
def test_a_signal_ends_it_while_a_transition_waits_for_a_frame(faulty, eye, transition, number):
    node = faulty("sleep", 60.0, watchdog=120.0)
    eye.opens(node)
    change = eye.client.create_client(ChangeState, "/segmentation/change_state")
    assert change.wait_for_service(20.0)
    eye.troubles(node)
    change.call_async(ChangeState.Request(transition=Transition(id=transition)))
    time.sleep(0.5)
    node.kill(number)
    assert node.wait(30.0) == 0
    assert "Traceback" not in node.log
    assert "Fatal" not in node.log


def test_a_node_that_nobody_reads_goes_on_and_ends_at_a_signal(faulty, eye):
    node = faulty("talk", unread=True)
    eye.opens(node)
    for _ in range(8):  # 2 MB each of stdout and stderr: more than pipe and attendant keep
        eye.answered(trouble=True)
    sent = time.monotonic()
    node.kill(signal.SIGTERM)
    assert node.wait() == 0
    print(f"\nSIGTERM while nobody reads: ended after {time.monotonic() - sent:.2f} s")
    assert time.monotonic() - sent < 3.0
    for output in node.waits_to_be_read():
        assert len(output) >= PIPE  # it was full


COMPILER = """#!/bin/sh
: > "${TMPDIR:-/tmp}/cc$$.s"
: > "$BEGAN"
while :; do sleep 1; done
"""


@pytest.mark.alone
@pytest.mark.parametrize("number", [signal.SIGTERM, *([signal.SIGINT, signal.SIGKILL] if SOAK else [])])
def test_a_node_that_compiles_answers_and_ends_at_a_signal_without_a_trace(faulty, eye, tmp_path, number):
    cache, temporary, compiler, began = (tmp_path / name for name in ("cache", "temporary", "g++", "began"))
    temporary.mkdir()
    compiler.write_text(COMPILER)  # one that is never done
    compiler.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    env = {"TMPDIR": str(temporary), "PATH": path, "BEGAN": str(began)}
    node = faulty("none", env=env, engine="inductor", cache_dir=cache)
    wait_for(began.exists, 240)
    assert _running(str(compiler))
    state = eye.client.create_client(GetState, "/segmentation/get_state")
    assert state.wait_for_service(20)
    took = [1e3 * timed(state, GetState.Request(), "configuring") for _ in range(10)]
    print(f"\nget_state while it compiles: median {statistics.median(took):.1f} ms, longest {max(took):.1f} ms")
    sent = time.monotonic()
    node.kill(number)
    assert node.wait() == (0 if number != signal.SIGKILL else -number)
    took = time.monotonic() - sent
    print(f"{number.name} while it compiles: ended after {took:.2f} s")
    assert took < 3.0
    wait_for(lambda: not _running(str(cache)) and not _running(str(compiler)), 10)
    assert "Traceback" not in node.log
    # The folder of the build goes at the next start, and all that compilers leave when they are killed is in it.
    assert {path.suffix for path in cache.iterdir() if not path.name.startswith(".build-")} == {".lock"}
    assert not list(temporary.glob("cc*"))


def _running(words: str) -> list[str]:
    """The command lines with these words, a node's own left out."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in lines if words in line and "faulty_node" not in line]


@LONG  # in short: test_watchdog.py
def test_a_process_that_was_stopped_is_not_a_hung_one(faulty, eye):
    node = faulty("sleep", 1.0, watchdog=2.0)
    eye.opens(node)
    eye.troubles(node)
    node.kill(signal.SIGSTOP)
    time.sleep(4.0)
    node.kill(signal.SIGCONT)
    eye.answered()
    assert node.lives


def test_it_comes_back_after_every_kill_and_leaves_little_behind(faulty, eye):
    node = faulty("none")
    starts = [eye.opens(node)]
    for _ in range(KILLS):
        node.kill(signal.SIGKILL)
        node.respawn()
        starts.append(eye.opens(node))
    node.kill(signal.SIGKILL)
    assert node.wait() == -signal.SIGKILL
    # Whoever shares a graph with the dead removes its large segment within seconds; the small one stays.
    wait_for(lambda: node.left() < SEGMENT)
    print(
        f"\n{KILLS + 1} kills: each start serves after {min(starts):.1f} to {max(starts):.1f} s; "
        f"{node.left() / 1e6:.2f} MB of shared memory left"
    )
    assert node.left() < 1e6 * (KILLS + 1)
    assert max(starts[1:]) < 10.0 * node.load


class Camera:
    """The eye as a publisher: its messages are whether they meet the fault."""

    def __init__(self, eye: Eye) -> None:
        self.publish = eye.send


def alpha(value):
    return Parameter(
        name="overlay_alpha", value=ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
    )


QUESTIONS = {
    "get_state": (GetState, lambda i: GetState.Request()),
    "get_parameters": (GetParameters, lambda i: GetParameters.Request(names=["weights"])),
    "set_parameters": (SetParameters, lambda i: SetParameters.Request(parameters=[alpha(i / 20)])),
    "enable": (SetBool, lambda i: SetBool.Request(data=True)),
}


@pytest.mark.alone
@pytest.mark.parametrize(
    ("fault", "seconds", "parameters"),
    [
        ("sleep", 0.5, {}),
        pytest.param(
            "none", 0.0, {"engine": "inductor", "weights": "unet_street", "cache_dir": default_directory()},
            marks=LONG,
        ),
    ],
)  # fmt: skip
def test_services_are_answered_while_frames_are_in_work(faulty, eye, fault, seconds, parameters):
    node = faulty(fault, seconds, **parameters)
    eye.opens(node)
    sender = Sender(Camera(eye), True)
    try:
        for name, (kind, request) in QUESTIONS.items():
            client = eye.client.create_client(kind, f"/segmentation/{name}")
            assert client.wait_for_service(20)
            timed(client, request(0))  # waits until the node knows this client, too
            took = [timed(client, request(i)) for i in range(20)]
            print(f"\n{name}: median {1e3 * statistics.median(took):.1f} ms, longest {1e3 * max(took):.1f} ms", end="")
            assert statistics.median(took) < 0.1
            assert max(took) < 0.1 * node.load + 0.3 * (not SOAK)  # a loaded machine may hiccup
    finally:
        sender.stop()


def timed(client, request, state=None):
    """Seconds until the answer, which tells `state`."""
    answered = threading.Event()
    start = time.monotonic()
    future = client.call_async(request)
    future.add_done_callback(lambda _: answered.set())
    assert answered.wait(20)
    seconds = time.monotonic() - start
    assert future.result() is not None
    assert state is None or future.result().current_state.label == state
    time.sleep(0.03)  # at another moment of the inference
    return seconds


def values(array):
    """Of a diagnosis of one camera, by key."""
    return {pair.key: pair.value for pair in array.status[0].values}
