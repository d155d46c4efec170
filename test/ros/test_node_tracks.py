"""The node follows objects: ids that last from frame to frame and over the life cycle, live on and off."""

import itertools

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from seg_ros.ros import messages
from seg_ros.ros.cameras import Camera
from seg_ros.ros.subscription import Received
from seg_ros.segmenter import Segmenter
from seg_ros.tracking import FAINT, Tracker
from seg_ros_msgs.msg import InstanceMaskArray
from test.conftest import wait_for
from test.nodes import Objects, Sink, active, picture, send
from test.objects import PEDESTRIAN, found


class WithFaint(Objects):
    """Finds a car and a pedestrian, and, where faint objects are wanted, a bicyclist of score 0.2; or fewer."""

    shown = 2

    def output(self, size, wanted):
        self.selections.append(wanted.selection)
        objects = found(size)
        objects.score[:] = 0.97, 0.96, 0.2
        return objects if wanted.selection.faint_score == FAINT and self.shown == 2 else objects[: self.shown]


class Following:
    """An active node that has a subscriber of `~/instances`; it is sent frames a second apart, or with other stamps."""

    def __init__(self, start, graph):
        self.node = start()
        active(self.node)
        self.camera = graph.publisher(Image, "/eye/image")
        self.received = graph.collect(InstanceMaskArray, "/segmentation/instances")
        self.stamps = itertools.count(100)

    def next(self, stamp=None):
        """Sends the next frame, and returns id and age of the objects found in it."""
        message = picture(next(self.stamps))
        if stamp is not None:
            message.header.stamp.sec, message.header.stamp.nanosec = stamp, 0
        del self.received[:]
        wait_for(lambda: self.node.cameras[0].publishers.wanted())
        send(self.camera, message, self.received)
        return [(i.track_id, i.age_frames > 0) for i in self.received[-1].instances]

    def followed(self):
        """Sends frames until the objects have ids, and returns these."""
        wait_for(lambda: all(track for track, _ in self.next()))
        return [i.track_id for i in self.received[-1].instances]


@pytest.fixture
def objects(monkeypatch):
    segmenter = WithFaint()
    monkeypatch.setattr(Segmenter, "open", lambda *_, **__: segmenter)
    return segmenter


@pytest.fixture
def following(objects, start, graph):
    return Following(start, graph)


def test_ids_last_and_are_the_same_in_every_output(following, objects, graph):
    kinds = {"instances": InstanceMaskArray, "track_ids": Image, "instance_ids": Image}
    kinds |= {"detections": messages.vision.Detection2DArray} if messages.vision else {}
    received = {name: graph.collect(kind, f"/segmentation/{name}") for name, kind in kinds.items()}
    wait_for(lambda: len(following.node.cameras[0].publishers.wanted()) == len(kinds))
    assert following.followed() == [1, 2]
    assert [following.next() for _ in range(3)] == [[(1, True), (2, True)]] * 3
    wait_for(lambda: len({r[-1].header.stamp.sec for r in received.values() if r}) == 1 and all(received.values()))
    ids, tracks = (
        np.frombuffer(received[name][-1].data, "<u2").reshape(48, 72) for name in ("instance_ids", "track_ids")
    )
    np.testing.assert_array_equal(tracks, ids)  # here the objects' order is that of their tracks
    assert objects.selections[-1].faint_score == FAINT  # a bicyclist of score 0.2 was found, and is not published
    if messages.vision:
        assert [d.id for d in received["detections"][-1].detections] == ["1", "2"]


def test_tracking_is_live_and_costs_nothing_when_off(following, objects):
    assert following.followed() == [1, 2]
    assert following.node.set_parameters([Parameter("track", value=False)])[0].successful
    assert following.next() == [(0, False), (0, False)]
    assert objects.selections[-1].faint_score is None
    assert not following.node._worker._trackers
    assert following.node.set_parameters([Parameter("track", value=True)])[0].successful
    assert following.followed() == [3, 4]


def test_no_track_survives_a_transition_and_no_id_comes_back(following):
    node = following.node
    assert following.followed() == [1, 2]
    for step in (node.trigger_deactivate, node.trigger_activate):
        assert step() == TransitionCallbackReturn.SUCCESS
    assert following.followed() == [3, 4]
    for step in (node.trigger_deactivate, node.trigger_cleanup, node.trigger_configure, node.trigger_activate):
        assert step() == TransitionCallbackReturn.SUCCESS
    assert following.followed() == [5, 6]


def test_a_clock_that_jumps_back_begins_new_tracks_and_frames_without_stamp_go_by_the_clock(following):
    assert following.followed() == [1, 2]
    following.stamps = itertools.count(10)
    assert following.followed() == [3, 4]
    wait_for(lambda: following.next(stamp=0) == [(5, True), (6, True)])


def test_what_is_lost_is_told_of_by_predicted_boxes_while_that_is_wanted(objects, start):
    node = start()
    active(node)
    seen, sink = [], Sink()
    sink.publish = lambda outcome, topics: seen.append(outcome.output)
    camera = Camera("/eye/image", "", sink)

    def take(tenths):
        message = picture(100)
        message.header.stamp.nanosec = tenths * 10**8
        node._worker._work([(camera, Received(serialize_message(message), ["instances"]))])
        return seen[-1]

    take(0)
    assert take(1).tracks.track_id.tolist() == [1, 2]
    objects.shown = 1  # the pedestrian is lost
    assert take(2).coasting is None
    assert node.set_parameters([Parameter("coast", value=True)])[0].successful
    wait_for(lambda: node._worker._parameters().coast)
    output = take(3)
    assert (len(output), output.coasting.track_id.tolist(), output.coasting.class_id.tolist()) == (1, [2], [PEDESTRIAN])
    np.testing.assert_allclose(output.coasting.box, [[18, 9, 27, 25]], atol=2)
    assert take(8).coasting.track_id.size == 0  # for half a second
    objects.shown = 2
    assert take(9).tracks.track_id.tolist() == [1, 2]


def test_a_tracker_that_fails_costs_a_frame(following, monkeypatch):
    assert following.followed() == [1, 2]
    statistics, update = following.node.cameras[0].statistics, Tracker.update
    monkeypatch.setattr(Tracker, "update", lambda *_: 1 / 0)
    following.camera.publish(picture(next(following.stamps)))
    wait_for(lambda: statistics.dropped["internal"] == 1)
    monkeypatch.setattr(Tracker, "update", update)
    assert following.next() == [(1, True), (2, True)]
