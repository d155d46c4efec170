"""The node's life cycle on a real ROS graph: transitions, wrong parameters, threads, the end of the process."""

import threading
import time

import pytest
import torch

pytest.importorskip("rclpy", reason="rclpy is not installed")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from seg_ros.errors import EngineError
from test.conftest import wait_for
from test.nodes import active, before_each_frame, fail, picture, send, state


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"weights": "/no/such.safetensors"}, ["/no/such.safetensors", "no such file"]),
        ({"overlay_alpha": 7.0}, ["overlay_alpha", "7.0", "0.0 to 1.0"]),
        ({"engine": "warp"}, ["engine", "warp", "'auto', 'tensorrt', 'inductor', 'openvino', 'eager'"]),
    ],
)
def test_a_wrong_parameter_leaves_the_node_alive_and_unconfigured(start, graph, overrides, words):
    node = start(autostart=False, **overrides)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert state(node) == "unconfigured"
    statuses = graph.collect(DiagnosticArray, "/diagnostics")
    wait_for(lambda: statuses and statuses[-1].status[0].level == DiagnosticStatus.ERROR)
    assert all(word in statuses[-1].status[0].message for word in words)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"weights": "~nosuchuser/mine"}, ["weights", "'~nosuchuser/mine'", "~nosuchuser has no home folder"]),
        ({"weights": 300 * "a"}, ["weights", "aaa", "File name too long"]),
        ({"cache_dir": "~nosuchuser"}, ["'cache_dir'", "'~nosuchuser'", "give the whole path"]),
        ({"input_topic": "~/overlay"}, ["'input_topic'", "'/segmentation/overlay'", "an own output"]),
        (
            {"input_topics": ["/front/image", "/segmentation/front/label"]},
            ["'input_topic'", "'/segmentation/front/label'", "an own output"],
        ),
        ({"input_topics": ["/" + 240 * "a", "/b"]}, ["output '~/aaa", "not exceed", "shorter topics"]),
        ({"input_topic": "/eye", "input_topics": ["/front/image"]}, ["'input_topics'", "'/eye'", "one of them"]),
    ],
)
def test_paths_and_topics_that_cannot_be_are_named_without_a_traceback(start, overrides, words):
    node = start(autostart=False, **overrides)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert str(node.problem).startswith("configure failed: ")  # on_configure, if it was not foreseen
    assert all(word in str(node.problem) for word in words)


def test_a_wrong_parameter_can_be_put_right(start, small_weights):
    node = start(autostart=False, weights="/no/such.safetensors")
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert node.set_parameters([Parameter("weights", value=str(small_weights))])[0].successful
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS


def test_a_topic_that_is_no_name_fails_configure(start, graph):
    node = start(autostart=False, input_topic="bad topic")
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "'input_topic'" in str(node.problem)
    assert "bad topic" in str(node.problem)


def test_life_cycle_repeats_without_leaks(start, graph):
    node = start(autostart=False)
    camera = graph.publisher(Image, "/eye/image")
    labels = graph.collect(Image, "/segmentation/label")
    threads, entities = set(), set()
    for _ in range(5):
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        for _ in range(2):
            assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
            labels.clear()
            send(camera, picture(), labels)
            threads.add(threading.active_count())
            assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
        assert state(node) == "unconfigured"
        entities.add(tuple(len(list(e)) for e in (node.publishers, node.subscriptions, node.timers, node.services)))
    assert len(threads) == 1
    assert len(entities) == 1


def test_nothing_is_published_while_inactive(serving):
    node, camera, labels = serving
    node.trigger_deactivate()
    time.sleep(0.2)
    labels.clear()
    for _ in range(5):
        camera.publish(picture())
        time.sleep(0.05)
    assert not labels


def test_deactivate_waits_for_the_frame_in_work(serving):
    node, camera, _labels = serving
    started = threading.Event()
    before_each_frame(node, lambda: (started.set(), time.sleep(1.0)))
    camera.publish(picture(2))
    assert started.wait(5)
    node.trigger_deactivate()
    assert [t.name for t in threading.enumerate()].count("inference") == 0


def test_what_a_transition_raises_is_reported(start, graph, monkeypatch):
    node = start(autostart=False)
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    monkeypatch.setattr("seg_ros.ros.node.Worker", lambda *_: 1 / 0)
    node.trigger_activate()
    statuses = graph.collect(DiagnosticArray, "/diagnostics")
    wait_for(lambda: statuses and statuses[-1].status[0].level == DiagnosticStatus.ERROR)
    assert "on_activate failed: ZeroDivisionError" in statuses[-1].status[0].message


def test_threads_hold_on_the_inference_thread(start, graph):
    node = start(threads=1)
    active(node)
    seen = []
    before_each_frame(node, lambda: seen.append(torch.get_num_threads()))
    camera = graph.publisher(Image, "/eye/image")
    labels = graph.collect(Image, "/segmentation/label")
    send(camera, picture(), labels)
    assert set(seen) == {1}


def test_a_fatal_error_is_handed_to_whoever_runs_the_process(serving, graph, monkeypatch):
    node, camera, _labels = serving
    ended = threading.Event()
    monkeypatch.setattr(node, "_fatal", ended.set)
    statuses = graph.collect(DiagnosticArray, "/diagnostics")
    before_each_frame(node, fail(EngineError("device lost", fatal=True)))
    camera.publish(picture())
    assert ended.wait(10)
    wait_for(lambda: statuses and "inference failed: the device is lost" in statuses[-1].status[0].message)
