"""One camera of the node: its name, its pace, what it misses, and its subscription on a real graph."""

import itertools
import random
import threading
import time

import pytest
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.qos import ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image

from seg_ros.ros.cameras import Camera
from seg_ros.ros.names import camera_names
from seg_ros.ros.outputs import Publishers
from seg_ros.ros.parameters import Parameters
from seg_ros.ros.subscription import Pace, Subscription
from test.conftest import wait_for
from test.nodes import picture


@pytest.mark.parametrize(
    ("topics", "names"),
    [
        (["/front/image_raw", "/rear/image_raw"], ["front", "rear"]),
        (["front/image", "rear/image_rect/compressed"], ["front", "rear"]),
        (["/front/image_raw/compressed", "/rear/image_raw/compressed"], ["front", "rear"]),
        (["/robot1/eye/image", "/robot2/eye/image"], ["robot1_eye", "robot2_eye"]),
        (["/robot1/eye/image", "/robot1/arm/image"], ["eye", "arm"]),
        (["/eye/image", "/robot/eye/image"], ["eye", "robot_eye"]),
        (["/eye/left", "/eye/right"], ["eye_left", "eye_right"]),
        (["/eye/image", "/eye/image/compressed"], ["eye_image", "eye_image_compressed"]),
        (["left", "right"], ["left", "right"]),
        (["/image", "/front/image"], ["image", "front_image"]),
        (["/front/image_raw"], ["front"]),
    ],
)
def test_camera_names(topics, names):
    assert camera_names(topics) == names
    assert camera_names(topics[::-1]) == names[::-1]


@pytest.mark.parametrize("topics", [["/a/b", "/a_b"], ["/front/image", "front/image"], ["/a", "/b", "/a"]])
def test_cameras_of_one_name_are_refused(start, topics):
    node = start(autostart=False, input_topics=topics)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "input_topics" in str(node.problem)


def test_names_are_those_of_the_resolved_topics(start):
    node = start(autostart=False, input_topics=["~/left", "/rear/image"])
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert [camera.name for camera in node.cameras] == ["segmentation", "rear"]


# Pace


def admitted(arrivals, rate):
    pace = Pace()
    return [now for now in arrivals if pace.admits(now, rate)]


def test_no_rate_is_no_limit():
    arrivals = [1e4] * 50 + [1e4 + 0.001 * i for i in range(50)]
    assert admitted(arrivals, 0.0) == arrivals


@pytest.mark.parametrize("jitter", [0.0, 0.25, 0.49])
def test_a_camera_at_the_limit_loses_nothing(jitter):
    rng, period = random.Random(0), 1 / 30
    arrivals = [1e4 + period * (i + jitter * rng.uniform(-1, 1)) for i in range(3000)]
    assert admitted(arrivals, 30.0) == arrivals


@pytest.mark.parametrize("camera", [31.0, 45.0, 60.0, 200.0])
def test_a_faster_camera_has_the_rate_in_the_long_run(camera):
    rng, rate = random.Random(1), 30.0
    arrivals = [1e4 + (i + 0.3 * rng.uniform(-1, 1)) / camera for i in range(int(60 * camera))]
    assert 0.98 * 60 * rate < len(admitted(arrivals, rate)) <= 60 * rate + 2


@pytest.mark.parametrize("rate", [0.5, 7.0, 30.0])
def test_no_stretch_of_time_has_more_than_the_rate(rate):
    """Whatever comes and pauses: the k-th frame after any other is at least k - 1 periods later."""
    rng, now, arrivals = random.Random(2), 1e4, []
    for _ in range(5000):
        now += rng.choice([0.0, 0.001, 0.01, 0.03, 1 / rate, 5.0]) * rng.random()
        arrivals.append(now)
    passed = admitted(arrivals, rate)
    assert len(passed) > 10
    for k in (1, 2, 5, 20):
        assert all(b - a >= (k - 1) / rate - 1e-6 for a, b in zip(passed, passed[k:], strict=False))


def test_a_slower_camera_loses_nothing():
    arrivals = [1e4 + 0.1 * i for i in range(100)]
    assert admitted(arrivals, 30.0) == arrivals


def test_a_higher_rate_acts_at_once():
    pace = Pace()
    assert [pace.admits(1e4 + i, 0.01) for i in range(5)].count(True) < 3
    assert [pace.admits(1e4 + 5 + 0.1 * i, 10.0) for i in range(10)].count(True) > 7


# On a graph


class Eye:
    """A subscription to the topic /eye/image, and what it took."""

    def __init__(self, graph, name, topic="/eye/image"):
        self.taken, self.failures = [], []
        self.node = graph.add(LifecycleNode(name))
        self.camera = Camera(topic, "", Publishers(self.node, "semantic"))
        self.subscription = Subscription(self.node, self.camera, self, self)

    def put(self, camera, received):
        self.taken.append(received.message)

    def lost(self, errors):
        self.failures += errors.values()


NUMBERS = itertools.count()


@pytest.fixture
def eye(graph):
    """The graph remembers the nodes of the tests before for a while, so each has its own name."""
    eyes = []

    def eye(*topic):
        eyes.append(Eye(graph, f"camera_{next(NUMBERS)}", *topic))
        return eyes[-1]

    yield eye
    for each in eyes:
        each.subscription.close()
        each.camera.publishers.destroy()


def info(publisher, number):
    return {"publisher_gid": {"data": publisher}, "publication_sequence_number": number}


@pytest.mark.parametrize(
    ("infos", "lost"),
    [
        ([(b"a", 1), (b"a", 2), (b"a", 3)], 0),
        ([(b"a", 7), (b"a", 8)], 0),  # what was before the first is not known
        ([(b"a", 1), (b"a", 4), (b"a", 5), (b"a", 10)], 6),
        ([(b"a", 9), (b"b", 1), (b"b", 2)], 0),  # the camera was started again
        ([(b"a", 9), (b"b", 500)], 0),
        ([(b"a", 9), (b"b", 1), (b"b", 3)], 1),
        ([(b"a", 9), (b"a", 9), (b"a", 3), (b"a", 4)], 0),  # numbers never count back
        ([(b"a", None), (b"a", None)], 0),  # a middleware that does not number
        ([(b"a", 1), (b"a", None), (b"a", 9)], 7),
    ],
)
def test_missing_frames_are_counted(eye, infos, lost):
    eye = eye()
    for publisher, number in infos:
        eye.subscription._receive(b"", info(publisher, number))
    statistics = eye.camera.statistics
    assert (statistics.frames_in, statistics.counts()["dropped"].get("transport", 0)) == (len(infos) + lost, lost)
    assert len(eye.taken) == len(infos)
    assert eye.failures == []


def test_a_message_without_numbers_is_taken(eye):
    eye = eye()
    eye.subscription._receive(b"", {})
    eye.subscription._receive(b"", {"publisher_gid": None, "publication_sequence_number": 5})
    assert (eye.taken, eye.failures) == ([b"", b""], [])


def test_what_goes_wrong_is_told_and_raises_nothing(eye):
    eye = eye()
    eye.put = lambda *_: 1 / 0
    eye.subscription._receive(b"", info(b"a", 1))
    assert [type(error) for error in eye.failures] == [ZeroDivisionError]


def test_frames_beyond_the_rate_are_counted(eye):
    eye = eye()
    eye.subscription._max_rate = 0.001
    for number in range(1, 11):
        eye.subscription._receive(b"", info(b"a", number))
    assert 1 <= len(eye.taken) <= 2
    assert eye.camera.statistics.counts()["dropped"] == {"rate": 10 - len(eye.taken)}


def followed(graph, eye, parameters=None):
    """The label is wanted, so the stream subscribes."""
    graph.collect(Image, f"/{eye.node.get_name()}/label")
    wait_for(lambda: eye.camera.publishers.wanted())
    eye.subscription.follow(parameters or Parameters())


def test_what_the_camera_sends_is_taken_as_it_is(graph, eye):
    eye, camera = eye(), graph.publisher(Image, "/eye/image")
    followed(graph, eye)
    message = picture()
    wait_for(lambda: eye.taken or (camera.publish(message), time.sleep(0.1))[0])
    assert deserialize_message(eye.taken[0], Image) == message


@pytest.mark.parametrize(
    ("topic", "kind"), [("/eye/image", Image), ("eye/compressed", CompressedImage), ("/compressed_eye", Image)]
)
def test_the_topic_tells_the_kind_of_message(eye, topic, kind):
    assert eye(topic).camera.kind is kind


def test_subscribes_only_while_it_is_wanted_and_enabled(graph, eye):
    eye = eye()
    eye.subscription.follow(Parameters())
    assert not eye.subscription.open
    followed(graph, eye)
    assert eye.subscription.open
    subscription = eye.subscription._subscription
    eye.subscription.follow(Parameters())
    assert eye.subscription._subscription is subscription  # nothing to change
    eye.subscription.follow(Parameters(enabled=False))
    assert not eye.subscription.open
    wait_for(lambda: graph.client.count_subscribers("/eye/image") == 0)


@pytest.mark.parametrize("reliable", [True, False])
@pytest.mark.parametrize("wish", ["auto", "reliable", "best_effort"])
def test_reliability_is_the_cameras_or_the_one_that_is_asked_for(graph, eye, reliable, wish):
    eye, _camera = eye(), graph.publisher(Image, "/eye/image", reliable)
    wait_for(lambda: eye.node.count_publishers("/eye/image"))
    followed(graph, eye, Parameters(input_reliability=wish))
    expected = reliable if wish == "auto" else wish == "reliable"
    kind = ReliabilityPolicy.RELIABLE if expected else ReliabilityPolicy.BEST_EFFORT

    def subscribed():
        infos = graph.client.get_subscriptions_info_by_topic("/eye/image")
        return [i.qos_profile.reliability for i in infos if i.node_name == eye.node.get_name()]

    assert wait_for(subscribed) == [kind]


def test_frames_that_the_middleware_overwrites_are_counted(graph, eye):
    """The executor is held up while a camera sends: only the newest of its frames is kept, and no one else says so."""
    eye, camera = eye(), graph.publisher(Image, "/eye/image")
    held, gate, message = threading.Event(), threading.Event(), serialize_message(picture())
    followed(graph, eye)
    wait_for(lambda: camera.get_subscription_count())
    camera.publish(message)
    wait_for(lambda: eye.taken)
    eye.put = lambda camera, received: (eye.taken.append(received.message), held.set(), gate.wait(20))
    camera.publish(message)
    assert held.wait(20)
    for _ in range(10):
        camera.publish(message)
    time.sleep(0.5)
    gate.set()
    wait_for(lambda: len(eye.taken) >= 3)
    statistics = eye.camera.statistics
    wait_for(lambda: statistics.frames_in == 12)
    assert len(eye.taken) + statistics.counts()["dropped"]["transport"] == 12
    assert len(eye.taken) < 12
