"""Scores label networks on pictures of a data set as they are, darker, in warmer light, blurred and noisy.

    python -m benchmarks.robustness --weights unet_camvid fcn_camvid --data ../shared/data/camvid/val --every 2

A table of mIoU in %, at full size; the last line is JSON, a list of rows.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from seg_ros.cli.arguments import whole
from seg_ros.cli.command import command


def _darker(image: np.ndarray) -> np.ndarray:
    return cv2.LUT(image, (255 * (np.arange(256) / 255) ** 1.8).astype(np.uint8))


def _warmer(image: np.ndarray) -> np.ndarray:
    return cv2.multiply(image, (1.2, 1.0, 0.8, 0.0))


def _blurred(image: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), 1.0)


def _noisy(image: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 10, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


CHANGES = {
    "as it is": lambda image: image,
    "darker (gamma 1.8)": _darker,
    "warmer light": _warmer,
    "blur (1 px)": _blurred,
    "noise (10 of 255)": _noisy,
}
"""By name: each maps an RGB picture `(H, W, 3) uint8` to one of that size."""


@command
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--weights", nargs="+", required=True, help="files, or bare names of shipped weights")
    add("--data", type=Path, required=True, help="folder with images/ and labels/")
    add("--every", type=whole(1), default=1, metavar="N", help="take every Nth picture (default: all)")
    args = parser.parse_args(arguments)

    import torch
    from tqdm import tqdm

    from seg_ros import weights
    from seg_ros.cli.common import markdown_table
    from seg_ros.manifest import find
    from seg_ros.metrics.confusion import Confusion
    from seg_ros.models.graph import make_graph
    from seg_ros.training.datasets import check_same_classes, pairs, read_sample

    files, rows = pairs(args.data)[:: args.every], []
    for name in args.weights:
        model, manifest = weights.load_model(find(name))
        check_same_classes(args.data, manifest.classes)
        graph = make_graph(model, manifest.mean, manifest.std, manifest.classes.things)
        scores = {change: Confusion(len(manifest.classes)) for change in CHANGES}
        for image, label in tqdm(files, desc=name, leave=False, mininterval=2.0):
            pixels, truth = read_sample(image, label, len(manifest.classes))
            for change, score in scores.items():
                with torch.no_grad():
                    found = graph(torch.from_numpy(CHANGES[change](pixels)).unsqueeze(0))[0][0].numpy()
                score.add(truth, found)
        rows.append({"weights": name} | {c: round(100 * score.miou(), 1) for c, score in scores.items()})
    print(markdown_table(rows, ["weights", *CHANGES]))
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
