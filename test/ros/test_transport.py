"""What the middleware's settings carry: the verdict on real processes, and whether images then do get lost."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from seg_ros import fast_dds
from seg_ros.ros.transport import cyclone_dds_shortfall, fast_dds_shortfall, shortfall
from test.conftest import wait_for

if "fastrtps" not in rclpy.get_rmw_implementation_identifier():
    pytest.skip("the middleware is not Fast DDS", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
HD, UHD = 1920 * 1080 * 3, 3840 * 2160 * 3
NAME = fast_dds.variable()
OURS = {NAME: str(ROOT / "config/fastdds.xml")}
STOCK = [549408]
"""Bytes of the segment that Fast DDS makes of its own accord."""
PROFILE = """
<dds xmlns="http://www.eprosima.com"><profiles>
  <transport_descriptors>
    <transport_descriptor><transport_id>shm</transport_id><type>SHM</type>
      <segment_size>{size}</segment_size></transport_descriptor>
  </transport_descriptors>
  <participant profile_name="small" is_default_profile="{default}"><rtps>
    <userTransports><transport_id>shm</transport_id></userTransports><useBuiltinTransports>false</useBuiltinTransports>
  </rtps></participant>
</profiles></dds>
"""

# A camera that first says what its transport falls short of, size by size, then sends as soon as somebody listens.
CAMERA = """
import sys, time, rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from seg_ros.ros.transport import shortfall
rclpy.init()
node = rclpy.create_node("eye")
count, *sizes = map(int, sys.argv[1:])
for size in sizes:
    print(shortfall(size), flush=True)
if count:
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    camera = node.create_publisher(Image, "/eye/image", qos)
    while not camera.get_subscription_count():
        time.sleep(0.05)
    time.sleep(0.5)  # the subscriber may find the camera later
    image = Image(height=1, width=size, step=size, encoding="mono8", data=bytes(size))
    for i in range(count):
        image.header.stamp.sec = i
        camera.publish(image)
        time.sleep(0.1)
    time.sleep(0.5)
"""


@pytest.fixture
def camera(ros_env, tmp_path):
    """Starts a process with these settings instead of those of the test: it sends `count` images of the last size.

    Returns what it says of each size.
    """

    def camera(*sizes, count=0, within=(), **settings):
        drop = (*fast_dds.VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS")
        env = {name: value for name, value in ros_env.items() if name not in drop} | settings
        command = [*within, sys.executable, "-c", CAMERA, *map(str, (count, *sizes))]
        done = subprocess.run(command, env=env, cwd=tmp_path, text=True, stdout=subprocess.PIPE, timeout=60, check=True)
        return done.stdout.splitlines()[-len(sizes) :]

    return camera


def test_shipped_profile_carries_camera_images(camera):
    hd, uhd, larger = camera(HD, UHD, 2 * UHD, **OURS)
    assert (hd, uhd) == ("", "")
    assert f"raise segment_size of the default participant in {OURS[NAME]}" in larger


def test_stock_settings_do_not(camera):
    hd, small = camera(HD, 320 * 240 * 3)
    assert hd.startswith("messages of 6.2 MB may get lost between processes: expected a shared-memory segment of")
    assert "12.4 MB, got 0.5 MB" in hd
    assert re.search(rf"; export {NAME}=/\S+/config/fastdds\.xml, ", hd)  # in a workspace, the installed one
    assert small == ""


def test_profile_that_is_no_xml_gives_the_stock_segment(camera, tmp_path):
    (tmp_path / "cut.xml").write_bytes((ROOT / "config/fastdds.xml").read_bytes()[:-200])
    (verdict,) = camera(HD, **{NAME: str(tmp_path / "cut.xml")})
    assert "got 0.5 MB; " in verdict
    assert "cut.xml, which is no XML (" in verdict


@pytest.mark.parametrize("variable", fast_dds.VARIABLES)
def test_profile_that_does_not_exist_is_named(tmp_path, variable):
    missing = str(tmp_path / "missing.xml")
    verdict = fast_dds_shortfall(HD, STOCK, 2**30, {variable: missing})
    assert f"{variable} names {missing}, which does not exist" in verdict


@pytest.mark.parametrize(
    ("size", "default", "word"), [(8_000_000, "true", "got 8.4 MB"), (64_000_000, "false", "got 0.5 MB")]
)
def test_profile_with_too_small_a_segment_is_named(camera, tmp_path, size, default, word):
    (tmp_path / "mine.xml").write_text(PROFILE.format(size=size, default=default))
    (verdict,) = camera(HD, **{NAME: str(tmp_path / "mine.xml")})
    assert word in verdict
    assert f"raise segment_size of the default participant in {tmp_path / 'mine.xml'} ({NAME})" in verdict


def test_process_without_shared_memory(camera):
    settings = {"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4", "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}
    assert "got none; leave shared memory on" in camera(HD, **settings)[0]


@pytest.mark.parametrize(("discovery", "got"), [("SUBNET", "none"), ("LOCALHOST", "0.5 MB")])
def test_container_with_little_shared_memory(camera, discovery, got):
    within = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"', "sh"]
    if shutil.which("unshare") is None or subprocess.run([*within, "true"], check=False).returncode:
        pytest.skip("no right to mount a /dev/shm of its own")
    (verdict,) = camera(HD, within=within, **OURS, ROS_AUTOMATIC_DISCOVERY_RANGE=discovery)
    assert f"got {got};" in verdict
    assert re.search(r"/dev/shm has 6\d\.\d MB free \(docker run --shm-size", verdict)


@pytest.mark.alone
def test_segments_of_other_processes_do_not_count(graph, camera, tmp_path):
    # The graph's node receives through the camera's segment, which is mapped into its process while it does.
    verdicts, qos = [], QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    graph.client.create_subscription(Image, "/eye/image", lambda _: verdicts.append(shortfall(2**26)), qos)
    (tmp_path / "large.xml").write_text(PROFILE.format(size=2**27, default="true"))
    assert camera(2**16, count=5, **{NAME: str(tmp_path / "large.xml")}) == [""]
    assert verdicts
    assert all(verdicts)


@pytest.mark.alone
@pytest.mark.parametrize("stock", [True, False])
def test_verdict_is_what_happens(graph, camera, stock):
    images = graph.collect(Image, "/eye/image", QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT))
    (verdict,) = camera(HD, count=10, **({} if stock else OURS))
    assert bool(verdict) is stock
    if stock:
        assert len(images) < 5
    else:
        wait_for(lambda: len(images) >= 9)


# What cannot be had here


def test_without_a_proc_nothing_is_known():
    assert fast_dds_shortfall(HD, None, 0, {}) == ""
    assert cyclone_dds_shortfall(HD, None, {}) == ""


def test_cyclone_dds():
    uri = {"CYCLONEDDS_URI": "file:///mine.xml"}
    assert cyclone_dds_shortfall(HD, 2**31 - 1, uri) == ""
    assert f"expected net.core.rmem_max of {HD}" in cyclone_dds_shortfall(HD, 212992, uri)
    assert "got 212992 and file:///mine.xml" in cyclone_dds_shortfall(HD, 212992, uri)
    assert "got 2147483647 and no URI" in cyclone_dds_shortfall(HD, 2**31 - 1, {})


@pytest.mark.parametrize(("middleware", "empty"), [("rmw_cyclonedds_cpp", False), ("rmw_zenoh_cpp", True), ("x", True)])
def test_middleware_is_asked_for(monkeypatch, middleware, empty):
    monkeypatch.setattr(rclpy, "get_rmw_implementation_identifier", lambda: middleware)
    assert (shortfall(10**12, {}) == "") is empty
