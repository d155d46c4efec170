"""Makes serialised messages by `rosbags`, without ROS, of types that no type store has; they equal the live node's."""

from __future__ import annotations

import numpy as np

from seg_ros.classes import ClassMap
from seg_ros.errors import RecordingError
from seg_ros.results import Frame, Instances

try:
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    from rosbags.typesys.store import Typestore
except ImportError as error:
    raise RecordingError(f"bags need rosbags: {error}; pip install -r requirements/bags.txt") from error

LABEL_INFO, INSTANCES = "vision_msgs/msg/LabelInfo", "seg_ros_msgs/msg/InstanceMaskArray"
_ONE = "seg_ros_msgs/msg/InstanceMask"
DEFINITIONS = {
    "vision_msgs/msg/VisionClass": "uint16 class_id\nstring class_name\n",
    LABEL_INFO: "std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold\n",
    _ONE: (
        "uint16 id\nuint32 track_id\nuint32 age_frames\nfloat32 track_score\nuint8 class_id\nstring class_name\n"
        "float32 score\nsensor_msgs/RegionOfInterest roi\nsensor_msgs/Image mask\n"
    ),
    INSTANCES: "std_msgs/Header header\nuint32 height\nuint32 width\nseg_ros_msgs/InstanceMask[] instances\n",
}
"""Definition by type: those of https://github.com/ros-perception/vision_msgs (branch ros2) and of seg_ros_msgs."""


def types() -> Typestore:
    """Returns the store of message types: those of ROS 2 Kilted, and `DEFINITIONS`."""
    store = get_typestore(Stores.ROS2_KILTED)
    found: dict = {}
    for name, text in DEFINITIONS.items():
        found |= get_types_from_msg(text, name)
    store.register(found)
    return store


def label_info(store: Typestore, names: tuple[str, ...], time: int) -> bytes:
    """Makes the `vision_msgs/LabelInfo` of the classes `names`, of `time` in ns."""
    of = store.types
    classes = [of["vision_msgs/msg/VisionClass"](i, name) for i, name in enumerate(names)]
    message = of[LABEL_INFO](_header(store, divmod(time, 10**9), ""), classes, 0.0)
    return bytes(store.serialize_cdr(message, LABEL_INFO))


def instances(store: Typestore, frame: Frame, found: Instances, classes: ClassMap) -> bytes:
    """Makes the `seg_ros_msgs/InstanceMaskArray` of the objects of a frame, with its stamp and frame_id."""
    of = store.types
    image, roi = of["sensor_msgs/msg/Image"], of["sensor_msgs/msg/RegionOfInterest"]
    header, tracks = _header(store, frame.stamp, frame.frame_id), found.tracks
    objects = []
    for i, (mask, (x, y, width, height)) in enumerate(zip(found.masks, found.roi.tolist(), strict=True)):
        class_id = int(found.class_id[i])
        track = (0, 0, 0.0)
        if tracks is not None:
            track = int(tracks.track_id[i]), int(tracks.age_frames[i]), float(tracks.track_score[i])
        pixels = image(header, height, width, "mono8", 0, width, np.ascontiguousarray(mask).reshape(-1))
        place = roi(x, y, height, width, False)
        objects.append(of[_ONE](i + 1, *track, class_id, classes.names[class_id], float(found.score[i]), place, pixels))
    message = of[INSTANCES](header, *found.size, objects)
    return bytes(store.serialize_cdr(message, INSTANCES))


def _header(store: Typestore, stamp: tuple[int, int], frame_id: str) -> object:
    return store.types["std_msgs/msg/Header"](store.types["builtin_interfaces/msg/Time"](*stamp), frame_id)
