"""What only shows in the long run: wrong transitions, a hundred life cycles, as many frames as in four hours."""

import itertools
import os
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.serialization import serialize_message

from seg_ros.results import Instances
from seg_ros.tracking import Tracker
from test.conftest import wait_for
from test.faults.processes import SOAK, memory
from test.nodes import Nothing, active, picture, run_on, sinking, state
from test.objects import CAR

CYCLES, WARM_UP = (100, 100) if SOAK else (10, 10)
FRAMES = 432_000 if SOAK else 8_000
FOLLOWED = 200_000 if SOAK else 1_500

VALID = {
    "unconfigured": {Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN},
    "inactive": {
        Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_CLEANUP, Transition.TRANSITION_INACTIVE_SHUTDOWN,
    },
    "active": {Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVE_SHUTDOWN},
    "finalized": set(),
}  # fmt: skip
PATH = [
    (Transition.TRANSITION_CONFIGURE, "inactive"),
    (Transition.TRANSITION_ACTIVATE, "active"),
    (Transition.TRANSITION_DEACTIVATE, "inactive"),
    (Transition.TRANSITION_CLEANUP, "unconfigured"),
]


@pytest.fixture
def ask(graph):
    """Calls a service of the node: `ask(GetState, "get_state")`.

    Until a service has answered once, the request is repeated: one may go to a node of the test before, which the graph
    has not forgotten yet. Later it is not, for a transition that takes long would be asked for twice, and refused once.
    """
    clients, heard = {}, set()

    def ask(kind, name, request=None):
        if name not in clients:
            clients[name] = graph.client.create_client(kind, f"/segmentation/{name}")
            assert clients[name].wait_for_service(60)
        futures, due = [], 0.0

        def answers():
            nonlocal due
            if time.monotonic() > due:
                futures.append(clients[name].call_async(request or kind.Request()))
                due = float("inf") if name in heard else time.monotonic() + 5.0
            return [future.result() for future in futures if future.done()]

        answer = wait_for(answers, 60)[0]
        heard.add(name)
        return answer

    return ask


@pytest.fixture
def change(ask):
    def change(transition):
        return ask(ChangeState, "change_state", ChangeState.Request(transition=Transition(id=transition))).success

    return change


def test_transitions_that_are_not_there_are_refused_in_every_state(start, ask, change):
    node = start(autostart=False)
    others = {1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 20, 30, 40, 50, 60, 62, 90, 99, 255}
    to_the_end = [*PATH[:2], (Transition.TRANSITION_ACTIVE_SHUTDOWN, "finalized")]
    for transition, after in [(None, "unconfigured"), *to_the_end]:
        if transition is not None:
            assert change(transition)
        for wrong in sorted(others - VALID[after]):
            assert not change(wrong), f"{wrong} in {after}"
            assert state(node) == after
        assert ask(GetState, "get_state").current_state.label == after


def test_memory_and_threads_stay_over_life_cycles(faulty, eye, ask, change):
    node = faulty("none", autostart=False)
    taken, threads = [], []
    for _ in range(WARM_UP + CYCLES):
        for transition, after in PATH:
            assert change(transition), node.log[-2000:]
            if after == "active":
                eye.answered(60)
                threads.append(node.threads())
        taken.append(memory(node.pid))
    before, after = taken[WARM_UP - 1], taken[-1]
    print(f"\n{CYCLES} cycles after {WARM_UP}: {before:.1f} MB, then {after:.1f} MB; {min(threads[WARM_UP:])} threads")
    assert after - before < (2.0 if SOAK else 5.0)  # the heap takes a step or two of 1 to 3 MB in the first minute
    assert min(threads[-5:]) == min(threads[WARM_UP:])  # of the least: one that ends is still counted for a moment


@pytest.mark.alone
def test_frames_without_end_leave_no_trace(start):
    """Of mixed sizes, every 50th replaced before its turn, every 1000th broken: each is counted, none is kept."""
    node = start()
    active(node)
    run_on(node, Nothing())
    camera, receive = sinking(node)
    sink = camera.publishers
    sizes = [(48, 72), (60, 80), (97, 131), (120, 160), (240, 320)]
    good = [serialize_message(picture(1 + i, size)) for i, size in enumerate(sizes)]
    broken = good[0][:200]
    took, taken = np.ones(FRAMES), []  # ones: pages of zeros would come only with their frames, and count as growth
    sample = FRAMES // 50
    for i in range(FRAMES):
        if i % sample == 0:
            taken.append(memory(os.getpid()))
        if i % 1000 == 999:
            receive(broken, {})
            wait_for(lambda: settled(camera))
        sink.done.clear()
        start_s = time.perf_counter()
        receive(good[i % len(good)], {})
        if i % 50 == 49:
            receive(good[0], {})
        assert sink.done.wait(20)
        took[i] = time.perf_counter() - start_s
    wait_for(lambda: settled(camera))
    counts = camera.statistics.counts()
    assert counts["frames_in"] == FRAMES + FRAMES // 50 + FRAMES // 1000
    assert counts["frames_out"] + sum(counts["dropped"].values()) == counts["frames_in"]
    assert sum(n for reason, n in counts["dropped"].items() if reason != "stale") == FRAMES // 1000

    warm = taken[len(taken) // 5 :]
    slope = np.polyfit(np.arange(len(warm)) * sample / 1e5, warm, 1)[0]
    first, last = (1e3 * np.percentile(part, (50, 99)) for part in (took[: FRAMES // 5], took[-FRAMES // 5 :]))
    print(
        f"\n{counts}\n{FRAMES} frames: {taken[0]:.1f} MB at first, {warm[0]:.1f} MB after a fifth, {warm[-1]:.1f} MB "
        f"at last, {slope:+.2f} MB per 100k frames; p50 and p99 of the first fifth {first.round(3)} ms, of the last "
        f"{last.round(3)} ms"
    )
    if SOAK:
        assert slope < 1.0
        assert last[1] < 1.1 * first[1]
    else:
        assert warm[-1] - warm[0] < 2.0


@pytest.mark.alone
def test_ever_new_objects_leave_no_trace():
    """Eight objects in every frame; those of every third frame are others, somewhere else."""
    rng, tracker, taken = np.random.default_rng(0), Tracker(itertools.count(1)), []
    shape, mask = (480, 640), np.full((24, 16), 255, np.uint8)
    picture = rng.integers(0, 256, (*shape, 3), np.uint8)
    class_id, score = np.full(8, CAR, np.uint8), np.full(8, 0.99, np.float32)
    last = 0
    for k in range(FOLLOWED):
        if k % 3 == 0:
            roi = np.hstack((rng.integers(0, 450, (8, 2)), np.tile((16, 24), (8, 1)))).astype(np.int32)
        box = np.hstack((roi[:, :2], roi[:, :2] + roi[:, 2:])).astype(np.float32)
        objects = Instances(shape, class_id, score, box, roi, (mask,) * 8)
        last = max(last, tracker.update(k / 30, objects, picture).track_id.max())
        tracker.coasting(objects)
        if k % (FOLLOWED // 50) == 0:
            taken.append(memory(os.getpid()))
    warm = taken[len(taken) // 5 :]
    print(f"\n{FOLLOWED} frames, {last} ids: {warm[0]:.1f} MB after a fifth, {warm[-1]:.1f} MB at last")
    assert last > FOLLOWED
    assert warm[-1] - warm[0] < 2.0


def settled(camera):
    counts = camera.statistics.counts()
    return counts["frames_out"] + sum(counts["dropped"].values()) == counts["frames_in"]
