"""Checks on a running graph that nav2's semantic_segmentation_layer gets label, confidence, names and cloud together.

    ros2 launch seg_ros segment.launch.py profile:=nav2 camera:=true depth_topic:=/camera/depth/image_raw
    ros2 run seg_ros consumers nav2 --weights unet_street > layer.yaml    # then set its pointcloud_topic: /lift/points
    python -m benchmarks.nav2 layer.yaml --sets 1000

Needs message_filters and vision_msgs of ROS 2, not nav2. Subscribes to the topics of the layer's own settings as it
does at b269885 (best effort, queues of 10; the names latched), and matches by message_filters' two synchronisers:
equal stamps, and at most 0.1 s apart. Prints how many labels came, how many sets each synchroniser made of them, and in
how many something was wrong: see `faults`. Exits 1 if anything was, or nothing came for 30 s.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from seg_ros.classes import UNLABELLED
from seg_ros.cli.command import one_line_errors
from seg_ros.lifting import POINT

if TYPE_CHECKING:
    from sensor_msgs.msg import Image, PointCloud2

_QUEUE = 10
"""Of the layer's subscriptions and synchronisers: its `sensor_data_depth`."""
_APART = 0.1
"""s between the stamps of a set; the layer's own."""
_SILENCE = 30.0


def faults(
    label: Image, confidence: Image, cloud: PointCloud2, names: dict[int, str] | None, wanted: Collection[str]
) -> list[str]:
    """Returns what the layer could not make use of in a set, each in a word or two.

    Args:
        names: the newest `LabelInfo`; None before the first, without which the layer ends nav2's costmap server.
        wanted: names of the classes in the layer's settings.
    """
    found = []
    stamps = {_stamp(m) for m in (label, confidence, cloud)}
    sizes = {(m.height, m.width) for m in (label, confidence, cloud)}
    found += ["several stamps"] * (len(stamps) > 1)
    found += ["several sizes"] * (len(sizes) > 1)
    found += ["label and cloud of several frames"] * (label.header.frame_id != cloud.header.frame_id)
    padded = any(m.step != m.width or len(m.data) != m.height * m.width for m in (label, confidence))
    found += ["encoding or padding"] * (padded or {label.encoding, confidence.encoding} != {"mono8"})
    if names is None:
        return [*found, "no names"]
    found += ["names of the settings missing"] * (not set(wanted) <= set(names.values()))
    ids = np.frombuffer(label.data, np.uint8)
    unnamed = set(np.flatnonzero(np.bincount(ids, minlength=256))) - names.keys() - {UNLABELLED}
    found += ["classes without a name"] * bool(unnamed)
    if cloud.point_step == POINT.itemsize and {"label", "confidence"} <= {field.name for field in cloud.fields}:
        points = np.frombuffer(cloud.data, POINT)
        same = np.array_equal(points["label"], ids)
        same &= np.array_equal(points["confidence"], np.frombuffer(confidence.data, np.uint8))
        found += ["points of other labels than their pixels'"] * (not same)
    return found


def _stamp(message: Image | PointCloud2) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec


class Check:
    """Counts the sets that come, and their faults.

    Args:
        camera: settings of the layer's observation source.
    """

    def __init__(self, camera: dict) -> None:
        self._wanted = [name for kind in camera["class_types"] for name in camera[kind]["classes"]]
        self._names: dict[int, str] | None = None
        self.sets, self.faults = Counter(), Counter()
        self._labels, self._met = [], []
        self.last = time.monotonic()

    def named(self, info: object) -> None:
        """Takes a LabelInfo."""
        self._names = {each.class_id: each.class_name for each in info.class_map}

    def labelled(self, label: Image) -> None:
        """Takes a label, whether or not it will be of a set."""
        self._labels.append(_stamp(label))

    @property
    def labels(self) -> int:
        """Returns how many labels came from the first set's to the last's."""
        return sum(self._met[0] <= stamp <= self._met[-1] for stamp in self._labels) if self._met else 0

    def met(self, synchroniser: str, *messages: Image | PointCloud2) -> None:
        """Takes a set: label, confidence, cloud."""
        self.last = time.monotonic()
        self._met.append(_stamp(messages[0]))
        self.sets[synchroniser] += 1
        self.faults.update(f"{synchroniser}: {fault}" for fault in faults(*messages, self._names, self._wanted))


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    """Checks until so many sets of equal stamps have come."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", type=Path, help="what `consumers nav2` printed, with your pointcloud_topic")
    parser.add_argument("--sets", type=int, default=100, help="of equal stamps, to wait for (default: %(default)s)")
    args = parser.parse_args(arguments)
    try:
        import message_filters
        from vision_msgs.msg import LabelInfo
    except ImportError as error:
        sys.exit(f"nav2: {error}: apt install ros-$ROS_DISTRO-message-filters ros-$ROS_DISTRO-vision-msgs")
    import rclpy
    from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image, PointCloud2

    layer = yaml.safe_load(args.settings.read_text())["local_costmap"]["local_costmap"]["ros__parameters"]
    camera = layer["semantic_segmentation_layer"]["camera"]
    rclpy.init()
    node, check = rclpy.create_node("nav2_check"), Check(camera)
    latched = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    best_effort = QoSProfile(depth=_QUEUE, reliability=ReliabilityPolicy.BEST_EFFORT)
    node.create_subscription(LabelInfo, camera["labels_topic"], check.named, latched)
    kinds = {"segmentation_topic": Image, "confidence_topic": Image, "pointcloud_topic": PointCloud2}
    inputs = [message_filters.Subscriber(node, kind, camera[t], qos_profile=best_effort) for t, kind in kinds.items()]
    inputs[0].registerCallback(check.labelled)
    exact = message_filters.TimeSynchronizer(inputs, _QUEUE)
    near = message_filters.ApproximateTimeSynchronizer(inputs, _QUEUE, _APART)
    exact.registerCallback(lambda *messages: check.met("equal stamps", *messages))
    near.registerCallback(lambda *messages: check.met("within 0.1 s", *messages))
    while check.sets["equal stamps"] < args.sets and time.monotonic() - check.last < _SILENCE:
        rclpy.spin_once(node, timeout_sec=1.0)
    print(f"labels: {check.labels}")
    for name in ("equal stamps", "within 0.1 s"):
        print(f"sets, {name}: {check.sets[name]}")
    for fault, count in check.faults.items():
        print(f"wrong, {fault}: {count}")
    if check.faults or check.sets["equal stamps"] < args.sets:
        sys.exit(1)


if __name__ == "__main__":
    main()
