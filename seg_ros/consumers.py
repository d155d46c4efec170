"""What the programs that take labels want, as their own settings: topics, class lists and thresholds, filled in.

Each table here was read from the sources of its consumer; `docs/consumers.md` says which, and how it was tried.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable

from seg_ros.autoware import NAMES as AUTOWARE
from seg_ros.autoware import counterpart
from seg_ros.manifest import Manifest
from seg_ros.models import INSTANCES

GROUND = ("road", "pavement", "sidewalk", "crosswalk", "lane", "path", "ground", "floor")
"""Classes that a robot drives on, by the names that data sets give them."""
PEOPLE = ("pedestrian", "person", "people", "human", "rider", "bicyclist", "cyclist")
SKY = ("sky",)
"""Classes that no robot runs into."""
REMOVED = ("BUILDING", "WALL", "ROAD", "VEGETATION")
"""Whose points Autoware removes, as it is set up."""
_NAME = re.compile(r"[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Source:
    """A segmentation node, as a consumer sees it.

    Attributes:
        node: its full name, such as `/segmentation`.
        weights: that it runs, as they were named.
        manifest: of the weights.
        chosen: classes that the consumer is to be about, in place of those that are found by their names.
        camera: name of the one camera, where there are several; empty: there is one.
    """

    node: str
    weights: str
    manifest: Manifest
    chosen: tuple[str, ...] = ()
    camera: str = ""

    def __post_init__(self) -> None:
        if not all(map(_NAME.fullmatch, (self.node.removeprefix("/"), self.camera or "camera"))):
            raise ValueError(
                "expected names of ROS, letters, digits and _ with single / between them, such as /front/segmentation, "
                f"got {self.node!r} and {self.camera!r}"
            )
        if strange := [name for name in self.chosen if name not in self.names]:
            raise ValueError(f"expected classes of {self.weights}, {', '.join(self.names)}, got {', '.join(strange)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Returns the classes that the network can tell: all of them, or those of its objects."""
        classes = self.manifest.classes
        found = sorted(classes.things) if self.manifest.task == INSTANCES else range(len(classes))
        return tuple(classes.names[i] for i in found)

    def topic(self, name: str) -> str:
        """Returns the full name of an output topic of the camera."""
        return "/".join(part for part in (self.node, self.camera, name) if part)

    def about(self, consumer: str, known: Iterable[str]) -> list[str]:
        """Returns the classes that a consumer cannot do without: those that were chosen, else those `known`.

        Raises:
            ValueError: the weights have none of them.
        """
        found = list(self.chosen) or _of(self.names, known)
        if not found:
            raise ValueError(
                f"{consumer} needs a class such as {', '.join(known)}, and {self.weights} has "
                f"{', '.join(self.names)}; name those that are meant with --classes, or take other weights"
            )
        return found


def nav2(source: Source) -> str:
    """Returns the parameters of nav2's semantic_segmentation_layer: a cost for every class but the sky."""
    ground = source.about("nav2", GROUND)
    rest = [name for name in source.names if name not in (*ground, *_of(source.names, SKY))]
    people = _of(rest, PEOPLE)
    kinds = {
        "traversable": (ground, 0, 0, 0, 0, False),
        "obstacle": ([name for name in rest if name not in people], 100, 254, 127, 3, False),
        "person": (people, 254, 254, 0, 0, True),
    }
    kinds = {kind: row for kind, row in kinds.items() if row[0]}  # the layer takes no empty list
    costs = "".join(
        f"""\
          {kind}:
            classes: {_list(classes)}
            base_cost: {base}
            max_cost: {most}
            mark_confidence: {sure}
            samples_to_max_cost: {samples}
            dominant_priority: {_flag(first)}
"""
        for kind, (classes, base, most, sure, samples, first) in kinds.items()
    )
    name = _text(source.camera.replace("/", "_") or "camera")
    return f"""\
# nav2, costmap plugin semantic_segmentation_layer: paste into nav2_params.yaml, below
# local_costmap/local_costmap/ros__parameters, with "semantic_segmentation_layer" in its list `plugins`.
# {source.node}/label_info is there only if vision_msgs is installed beside seg_ros: without it the layer
# ends nav2's costmap server at the first label.
local_costmap:
  local_costmap:
    ros__parameters:
      semantic_segmentation_layer:
        plugin: "semantic_segmentation_layer::SemanticSegmentationLayer"
        enabled: true
        observation_sources: {name} # several cameras: their names, separated by spaces
        use_approximate_time_sync: true # stamps at most 0.1 s apart; false: equal stamps
        {name}:
          segmentation_topic: {_text(source.topic("label"))}
          confidence_topic: {_text(source.topic("confidence"))}
          labels_topic: {_text(f"{source.node}/label_info")}
          # Yours: organised, of the labels' height x width, from a depth image registered to the camera's.
          pointcloud_topic: /camera/depth_registered/points
          max_obstacle_distance: 5.0 # m
          min_obstacle_distance: 0.3 # m
          tile_map_decay_time: 5.0 # s
          use_cost_selection: true # of several pixels on a tile the costliest; false: the surest
          class_types: {_list(kinds)}
          # A tile costs base_cost (0 free, 254 lethal) after one observation, max_cost after samples_to_max_cost whose
          # mean confidence (0 to 255) is above mark_confidence. With dominant_priority one observation clears the
          # tile's others. A class that is in no list, such as sky, is ignored.
{costs}"""


def nvblox(source: Source) -> str:
    """Returns the parameters of nvblox_node, and its remappings as comments: what is masked is no part of the map."""
    people = source.about("nvblox", PEOPLE)
    color, mask = "camera_0/color", "camera_0/mask"
    return f"""\
# Isaac ROS nvblox: pass this file to nvblox_node after nvblox_base.yaml and nvblox_segmentation.yaml, with
#   -r {mask}/image:={source.topic("mask/people")}
#   -r {mask}/camera_info:={source.topic("camera_info")}
#   -r {color}/image:=YOUR_CAMERA/image_rect -r {color}/camera_info:={source.topic("camera_info")}
# and the node's own parameters, which are those of profile:=nvblox but for the classes:
#   masks: {{people: {_list(people)}}}
#   mask_margin: 4
# The colour image must be rgb8 or bgra8, rectified (nvblox takes K and ignores the distortion), and the very one that
# is segmented: its stamp and size must equal the mask's. Another size ends nvblox.
/**:
  ros__parameters:
    mapping_type: human_with_static_tsdf
    use_segmentation: true
    use_color: true
    use_depth: true
    input_qos: SENSOR_DATA # meets every publisher
    multi_mapper:
      remove_small_connected_components: true
      # Pixels: smaller spots of the mask are no people. mask_margin grows what is far away.
      connected_mask_component_size_threshold: 2000
"""


def autoware(source: Source) -> str:
    """Returns the parameters of Autoware's segmentation_pointcloud_fusion: whose points it removes."""
    ours: dict[str, list[str]] = {name: [] for name in AUTOWARE}
    for name in source.names:
        ours[counterpart(name) or "UNKNOWN"].append(name)
    removed = {counterpart(name) for name in source.chosen} or {name for name in REMOVED if ours[name]}
    if not removed or "" in removed:
        raise ValueError(
            f"autoware needs classes whose points it can remove: its {', '.join(REMOVED)}, or with --classes others "
            f"that have a name there; {source.weights} has "
            + ", ".join(f"{name} ({counterpart(name) or 'UNKNOWN'})" for name in source.names)
        )
    labels = "".join(f"      {name}: {_flag(name in removed)}{_comment(ours[name])}\n" for name in AUTOWARE)
    return f"""\
# Autoware, segmentation_pointcloud_fusion: in place of its config/segmentation_pointcloud_fusion.param.yaml.
#   ros2 launch autoware_image_projection_based_fusion segmentation_pointcloud_fusion.launch.xml \\
#     semantic_segmentation_based_filter_param_path:=THIS_FILE input/pointcloud:=YOUR_CLOUD \\
#     input/mask0:={source.topic("mask_rle")} input/camera_info0:={source.topic("camera_info")}
# Never {source.topic("label")}: it would be read as run lengths, and their decoder writes behind the end of its image.
# In fusion_common.param.yaml rois_timestamp_offsets and approximate_camera_projection have one entry for each camera;
# the offset is the camera's stamp less the LiDAR's. The image that is segmented must be rectified.
/**:
  ros__parameters:
    filter_semantic_label_target: # true: points on these pixels are removed; behind each the classes of the weights
{labels}\
    filter_distance_threshold: 60.0 # m; farther points stay
    is_publish_debug_mask: false
"""


def moveit(source: Source) -> str:
    """Returns which topics fill the ports of MoveIt Pro's Behaviors, and how an object becomes a Mask2D."""
    if source.manifest.task != INSTANCES:
        raise ValueError(
            f"moveit needs weights that find objects, such as mask_rcnn_street, and {source.weights} "
            f"({source.manifest.architecture}) gives each pixel a class"
        )
    return f"""\
# MoveIt Pro: its Behaviors read ports, not topics. GetCameraInfo and GetPointCloud fill theirs from the topics below.
# A Behavior of yours reads `masks2d/topic` and makes one Mask2D of each object; GetMasks3DFromMasks2D does the rest.
# Other grasp planners read the same topic: each mask is cropped to its region of interest.
camera_info: {{topic: {_text(source.topic("camera_info"))}, type: sensor_msgs/msg/CameraInfo}}
point_cloud: {{topic: /camera/depth_registered/points, type: sensor_msgs/msg/PointCloud2}} # yours, of the labels' size
masks2d:
  topic: {_text(source.topic("instances"))}
  type: seg_ros_msgs/msg/InstanceMaskArray
  # Fields of moveit_studio_vision_msgs/msg/Mask2D, and what of an object fills them.
  Mask2D: {{x: roi.x_offset, y: roi.y_offset, pixels: mask}}
node: # its own parameters, in place of those of profile:=moveit
  classes: {_list(source.chosen or source.names)}
  score_threshold: 0.7
"""


CONSUMERS: dict[str, Callable[[Source], str]] = {"nav2": nav2, "nvblox": nvblox, "autoware": autoware, "moveit": moveit}
"""By name, what makes the settings of a consumer: YAML with comments. ValueError: the weights are not for it."""


def _of(names: Iterable[str], known: Iterable[str]) -> list[str]:
    return [name for name in names if name.casefold() in known]


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # YAML takes JSON, and `no` would be a flag


def _list(values: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"


def _comment(names: list[str]) -> str:
    return f" # {', '.join(names)}" if names else ""


def _flag(value: bool) -> str:
    return str(value).lower()
