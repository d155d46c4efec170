"""Two data sets of two classes each, made from CamVid, as examples of a user's own folder of pictures and masks.

    python examples/two_classes.py road ../shared/data/camvid runs/road_data
    python examples/two_classes.py smoke ../shared/data/camvid runs/smoke_data

`road`: road against everything else, from CamVid's own labels. `smoke`: smoke against no smoke; the smoke is
rendered over the real frames, because no real smoke with masks is at hand: a network trained on it shows how it
is done, and is not fit for a fire.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from seg_ros.training.datasets import pairs, read_sample

CLASSES = {
    "road": {"names": ["other", "road"], "colors": [[0, 0, 0], [128, 64, 128]]},
    "smoke": {"names": ["clear", "smoke"], "colors": [[0, 0, 0], [230, 120, 40]]},
}


def road(image: np.ndarray, label: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Class 3 of CamVid is road; unlabelled stays unlabelled."""
    return image, np.where(label == 255, 255, label == 3).astype(np.uint8)


def smoke(image: np.ndarray, label: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Up to three plumes of grey turbulence that widen upwards; a pixel is smoke where it hides over 30 %."""
    height, width = label.shape
    opacity = np.zeros((height, width), np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    for _ in range(rng.integers(0, 4)):
        turbulence = sum(
            cv2.resize(rng.random((n, n), np.float32), (width, height), interpolation=cv2.INTER_CUBIC) / k
            for k, n in enumerate((5, 10, 20, 40), start=1)
        )
        root_x, root_y = rng.uniform(0, width), rng.uniform(0.4, 1.0) * height
        up = np.clip((root_y - y) / height, 0, None)
        middle = root_x + rng.uniform(-0.6, 0.6) * width * up**1.3
        radius = width * (0.03 + rng.uniform(0.15, 0.5) * up)
        plume = np.exp(-(((x - middle) / radius) ** 2)) * (root_y > y) * np.clip(1.3 - up * 1.5, 0, 1)
        opacity = np.maximum(opacity, np.clip(plume * turbulence - 0.25, 0, 0.95))
    shade = rng.uniform(60, 235) * (0.85 + 0.3 * cv2.GaussianBlur(opacity, (0, 0), 15))[..., None]
    mixed = image * (1 - opacity[..., None]) + np.clip(shade, 0, 255) * opacity[..., None]
    return mixed.astype(np.uint8), (opacity > 0.3).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=sorted(CLASSES))
    parser.add_argument("camvid", type=Path, help="holds train/ and val/")
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    change = {"road": road, "smoke": smoke}[args.task]
    for part in ("train", "val"):
        for folder in ("images", "labels"):
            (args.output / part / folder).mkdir(parents=True, exist_ok=True)
        for index, files in enumerate(pairs(args.camvid / part)):
            image, label = change(*read_sample(*files, 11), np.random.default_rng(index))
            stem = files[0].stem
            cv2.imwrite(str(args.output / part / "images" / f"{stem}.jpg"), image[..., ::-1])
            cv2.imwrite(str(args.output / part / "labels" / f"{stem}.png"), label)
    (args.output / "classes.json").write_text(json.dumps(CLASSES[args.task]))
    print(f"{args.output}: train/, val/ and classes.json")


if __name__ == "__main__":
    main()
