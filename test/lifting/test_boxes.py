"""Boxes of objects: the right place, size and yaw, whatever bleeds into the mask."""

import numpy as np
import pytest

from seg_ros.classes import CAMVID
from seg_ros.lifting import CameraModel, Extrinsics, Labels, Style, object_boxes, organised, paint, scattered_boxes
from seg_ros.lifting.boxes import Box, overlap
from seg_ros.lifting.fitting import LEAST
from seg_ros.results import Instances
from seg_ros.scenes import Street
from seg_ros.scenes.lidar import AXES, PLACE, QUATERNION, scan
from seg_ros.scenes.truth import true_boxes

CAMERA = CameraModel((120, 160), (150.0, 150.0), (79.5, 59.5))


def objects(*masks, class_id=8):
    """Instances of whole masks `(H, W) bool`."""
    rois, parts = [], []
    for mask in masks:
        v, u = np.nonzero(mask)
        x, y, w, h = u.min(), v.min(), np.ptp(u) + 1, np.ptp(v) + 1
        rois.append((x, y, w, h))
        parts.append((mask[y : y + h, x : x + w] * np.uint8(255)).astype(np.uint8))
    roi = np.int32(rois)
    n = len(masks)
    return Instances(
        masks[0].shape, np.full(n, class_id, np.uint8), np.full(n, 0.9, np.float32),
        np.hstack((roi[:, :2], roi[:, :2] + roi[:, 2:])).astype(np.float32), roi, tuple(parts),
    )  # fmt: skip


def found(depth, *masks):
    cloud = organised(depth, CAMERA, Labels(np.full(depth.shape, 8, np.uint8)), Style.of(CAMVID))
    return object_boxes(cloud, objects(*masks), CAMERA.focal[0])


@pytest.fixture
def wall():
    """A depth image of a wall at 20 m with a board of 1 x 1.2 m at 6 m, and where the board is."""
    depth = np.full((120, 160), 20, np.float32)
    mask = np.zeros((120, 160), bool)
    mask[40:70, 60:85] = True
    depth[mask] = 6
    return depth, mask


def test_a_board_is_where_it_is(wall):
    depth, mask = wall
    (box,) = found(depth, mask)
    assert box.center == pytest.approx([(72 - 79.5) / 150 * 6, (54.5 - 59.5) / 150 * 6, 6], abs=0.03)
    assert box.size == pytest.approx([1.0, 0.1, 1.2], abs=0.04)
    assert abs(box.yaw) == pytest.approx(np.pi / 2, abs=0.03)  # across the view
    assert (box.truncated, box.occluded) == (False, False)
    assert (box.instance, box.class_id) == (1, 8)


def test_what_bleeds_into_a_mask_changes_little(wall):
    depth, mask = wall
    (clean,) = found(depth, mask)
    bled = mask.copy()
    bled[40:70, 85:90] = True  # a sixth is wall
    rng = np.random.default_rng(0)
    holes = depth.copy()
    holes[mask & (rng.random(mask.shape) < 0.2)] = np.nan
    mixed = depth.copy()
    mixed[40:70, 60:62] = np.linspace(6, 20, 60).reshape(30, 2)  # a depth camera's mixed pixels
    fence = depth.copy()
    fence[40:70, 60:85:4] = 3  # bars in front, of which the mask knows nothing
    for case in (found(depth, bled), found(holes, mask), found(mixed, mask), found(fence, mask)):
        assert case[0].center == pytest.approx(clean.center, abs=0.1)
        assert case[0].size == pytest.approx(clean.size, abs=0.2)


def test_truncated_and_occluded_are_marked_and_too_few_points_give_none(wall):
    depth, mask = wall
    at_edge = np.roll(mask, -60, axis=1)
    edge_depth = np.where(at_edge, np.float32(6), np.float32(20))
    assert found(edge_depth, at_edge)[0].truncated
    depth[40:70, 85:100] = 3
    (box,) = found(depth, mask)
    assert box.occluded
    few = np.zeros_like(mask)
    few[50, 70 : 70 + LEAST - 1] = True
    nothing = np.full_like(depth, np.nan)
    assert found(depth, few) == []
    assert found(nothing, mask) == []


def test_overlap_is_that_of_volumes():
    def box(x, yaw=0.0, length=2.0):
        return Box(1, 8, 1.0, np.float64((x, 0, 10)), np.float64((length, 1, 1)), yaw, 9)

    assert overlap(box(0), box(0)) == pytest.approx(1)
    assert overlap(box(0), box(0, np.pi)) == pytest.approx(1, abs=1e-3)
    assert overlap(box(0), box(0.5)) == pytest.approx(1 / 3, abs=1e-3)  # its width lies along x
    assert overlap(box(0), box(3)) == 0


def test_the_streets_objects_are_found_to_centimetres():
    distances = []
    for seed in (2, 20000, 4):
        scene = Street(seed).scene(40, space=True)
        camera = CameraModel.from_calibration(scene.label.shape, scene.space.matrix.ravel(), "", ())
        true = [box for box in true_boxes(scene) if np.linalg.norm(box.center) < 30 and not box.truncated]
        masks = objects(*(scene.instance == box.instance for box in true))
        cloud = organised(scene.space.depth, camera, Labels(scene.label), Style.of(CAMVID))
        boxes = {box.instance: box for box in object_boxes(cloud, masks, camera.focal[0])}
        assert len(boxes) >= 0.9 * len(true)
        distances += [np.linalg.norm(boxes[i].center - box.center) for i, box in enumerate(true, 1) if i in boxes]
    assert np.median(distances) < 0.15


def test_the_streets_objects_are_found_by_a_lidar_where_the_camera_sees_them():
    roof, distances = Extrinsics.from_quaternion(PLACE, QUATERNION), []
    for seed, frame in ((20000, 20), (20000, 110), (20002, 31), (20004, 31)):
        scene = Street(seed).scene(frame, space=True)
        camera = CameraModel.from_calibration(scene.label.shape, scene.space.matrix.ravel(), "", ())
        true = [box for box in true_boxes(scene) if np.linalg.norm(box.center) < 30 and not box.truncated]
        masks = objects(*(scene.instance == box.instance for box in true))
        labels = Labels(scene.label, instance=masks.ids())
        painted = paint(scan(scene.space).points, roof, camera, labels, Style.of(CAMVID))
        for box in scattered_boxes(painted, masks, roof, camera):
            distances.append(np.linalg.norm(AXES @ box.center + PLACE - true[box.instance - 1].center))
    assert len(distances) > 20
    assert np.median(distances) < 0.06
