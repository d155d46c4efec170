"""Times the tracker on one core: ms a frame for 20 and for 100 objects at 1080p, with the picture; JSON as last line.

    python -m benchmarks.tracking

The objects drive across a picture that shakes, at 30 Hz; one of ten is not found, another one in each frame. Of a few
rounds the quickest counts, and of its frames the median.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from typing import Any

from seg_ros import runtime

SIZE = 1080, 1920
FRAMES, ROUNDS = 60, 5


def main() -> None:
    """Measures, and prints a line for each number of objects."""
    runtime.prepare()  # before numpy is imported
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    figures = {str(count): round(_ms_per_frame(count), 2) for count in (20, 100)}
    for count, ms in figures.items():
        print(f"{count:>4s} objects: {ms:.2f} ms a frame")
    print(json.dumps({"ms_per_frame": figures}), flush=True)


def _ms_per_frame(count: int) -> float:
    """Returns the ms that one frame of `count` objects takes."""
    import cv2
    import numpy as np

    from seg_ros.tracking import Tracker

    cv2.setNumThreads(1)
    noise = np.random.default_rng(0).integers(0, 256, (SIZE[0] + 16, SIZE[1] + 16, 3), np.uint8)
    scene = cv2.GaussianBlur(noise, (0, 0), 5)
    pictures = [np.ascontiguousarray(scene[k % 5 :, k % 7 :][: SIZE[0], : SIZE[1]]) for k in range(FRAMES)]
    frames = [_objects(count, k) for k in range(FRAMES)]
    medians = []
    for _ in range(ROUNDS):
        tracker, spent = Tracker(itertools.count(1)), []
        for k, (objects, picture) in enumerate(zip(frames, pictures, strict=True)):
            start = time.perf_counter()
            tracks = tracker.update(k / 30, objects, picture)
            spent.append(time.perf_counter() - start)
        medians.append(float(np.median(spent)))
        assert (tracks.track_id > 0).mean() > 0.9  # else it is not the tracker's usual work
    return 1e3 * min(medians)


def _objects(count: int, frame: int) -> Any:
    """Returns objects of a street's sizes, each an ellipse, in a frame: `Instances`."""
    import cv2
    import numpy as np

    from seg_ros.results import Instances

    rng = np.random.default_rng(1)
    corner = rng.integers(2 * FRAMES, np.array(SIZE[::-1]) - 160 - 2 * FRAMES, (count, 2))
    speed, size = rng.integers(-2, 3, (count, 2)), rng.integers(20, 160, (count, 2))
    roi = np.hstack((corner + frame * speed, size)).astype(np.int32)
    roi = roi[np.arange(count) % 10 != frame % 10]
    masks = []
    for width, height in roi[:, 2:].tolist():
        mask = np.zeros((height, width), np.uint8)
        masks.append(cv2.ellipse(mask, (width // 2, height // 2), (width // 2, height // 2), 0, 0, 360, 255, -1))
    box = np.hstack((roi[:, :2], roi[:, :2] + roi[:, 2:])).astype(np.float32)
    score = np.linspace(0.99, 0.95, len(roi)).astype(np.float32)
    return Instances(SIZE, np.full(len(roi), 8, np.uint8), score, box, roi, tuple(masks))


if __name__ == "__main__":
    main()
