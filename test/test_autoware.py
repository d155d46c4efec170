"""Which of Autoware's classes stands for which of ours, and what a parameter may say of it."""

import pytest

from seg_ros import autoware
from seg_ros.classes import CAMVID

NAMES = ("car", "bin", "traffic light")


def test_a_class_may_be_given_another_one():
    assert autoware.ids(NAMES, ("",))[:4].tolist() == [7, 0, 4, 0]
    assert autoware.ids(NAMES, ("bin: OBSTACLE", "car:BIKE"))[:3].tolist() == [8, 3, 4]
    assert autoware.ids(("a:b",), ("a:b: SKY",))[0] == 15  # a name may have a colon itself


def test_what_has_no_counterpart_is_named():
    assert autoware.without_counterpart(CAMVID.names, ()) == []
    assert autoware.without_counterpart(NAMES, ("",)) == ["bin"]
    assert autoware.without_counterpart(NAMES, ("bin: UNKNOWN",)) == []


@pytest.mark.parametrize("text", ["bin: TRUCK", "bin: 3", "dog: PERSON", "bin", "bin: obstacle", ":", "bin: "])
def test_what_is_not_there_is_refused_with_what_is(text):
    with pytest.raises(ValueError, match=r"'autoware_classes': got .* car, bin, traffic light and UNKNOWN, BUILDING"):
        autoware.ids(NAMES, (text,))


def test_points_have_ids_of_their_own():
    table = autoware.point_ids(CAMVID.names, ())
    expected = {
        "sky": 255,
        "building": 9,
        "road": 8,
        "pavement": 8,
        "tree": 10,
        "car": 0,
        "pedestrian": 5,
        "bicyclist": 4,
    }
    assert {name: table[CAMVID.names.index(name)] for name in expected} == expected
    assert (table[len(CAMVID.names) :] == 255).all()
    assert autoware.point_ids(NAMES, ("bin: HAZARD", "car: INVALID"))[:3].tolist() == [255, 7, 9]
    with pytest.raises(ValueError, match=r"got 'bin: OBSTACLE', allowed: .* and CAR, TRUCK, .*INVALID"):
        autoware.point_ids(NAMES, ("bin: OBSTACLE",))


def test_a_class_that_is_named_twice_is_refused():
    with pytest.raises(ValueError, match="each class once"):
        autoware.ids(NAMES, ("bin: WALL", "bin: OBSTACLE"))


def test_the_table_cannot_be_changed_by_who_is_given_it():
    with pytest.raises(ValueError, match="read-only"):
        autoware.ids(NAMES, ())[0] = 1
