"""What parameters select for a network: which objects count, and which classes its masks may have."""

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from seg_ros.classes import CAMVID
from seg_ros.results import Selection
from seg_ros.ros.parameters import SELECTIONS, MaskSet, Parameters


def test_selection():
    parameters = Parameters(
        score_threshold=0.25, mask_threshold=0.75, classes=("bicyclist", "", "car"), max_detections=3
    )
    assert parameters.selection(CAMVID) == Selection(0.25, 0.75, frozenset({8, 10}), 3)
    assert Parameters().selection(CAMVID) == Selection()


@pytest.mark.parametrize("names", [("dog",), ("car", "dog"), ("road",)])
def test_selection_names_what_may_be_chosen(names):
    with pytest.raises(ValueError, match="'classes'") as caught:
        Parameters(classes=names).selection(CAMVID)
    assert str(list(names)) in str(caught.value)
    assert "'car', 'pedestrian', 'bicyclist'" in str(caught.value)


def test_a_score_that_the_network_drops_itself_is_refused():
    with pytest.raises(
        ValueError, match=r"'score_threshold': got 0.01, allowed: 0.05 to 1.0: the network itself drops"
    ):
        Parameters(score_threshold=0.01).selection(CAMVID, 0.05)
    assert Parameters(score_threshold=0.05).selection(CAMVID, 0.05).score_threshold == 0.05


@pytest.mark.parametrize(
    ("task", "allowed"), [("semantic", CAMVID.names), ("instances", ("car", "pedestrian", "bicyclist"))]
)
@pytest.mark.parametrize("classes", [("dog",), ("car", "dog"), (), ("",)])
def test_classes_that_the_network_does_not_find_are_refused_for_a_mask(task, allowed, classes):
    right, wrong = MaskSet("vehicles", ("car",)), MaskSet("people", classes)
    SELECTIONS[task](Parameters(masks=(right,)), CAMVID, 0.05)
    with pytest.raises(ValueError, match=r"'masks.people'") as caught:
        SELECTIONS[task](Parameters(masks=(right, wrong)), CAMVID, 0.05)
    assert f"got {list(classes)}, allowed: one or more of {', '.join(map(repr, allowed))}" in str(caught.value)


def test_a_mask_of_objects_that_do_not_count_is_refused():
    people = (MaskSet("people", ("pedestrian",)),)
    Parameters(masks=people, classes=("car", "pedestrian")).selection(CAMVID)
    with pytest.raises(ValueError, match=r"'masks.people': got \['pedestrian'\], allowed: one or more of 'car'$"):
        Parameters(masks=people, classes=("car",)).selection(CAMVID)
