"""The synthetic street: exact truth, the same for a seed, different for another, and quick to draw."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from seg_ros.classes import CAMVID
from seg_ros.scenes import Scene, Street

CAR, PEDESTRIAN, BICYCLIST = 8, 9, 10


def digest(scene: Scene) -> str:
    h = hashlib.sha256()
    for part in (scene.image, scene.label, scene.instance):
        h.update(part.tobytes())
    return h.hexdigest()


@pytest.fixture(scope="module")
def scenes():
    """Two frames, 1.5 s apart, of each of 12 streets."""
    return [(street.scene(10), street.scene(55)) for street in map(Street, range(12))]


@pytest.mark.parametrize("size", [(480, 640), (479, 641), (300, 100), (64, 64), (96, 480)])
def test_shapes_and_types(size):
    scene = Street(2, size).scene(7)
    assert scene.image.shape == (*size, 3)
    assert scene.label.shape == scene.instance.shape == size
    assert (scene.image.dtype, scene.label.dtype, scene.instance.dtype) == (np.uint8, np.uint8, np.uint16)
    assert scene.label.max() < len(CAMVID)


@pytest.mark.parametrize(("given", "word"), [((0, (63, 480)), "at least 64"), ((-1,), "seed")])
def test_what_no_street_can_be_is_refused(given, word):
    with pytest.raises(ValueError, match=word):
        Street(*given)


def test_a_frame_depends_on_no_other_and_is_the_callers_own():
    street = Street(5)
    first = street.scene(10)
    alone = digest(first)
    for index in (9, 300):
        street.scene(index)
    assert digest(first) == alone
    first.image[:] = first.label[:] = first.instance[:] = 0
    assert digest(street.scene(10)) == digest(Street(5).scene(10)) == alone


def test_same_bytes_in_another_process():
    code = (
        "from seg_ros.scenes import Street; import hashlib; s = Street(8).scene(33);"
        "print(hashlib.sha256(s.image.tobytes() + s.label.tobytes() + s.instance.tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest(Street(8).scene(33))


def test_time_counts_not_frames():
    street = Street(2)
    assert np.array_equal(street.scene(30, rate=30.0).label, street.scene(10, rate=10.0).label)


def test_every_class_is_in_most_frames(scenes):
    frames = [scene for pair in scenes for scene in pair]
    present = np.mean([np.bincount(s.label.ravel(), minlength=len(CAMVID)) > 50 for s in frames], 0)
    assert present.min() >= 0.85, dict(zip(CAMVID.names, present, strict=True))


def test_instances_are_exactly_the_things(scenes):
    for scene in (s for pair in scenes for s in pair):
        thing = np.isin(scene.label, sorted(CAMVID.things))
        assert np.array_equal(scene.instance > 0, thing)
        pairs = np.unique(scene.instance[thing].astype(np.int64) * 256 + scene.label[thing])
        assert len(pairs) == len(np.unique(pairs // 256)), "one instance with two classes"


def test_an_instance_stays_the_same_object():
    street = Street(4)
    for index in range(0, 40, 8):
        now, soon = street.scene(index), street.scene(index + 1)
        for one in np.unique(now.instance[now.instance > 0]):
            before, after = now.instance == one, soon.instance == one
            if before.sum() < 150 or not after.any():
                continue
            assert now.label[before][0] == soon.label[after][0]
            move = np.mean(np.nonzero(before), 1) - np.mean(np.nonzero(after), 1)
            assert np.hypot(*move) < 80


def test_it_never_ends():
    street = Street(6)
    for index in (30_000, 3_000_000):
        label = street.scene(index).label
        assert len(np.unique(label)) >= 8


def test_the_picture_moves(scenes):
    street = Street(1)
    a, b = street.scene(10), street.scene(11)
    assert np.mean(a.label != b.label) > 0.002
    assert np.mean(np.abs(a.image.astype(int) - b.image)) > 2


def test_seeds_differ(scenes):
    first = [pair[0] for pair in scenes]
    for k, a in enumerate(first):
        for b in first[k + 1 :]:
            assert np.mean(a.label != b.label) > 0.08
    road = [s.image[s.label == 3].mean() for s in first]
    assert np.std(road) > 8


def test_edges_of_truth_are_edges_of_the_picture(scenes):
    """Across a border of the label the picture changes far more than within a class."""
    for a, _ in scenes:
        step = np.abs(np.diff(a.image.astype(int), axis=1)).sum(2)
        border = np.diff(a.label.astype(int), axis=1) != 0
        assert step[border].mean() > 2.5 * step[~border].mean()
