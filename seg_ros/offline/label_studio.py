"""Writes predictions for Label Studio: tasks in JSON, whose brush strokes are run lengths of the masks.

The run lengths are those of https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack, of a picture with four
bytes a pixel: after a head, blocks of `1`, the number of bits of the length (one of four), the length less one, and the
byte that is repeated. We write every length in 16 bits.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import numpy as np

from seg_ros.classes import ClassMap
from seg_ros.offline.labels import Shot
from seg_ros.offline.regions import regions

FILE = "label_studio.json"
_LONGEST = 2**16
"""Bytes of a run in one block."""
_HEAD = (7, 5), (2, 4), (3, 4), (7, 4), (15, 4)
"""Value and bits: 8 bits a word, and lengths of 3, 4, 8 and 16 bits; each is written less one."""
_LONG = 0b111
"""Begins a block: a run, whose length has the fourth of these sizes."""


class LabelStudio:
    """Collects the regions of pictures as a task each, for a `BrushLabels` control `tag` of an `Image` named `image`.

    Args:
        folder: of the pictures, relative to the root that Label Studio serves files from.
    """

    def __init__(self, classes: ClassMap, folder: str) -> None:
        self._classes, self._folder = classes, folder
        self._tasks: list[dict] = []

    def add(self, shot: Shot) -> None:
        """Takes a picture's regions."""
        found = regions(shot.output, self._classes)
        size = {"original_width": shot.frame.width, "original_height": shot.frame.height, "image_rotation": 0}
        results = [
            {
                "id": f"r{i}", "from_name": "tag", "to_name": "image", "type": "brushlabels", **size,
                "score": round(region.score, 4),
                "value": {
                    "format": "rle", "rle": encode(region.mask).tolist(),
                    "brushlabels": [self._classes.names[region.class_id]],
                },
            }
            for i, region in enumerate(found)
        ]  # fmt: skip
        score = float(np.mean([region.score for region in found])) if found else 0.0
        path = quote(f"{self._folder}/{shot.name}", errors="surrogateescape")
        prediction = {"model_version": "seg_ros", "score": round(score, 4), "result": results}
        self._tasks.append({"data": {"image": f"/data/local-files/?d={path}"}, "predictions": [prediction]})

    def write(self, target: Path) -> None:
        """Writes `label_studio.json` into the folder."""
        with (target / FILE).open("w") as file:
            json.dump(self._tasks, file)


def encode(mask: np.ndarray) -> np.ndarray:
    """Makes the run lengths of a mask `(H, W) uint8`, not 0 inside: `(N,) uint8`, most significant bits first."""
    values = (mask.reshape(-1) > 0).astype(np.uint8)
    starts = np.flatnonzero(np.diff(values, prepend=255 - values[:1]))
    lengths = 4 * np.diff(starts, append=values.size)  # bytes: red, green, blue and opacity are alike
    pieces = -(-lengths // _LONGEST)
    ends = np.cumsum(pieces) - 1
    whole = np.full(pieces.sum(), _LONGEST)
    whole[ends] = lengths - (pieces - 1) * _LONGEST
    block = (
        _bits(np.full(whole.size, _LONG), 3),
        _bits(whole - 1, 16),
        _bits(np.repeat(values[starts], pieces) * 255, 8),
    )
    head = [_bits(np.array([value]), bits) for value, bits in ((4 * values.size, 32), *_HEAD)]
    return np.packbits(np.concatenate([*(bits.reshape(-1) for bits in head), np.hstack(block).reshape(-1)]))


def _bits(values: np.ndarray, count: int) -> np.ndarray:
    """Returns the lowest bits of `(N,)` numbers, the most significant first: `(N, count) uint8`."""
    return (values[:, None].astype(np.int64) >> np.arange(count)[::-1] & 1).astype(np.uint8)
