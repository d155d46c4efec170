"""The settings that the command prints are YAML, name the node's topics and the weights' classes, and only those."""

import pytest
import torch

from seg_ros import weights
from seg_ros.autoware import NAMES
from seg_ros.classes import CAMVID, ClassMap
from seg_ros.cli import consumers as cli
from seg_ros.consumers import CONSUMERS
from seg_ros.manifest import Manifest
from seg_ros.models import create
from test.conftest import SMALL

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")


@pytest.fixture
def printed(small_weights, small_instance_weights, capsys):
    """What the command prints, as text."""

    def printed(consumer, *arguments, objects=False, path=None):
        cli.main(
            [consumer, "--weights", str(path or (small_instance_weights if objects else small_weights)), *arguments]
        )
        return capsys.readouterr().out

    return printed


def refusal(*arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main(list(arguments))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def layer(text):
    return yaml.safe_load(text)["local_costmap"]["local_costmap"]["ros__parameters"]["semantic_segmentation_layer"]


def test_nav2_gives_every_class_but_the_sky_one_cost(printed):
    camera = layer(printed("nav2"))["camera"]
    assert [camera[f"{name}_topic"] for name in ("segmentation", "confidence", "labels")] == [
        "/segmentation/label", "/segmentation/confidence", "/segmentation/label_info",
    ]  # fmt: skip
    kinds = {kind: camera[kind]["classes"] for kind in camera["class_types"]}
    assert kinds["traversable"] == ["road", "pavement"]
    assert kinds["person"] == ["pedestrian", "bicyclist"]
    assert sorted(name for names in kinds.values() for name in names) == sorted({*CAMVID.names} - {"sky"})
    for kind in kinds:
        assert {name: type(value) for name, value in camera[kind].items()} == {
            "classes": list, "base_cost": int, "max_cost": int, "mark_confidence": int, "samples_to_max_cost": int,
            "dominant_priority": bool,
        }  # fmt: skip
        assert all(0 <= camera[kind][name] <= 254 for name in ("base_cost", "max_cost", "mark_confidence"))


def test_nav2_drives_where_it_is_told_to(printed):
    camera = layer(printed("nav2", "--classes", "tree", "pedestrian"))["camera"]
    assert camera["traversable"]["classes"] == ["tree", "pedestrian"]
    assert {"road", "pavement"} < set(camera["obstacle"]["classes"])
    assert camera["person"]["classes"] == ["bicyclist"]


def test_names_are_those_of_the_node_and_its_camera(printed):
    text = printed("nav2", "--node", "robot/eyes", "--camera", "on")
    assert layer(text)["observation_sources"] == "on"  # which is a flag in YAML, if it is not quoted
    camera = layer(text)["on"]
    assert camera["segmentation_topic"] == "/robot/eyes/on/label"
    assert camera["labels_topic"] == "/robot/eyes/label_info"


def test_nvblox_masks_people_and_says_what_to_remap(printed):
    text = printed("nvblox")
    parameters = yaml.safe_load(text)["/**"]["ros__parameters"]
    assert (parameters["use_segmentation"], parameters["mapping_type"]) == (True, "human_with_static_tsdf")
    assert "camera_0/mask/image:=/segmentation/mask/people\n" in text
    assert "camera_0/mask/camera_info:=/segmentation/camera_info\n" in text
    assert 'masks: {people: ["pedestrian", "bicyclist"]}' in text


def test_autoware_declares_all_of_its_labels_and_removes_what_it_usually_does(printed):
    text = printed("autoware")
    parameters = yaml.safe_load(text)["/**"]["ros__parameters"]
    assert parameters.keys() == {"filter_semantic_label_target", "filter_distance_threshold", "is_publish_debug_mask"}
    targets = parameters["filter_semantic_label_target"]
    assert list(targets) == list(NAMES)
    assert {name for name, removed in targets.items() if removed} == {"BUILDING", "ROAD", "VEGETATION"}
    assert "input/mask0:=/segmentation/mask_rle input/camera_info0:=/segmentation/camera_info\n" in text
    targets = yaml.safe_load(printed("autoware", "--classes", "car"))["/**"]["ros__parameters"]
    assert [name for name, removed in targets["filter_semantic_label_target"].items() if removed] == ["VEHICLE"]


def test_moveit_takes_objects(printed):
    settings = yaml.safe_load(printed("moveit", objects=True))
    assert settings["masks2d"]["topic"] == "/segmentation/instances"
    assert settings["masks2d"]["type"] == "seg_ros_msgs/msg/InstanceMaskArray"
    assert settings["node"]["classes"] == ["car", "pedestrian", "bicyclist"]


def test_class_names_that_yaml_reads_otherwise_stay_names(printed, tmp_path):
    names = ("road", "no", "null", "1e3", "[a, b]: #", 'a "b" \\', "Straße 🚗", *CAMVID.names[7:])
    path = tmp_path / "odd.safetensors"
    classes = ClassMap(names, CAMVID.colors)
    manifest = Manifest("unet", SMALL, classes, (64, 96), licence="test")
    torch.manual_seed(0)
    weights.save(path, create("unet", **SMALL).state_dict(), manifest)
    camera = layer(printed("nav2", path=path))["camera"]
    assert camera["obstacle"]["classes"] == [*names[1:9]]


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_classes_that_the_weights_do_not_have_are_named(small_weights, consumer):
    said = refusal(consumer, "--weights", str(small_weights), "--classes", "road", "lava")
    assert said.startswith("consumers: expected classes of ")
    assert "sky, building, pole, road" in said
    assert said.endswith("got lava")


def test_weights_that_a_consumer_cannot_use_are_named(small_weights, small_instance_weights):
    assert "moveit needs weights that find objects" in refusal("moveit", "--weights", str(small_weights))
    said = refusal("nav2", "--weights", str(small_instance_weights))
    assert "nav2 needs a class such as road, pavement" in said
    assert "has car, pedestrian, bicyclist; name those that are meant with --classes" in said
    said = refusal("autoware", "--weights", str(small_instance_weights))
    assert "classes whose points it can remove: its BUILDING, WALL, ROAD, VEGETATION" in said
    assert "has car (VEHICLE), pedestrian (PERSON), bicyclist (BIKE)" in said
    assert "no such file" in refusal("nav2", "--weights", "missing")


@pytest.mark.parametrize("name", [["--node", "a b"], ["--node", "/"], ["--camera", "front:"]])
def test_names_that_no_node_can_have_are_refused(small_weights, name):
    assert "expected names of ROS" in refusal("nav2", "--weights", str(small_weights), *name)


def test_an_unknown_consumer_is_refused_with_those_that_there_are(small_weights, capsys):
    with pytest.raises(SystemExit):
        cli.main(["nav3", "--weights", str(small_weights)])
    assert "choose from 'nav2', 'nvblox'" in capsys.readouterr().err
