"""A node that makes a transition goes on answering, in any executor; only who asked for an engine waits for it."""

import logging
import threading

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from std_srvs.srv import SetBool

from seg_ros.segmenter import Segmenter
from test.conftest import wait_for
from test.nodes import active, ask, move, state


@pytest.fixture
def opening(monkeypatch):
    """Events: an engine is asked for, which takes until it is done."""
    begun, done = threading.Event(), threading.Event()
    opened = Segmenter.open

    def slow(*args, **options):
        begun.set()
        logging.getLogger("seg_ros.engines").warning("compiling slowly")
        assert done.wait(60)
        return opened(*args, **options)

    monkeypatch.setattr(Segmenter, "open", slow)
    yield begun, done
    done.set()


@pytest.mark.parametrize("guarded", [False, True], ids=["foreign", "own"])
def test_all_is_answered_while_an_engine_is_built(start, graph, monkeypatch, opening, guarded, capfd):
    begun, done = opening
    node = start(autostart=False)
    if guarded:
        move(graph, node, monkeypatch)
    told = graph.collect(DiagnosticArray, "/diagnostics")
    client = graph.client.create_client(ChangeState, "/segmentation/change_state")
    assert client.wait_for_service(20)
    configured = client.call_async(ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE)))
    assert begun.wait(20)
    assert ask(graph, "get_state", GetState).current_state.label == "configuring"
    assert ask(graph, "get_parameters", GetParameters, names=["engine"]).values[0].string_value == "eager"
    alpha = Parameter(name="overlay_alpha", value=ParameterValue(type=3, double_value=0.25))
    weights = Parameter(name="weights", value=ParameterValue(type=4, string_value="others"))
    live, fixed = ask(graph, "set_parameters", SetParameters, parameters=[alpha, weights]).results
    assert live.successful
    assert "'weights' takes effect at configure" in fixed.reason
    assert ask(graph, "enable", SetBool, data=True).success
    assert not ask(graph, "change_state", ChangeState, transition=Transition(label="activate")).success
    assert "transition activate is refused: configuring for 0 s: compiling slowly" in capfd.readouterr().err
    wait_for(lambda: [s for a in list(told) for s in a.status if s.message.startswith("configuring for ")])
    assert told[-1].status[0].message.endswith(" s: compiling slowly")
    assert not configured.done()
    done.set()
    wait_for(configured.done)
    assert configured.result().success
    assert state(node) == "inactive"
    assert node._settings.overlay_alpha == 0.25
    assert str(node.progress) == ""


def test_autostart_is_beside_the_executor_too(start, graph, opening):
    begun, done = opening
    node = start()
    assert begun.wait(20)
    assert ask(graph, "get_state", GetState).current_state.label == "configuring"
    done.set()
    active(node)


def test_who_asked_for_what_fails_is_told(start, graph):
    node = start(autostart=False, weights="/no/such.safetensors")
    assert not ask(graph, "change_state", ChangeState, transition=Transition(label="configure")).success
    assert state(node) == "unconfigured"
    weights = Parameter(name="weights", value=ParameterValue(type=4, string_value="others"))
    assert ask(graph, "set_parameters", SetParameters, parameters=[weights]).results[0].successful


def test_the_end_of_a_process_waits_for_no_transition(start, graph, opening):
    begun, done = opening
    node = start()
    assert begun.wait(20)
    assert not node.release(timeout=2.0)
    done.set()
    assert node.release()
    assert node.cameras == ()
