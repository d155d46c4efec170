"""The graph of the tests outlives what a test does to it."""

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from sensor_msgs.msg import Image

from test.nodes import picture, send


def test_what_is_destroyed_just_before_the_executor_waits_for_it_does_not_end_it(graph, monkeypatch):
    doomed = graph.client.create_subscription(Image, "/doomed", lambda _: None, 10)
    destroyed, can_execute = [], graph._executor.can_execute

    def destroys(entity):  # is asked of each entity when the executor lists what to wait for
        if entity is doomed.event_handlers[-1] and not destroyed:
            destroyed.append(graph.client.destroy_subscription(doomed))
        return can_execute(entity)

    monkeypatch.setattr(graph._executor, "can_execute", destroys)
    camera, images = graph.publisher(Image, "/eye/image"), graph.collect(Image, "/eye/image")
    send(camera, picture(), images)
    assert destroyed == [True]
