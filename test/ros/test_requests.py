"""No request ends the node, in no executor: unknown types, ids and labels, absurd sizes, what does not deserialise."""

from unittest.mock import Mock

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import SetBool
from type_description_interfaces.srv import GetTypeDescription

from seg_ros.ros.executor import GuardedExecutor
from seg_ros.ros.failures import CallbackErrors
from test.conftest import wait_for
from test.nodes import ask, move

ODD = ["", "no such", "~", "a" * 1000, "overlay_alpha", "weights", "\x00", "\x1b[31m\n", "..."]
TYPES = [0, 10, 77, 255]


def odd_parameters():
    right = ParameterValue(type=3, double_value=0.25)
    wrong = [ParameterValue(type=kind) for kind in TYPES] + [ParameterValue(type=3, double_value=float("nan"))]
    return [[Parameter(name=name, value=value)] for name in ODD for value in wrong] + [
        [Parameter(name="overlay_alpha", value=right), Parameter(name="mask_threshold", value=wrong[2])],
    ]


REQUESTS = {
    "set_parameters": (SetParameters, [{"parameters": p} for p in odd_parameters()]),
    "set_parameters_atomically": (SetParametersAtomically, [{"parameters": p} for p in odd_parameters()]),
    "describe_parameters": (DescribeParameters, [{"names": [name]} for name in ODD] + [{"names": ODD * 100}]),
    "get_parameters": (GetParameters, [{"names": [name]} for name in ODD] + [{"names": ODD * 100}]),
    "get_parameter_types": (GetParameterTypes, [{"names": [name]} for name in ODD]),
    "list_parameters": (ListParameters, [{"prefixes": ODD, "depth": depth} for depth in (0, 1, 2**63, 2**64 - 1)]),
    "change_state": (
        ChangeState,
        [{"transition": Transition(id=i)} for i in (0, 7, 77, 255)]
        + [{"transition": Transition(id=77, label=label)} for label in ODD],
    ),
    "get_type_description": (GetTypeDescription, [{"type_name": name, "type_hash": name} for name in ODD]),
    "enable": (SetBool, [{"data": True}]),
}


@pytest.fixture(params=[SingleThreadedExecutor, GuardedExecutor], ids=["foreign", "own"])
def node(request, start, graph, monkeypatch):
    """An unconfigured node on rclpy's executor, or on the one of our executable."""
    node = start(autostart=False)
    if request.param is GuardedExecutor:
        move(graph, node, monkeypatch)
    return node


def test_every_service_answers_whatever_it_is_asked(graph, node):
    for name, (kind, requests) in REQUESTS.items():
        client = graph.client.create_client(kind, f"/segmentation/{name}")
        assert client.wait_for_service(20)
        for fields in requests:  # one after the other: a service queues ten
            future = client.call_async(kind.Request(**fields))
            wait_for(future.done)
            assert isinstance(future.result(), kind.Response)
    assert ask(graph, "get_state", GetState).current_state.label == "unconfigured"


def test_a_parameter_of_unknown_type_is_refused_with_the_reason_and_counted(graph, node):
    statuses = graph.collect(DiagnosticArray, "/diagnostics")
    right, wrong = odd_parameters()[-1]
    results = ask(graph, "set_parameters", SetParameters, parameters=[right, wrong]).results
    assert [result.successful for result in results] == [True, False]
    assert "77" in results[1].reason
    assert "77" in ask(graph, "set_parameters_atomically", SetParametersAtomically, parameters=[wrong]).result.reason
    status = wait_for(lambda: [s for a in list(statuses) for s in a.status if s.level == DiagnosticStatus.WARN])[0]
    assert "set_parameters" in status.message
    wait_for(lambda: ("callback_errors", "2") in [(v.key, v.value) for v in statuses[-1].status[0].values])


def test_a_request_that_cannot_be_taken_costs_no_more_than_itself(graph, start, monkeypatch):
    node = start(autostart=False)
    take, bad = GuardedExecutor._take_service, ["one", "two"]

    def broken(executor, service):
        call = take(executor, service)
        if service.srv_name.endswith("get_parameters") and bad:
            raise RuntimeError(f"request {bad.pop(0)} does not deserialise")
        return call

    monkeypatch.setattr(GuardedExecutor, "_take_service", broken)
    move(graph, node, monkeypatch)
    client = graph.client.create_client(GetParameters, "/segmentation/get_parameters")
    assert client.wait_for_service(20)
    for sent in range(1, 3):
        client.call_async(GetParameters.Request())
        wait_for(lambda sent=sent: node.callback_errors.count == sent)
    assert "get_parameters raised RuntimeError('request two does not deserialise')" in str(node.callback_errors)
    assert ask(graph, "get_parameters", GetParameters, names=["weights"]).values
    assert ask(graph, "get_state", GetState).current_state.label == "unconfigured"


def test_what_the_executor_itself_raises_for_ever_neither_ends_it_nor_spins(ros, monkeypatch):
    raised, rests = [], []
    executor = GuardedExecutor(lambda where, error: raised.append((where, repr(error))))

    def broken(*_):
        if len(raised) == 3:
            executor.shutdown(timeout_sec=0)
        raise RuntimeError("a wait set")

    monkeypatch.setattr(executor, "spin_once", broken)
    monkeypatch.setattr("seg_ros.ros.executor.time.sleep", rests.append)
    executor.spin()
    assert raised == [("executor", "RuntimeError('a wait set')")] * 4
    assert rests == [0.1] * 4


def test_what_callbacks_raise_is_logged_once_a_second_in_one_line_and_shown_for_five(monkeypatch):
    node, now = Mock(), [100.0]
    monkeypatch.setattr("seg_ros.ros.failures.time.monotonic", lambda: now[0])
    errors = CallbackErrors(node)
    assert str(errors) == ""
    for _ in range(10):
        for _ in range(100):
            errors.raised("timer", ValueError("\n\x1b" + "x" * 10**4))
        now[0] += 0.25
    logged = [call.args[0] for call in node.get_logger().error.call_args_list]
    assert len(logged) == 3
    assert all(len(text) < 300 and text.count("\n") == 1 and "\x1b" not in text for text in logged)
    assert errors.count == 1000
    assert str(errors).startswith("timer raised ValueError(")
    now[0] += 5.0
    assert str(errors) == ""
