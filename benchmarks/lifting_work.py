"""What `lifting` measures: clouds and boxes of random numbers and of the street, by the clock and by the truth."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from seg_ros.classes import CAMVID
from seg_ros.lifting import (
    POINT,
    Box,
    CameraModel,
    Extrinsics,
    Labels,
    Style,
    object_boxes,
    organised,
    paint,
    scattered_boxes,
)
from seg_ros.lifting.boxes import overlap
from seg_ros.lifting.cloud import xyz
from seg_ros.scenes import Scene, Street
from seg_ros.scenes.lidar import AXES, PLACE, QUATERNION, scan
from seg_ros.scenes.traffic import BICYCLIST, CAR, PEDESTRIAN
from seg_ros.scenes.truth import true_boxes, true_objects

try:
    import open3d  # needs libusb-1.0
except ImportError:
    open3d = None

try:
    from seg_ros.lifting.torch_cloud import TorchClouds

    on_gpu = TorchClouds("cuda")
except (ImportError, ValueError):  # no PyTorch, or no GPU
    on_gpu = None

_ROUNDS = 15
_POINTS = 130_000, 260_000, 520_000
_OBJECTS = 20
_STREETS = 10
_CARS, _THINGS = (CAR,), (CAR, PEDESTRIAN, BICYCLIST)
ROOF = Extrinsics.from_quaternion(PLACE, QUATERNION)


def run() -> None:
    """Measures, and prints a line for each kind of work; exits 1 if the others give other clouds."""
    cv2.setNumThreads(1)
    rng, style = np.random.default_rng(0), Style.of(CAMVID)
    agree = True
    for height, width in ((480, 640), (1080, 1920)):
        camera = CameraModel((height, width), (1.1 * height,) * 2, (width / 2 - 0.5, height / 2 - 0.5))
        size = height, width
        labels = Labels(
            rng.integers(0, 11, size, np.uint8),
            rng.integers(0, 256, size, np.uint8),
            rng.integers(0, 9, size, np.uint16),
        )
        depth = rng.integers(0, 30000, size, np.uint16)
        cloud, theirs = organised(depth, camera, labels, style), plain(depth, camera, labels, style)
        agree &= all(np.allclose(cloud[name], theirs[name], equal_nan=True) for name in cloud.dtype.names)
        ways = {
            "": lambda d=depth, c=camera, la=labels, out=cloud: organised(d, c, la, style, out),
            ", plain numpy": lambda d=depth, c=camera, la=labels: plain(d, c, la, style),
        }
        if open3d is not None:
            points = open3ds(depth, camera, labels).point.positions.numpy()
            agree &= np.allclose(points, xyz(cloud)[np.isfinite(cloud["z"])], rtol=1e-4, atol=1e-4)
            ways[", Open3D"] = lambda d=depth, c=camera, la=labels: open3ds(d, c, la)
        if on_gpu is not None:
            again = on_gpu.organised(depth, camera, labels, style)
            agree &= all(np.array_equal(again[name], cloud[name], equal_nan=True) for name in POINT.names)
            ways[", GPU"] = lambda d=depth, c=camera, la=labels, out=again: on_gpu.organised(d, c, la, style, out)
        times = zip(ways, best(*ways.values()), strict=True)
        print(f"organised {width}x{height}: " + "".join(f"{name} {ms:.1f} ms" for name, ms in times).strip())
    points = rng.normal(0, 12, (max(_POINTS), 3)).astype(np.float32)
    points[:, 0] = np.abs(points[:, 0])
    times = best(*(lambda n=n: paint(points[:n], ROOF, camera, labels, style) for n in _POINTS))
    grown = ", ".join(f"{n} points {ms:.1f} ms" for n, ms in zip(_POINTS, times, strict=True))
    print(f"painted, into 1920x1080: {grown}")
    scene = Street(20003).scene(31, space=True)
    camera, objects = camera_of(scene), true_objects(scene.label, scene.instance)[0][:_OBJECTS]
    labels = Labels(scene.label, instance=objects.ids())
    cloud = organised(scene.space.depth, camera, labels, style)
    painted = paint(scan(scene.space).points, ROOF, camera, labels, style)
    times = best(
        lambda: object_boxes(cloud, objects, camera.focal[0]), lambda: scattered_boxes(painted, objects, ROOF, camera)
    )
    for ms, sensor in zip(times, ("depth", "32 rings of a LiDAR"), strict=True):
        print(f"boxes, {len(objects)} objects of the street in 640x480, of {sensor}: {ms:.1f} ms")
    judge(style)
    if not agree:
        sys.exit("plain numpy, Open3D or the GPU gives other clouds")


def plain(depth: np.ndarray, camera: CameraModel, labels: Labels, style: Style) -> np.ndarray:
    """Makes the cloud as depth_image_proc's formulas read, in whole arrays."""
    height, width = depth.shape
    z = depth.astype(np.float32) / 1000
    z[(depth == 0) | (depth == 65535)] = np.nan
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    cloud = np.zeros((height, width), POINT)
    cloud["x"] = (u - camera.center[0]) / camera.focal[0] * z
    cloud["y"] = (v - camera.center[1]) / camera.focal[1] * z
    cloud["z"], cloud["rgb"], cloud["label"] = z, style.rgb[labels.label], labels.label
    cloud["instance"], cloud["confidence"] = labels.instance, labels.confidence
    return cloud


def open3ds(depth: np.ndarray, camera: CameraModel, labels: Labels) -> Any:
    """Makes Open3D's cloud: points with the colours of their classes, of what has a distance; no ids, no confidence."""
    image, tensor = open3d.t.geometry.Image, open3d.core.Tensor
    colors = np.array([*CAMVID.colors, *((0, 0, 0),) * (256 - len(CAMVID.colors))], np.uint8)[labels.label]
    k = np.float64(((camera.focal[0], 0, camera.center[0]), (0, camera.focal[1], camera.center[1]), (0, 0, 1)))
    seen = open3d.t.geometry.RGBDImage(image(tensor(colors)), image(tensor(depth)))
    return open3d.t.geometry.PointCloud.create_from_rgbd_image(seen, tensor(k), depth_scale=1000.0, depth_max=65.0)


def judge(style: Style) -> None:
    """Lifts the true labels of streets, and prints how much of it is right."""
    points, boxes = Counter(), {"depth": [], "LiDAR": []}
    seen = 0
    for seed in range(20000, 20000 + _STREETS):
        scene = Street(seed).scene(31, space=True)
        camera, (objects, ids) = camera_of(scene), true_objects(scene.label, scene.instance)
        labels = Labels(scene.label, instance=objects.ids())
        cloud = organised(scene.space.depth, camera, labels, style)
        there = np.isfinite(cloud["z"])
        points["depth"] += np.count_nonzero(there)
        points["depth right"] += np.count_nonzero(cloud["label"][there] == scene.label[there])
        found = scan(scene.space, seed)
        painted = paint(found.points, ROOF, camera, labels, style)
        labelled = painted["label"] < 255
        points["LiDAR"] += np.count_nonzero(labelled)
        points["LiDAR right"] += np.count_nonzero(painted["label"][labelled] == found.label[labelled])
        u, v, z = scene.space.matrix @ (found.points @ AXES.T + PLACE).T
        seen += np.count_nonzero((z > 0) & (u > 0) & (u < 640 * z) & (v > 0) & (v < 480 * z))
        true = {box.instance: box for box in true_boxes(scene)}
        for name, each in (
            ("depth", object_boxes(cloud, objects, camera.focal[0])),
            ("LiDAR", [in_camera(box) for box in scattered_boxes(painted, objects, ROOF, camera)]),
        ):
            mine = {ids[box.instance - 1]: box for box in each}
            near = [box for box in true.values() if np.linalg.norm(box.center) < 30 and not box.truncated]
            boxes[name] += [(mine.get(box.instance), box) for box in near]
    for name, pairs in boxes.items():
        found = [(box, true) for box, true in pairs if box is not None]
        off = {c: [np.linalg.norm(b.center - t.center) for b, t in found if t.class_id in c] for c in (_CARS, _THINGS)}
        iou = np.mean([box is not None and overlap(box, true) >= 0.5 for box, true in pairs])
        right = points[f"{name} right"] / points[name]
        print(
            f"true labels, {name}: {right:.4f} of {points[name]} points are right; "
            f"boxes of {len(off[_THINGS])} of {len(pairs)} objects up to 30 m away, "
            f"centre off by {np.median(off[_THINGS]):.3f} m (median), of cars by {np.median(off[_CARS]):.3f} m, "
            f"IoU of 0.5: {iou:.3f}"
        )
    print(f"of the LiDAR points inside the pictures {points['LiDAR'] / seen:.3f} are labelled")


def in_camera(box: Box) -> Box:
    """Returns a box of the LiDAR's coordinates in the camera's."""
    return dataclasses.replace(box, center=AXES @ box.center + PLACE)


def camera_of(scene: Scene) -> CameraModel:
    """Returns the camera that a scene was drawn for."""
    return CameraModel.from_calibration(scene.label.shape, scene.space.matrix.ravel(), "", ())


def best(*functions: Callable[[], object]) -> list[float]:
    """Returns the shortest time of each, ms; they take turns."""
    times = [float("inf")] * len(functions)
    for _ in range(_ROUNDS):
        for i, function in enumerate(functions):
            start = time.perf_counter()
            function()
            times[i] = min(times[i], 1e3 * (time.perf_counter() - start))
    return times
