"""Times lifting on one core: organised clouds beside the numpy that most write, a painted LiDAR cloud, and boxes.

    python -m benchmarks.lifting

Prints the best of a few rounds, ms; the rounds of ours and of plain numpy alternate. Exits 1 if plain numpy differs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

from seg_ros import runtime

_ROUNDS = 15
_POINTS = 130_000
_OBJECTS = 20


def main() -> None:
    """Measures, and prints a line for each kind of work."""
    runtime.prepare()
    import cv2

    from seg_ros.classes import CAMVID
    from seg_ros.lifting import CameraModel, Extrinsics, Labels, Look, object_boxes, organised, paint
    from seg_ros.scenes.lidar import PLACE, QUATERNION

    cv2.setNumThreads(1)
    rng, look = np.random.default_rng(0), Look.of(CAMVID)
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
        cloud, theirs = organised(depth, camera, labels, look), plain(depth, camera, labels, look)
        agree &= all(np.allclose(cloud[name], theirs[name], equal_nan=True) for name in cloud.dtype.names)
        ms = best(
            lambda d=depth, c=camera, la=labels, out=cloud: organised(d, c, la, look, out),
            lambda d=depth, c=camera, la=labels: plain(d, c, la, look),
        )
        print(f"organised {width}x{height}: {ms[0]:.1f} ms, plain numpy {ms[1]:.1f} ms")
    points = rng.normal(0, 12, (_POINTS, 3)).astype(np.float32)
    points[:, 0] = np.abs(points[:, 0])
    roof = Extrinsics.from_quaternion(PLACE, QUATERNION)
    (ms,) = best(lambda: paint(points, roof, camera, labels, look))
    print(f"painted, {_POINTS} points into 1920x1080: {ms:.1f} ms")
    cloud, objects, focal = street_objects()
    (ms,) = best(lambda: object_boxes(cloud, objects, focal))
    print(f"boxes, {len(objects)} objects of the street in 640x480: {ms:.1f} ms")
    if not agree:
        sys.exit("plain numpy gives other clouds")


def plain(depth: np.ndarray, camera, labels, look) -> np.ndarray:
    """Makes the cloud as depth_image_proc's formulas read, in whole arrays."""
    from seg_ros.lifting import POINT

    height, width = depth.shape
    z = depth.astype(np.float32) / 1000
    z[(depth == 0) | (depth == 65535)] = np.nan
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    cloud = np.zeros((height, width), POINT)
    cloud["x"] = (u - camera.center[0]) / camera.focal[0] * z
    cloud["y"] = (v - camera.center[1]) / camera.focal[1] * z
    cloud["z"], cloud["rgb"], cloud["label"] = z, look.rgb[labels.label], labels.label
    cloud["instance"], cloud["confidence"] = labels.instance, labels.confidence
    return cloud


def street_objects() -> tuple:
    """Returns an organised cloud of the street, its objects with the largest masks, and the focal length, px."""
    from seg_ros.classes import CAMVID
    from seg_ros.lifting import CameraModel, Labels, Look, organised
    from seg_ros.results import Instances
    from seg_ros.scenes import Street

    scene = Street(20000).scene(31, space=True)
    ids, counts = np.unique(scene.instance[scene.instance > 0], return_counts=True)
    chosen = ids[np.argsort(-counts)][:_OBJECTS]
    rois, masks = [], []
    for number in chosen:
        mask = scene.instance == number
        v, u = np.nonzero(mask)
        x, y, w, h = u.min(), v.min(), np.ptp(u) + 1, np.ptp(v) + 1
        rois.append((x, y, w, h))
        masks.append(mask[y : y + h, x : x + w].astype(np.uint8) * 255)
    roi = np.int32(rois)
    class_id = np.array([scene.label[scene.instance == number][0] for number in chosen], np.uint8)
    box = np.hstack((roi[:, :2], roi[:, :2] + roi[:, 2:])).astype(np.float32)
    objects = Instances(scene.label.shape, class_id, np.ones(len(chosen), np.float32), box, roi, tuple(masks))
    camera = CameraModel.from_calibration(scene.label.shape, scene.space.matrix.ravel(), "", ())
    cloud = organised(scene.space.depth, camera, Labels(scene.label), Look.of(CAMVID))
    return cloud, objects, camera.focal[0]


def best(*functions: Callable[[], object]) -> list[float]:
    """Returns the shortest time of each, ms; they take turns."""
    times = [float("inf")] * len(functions)
    for _ in range(_ROUNDS):
        for i, function in enumerate(functions):
            start = time.perf_counter()
            function()
            times[i] = min(times[i], 1e3 * (time.perf_counter() - start))
    return times


if __name__ == "__main__":
    main()
