"""Run lengths of a label image: row by row over the whole image, a class id and how many pixels it goes on for.

It is the `data` of the mask images of Autoware's perception: records of five bytes without padding, `uint8` id and
`int32` length, little-endian; a run goes on from one row to the next. As written and read by `runLengthEncoder` and
`runLengthDecoder` in Autoware's `perception_utils/src/run_length_encoder.cpp`.
"""

from __future__ import annotations

import numpy as np

RECORD = np.dtype([("id", "u1"), ("length", "<i4")])
"""One run; 5 bytes."""


def encode(label: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Makes the runs of a label image, of other ids than its own: `(N,) RECORD`. Neighbours have different ids.

    Args:
        label: `(H, W) uint8`.
        ids: `(256,) uint8`, the id to write by the label's value.
    """
    pixels = np.ascontiguousarray(label).reshape(-1)
    starts = np.flatnonzero(_differs(pixels))
    # Ids are those of the few runs, not of the many pixels. Two classes may have one id: their runs are one.
    values = ids.take(pixels.take(starts))
    first = np.flatnonzero(_differs(values))
    starts = starts.take(first)
    runs = np.empty(starts.size, RECORD)
    runs["id"] = values.take(first)
    runs["length"][:-1] = starts[1:] - starts[:-1]
    runs["length"][-1:] = pixels.size - starts[-1:]
    return runs


def _differs(values: np.ndarray) -> np.ndarray:
    """Whether each value is another than the one before; the first is."""
    differs = np.ones(values.size, bool)
    np.not_equal(values[1:], values[:-1], out=differs[1:])
    return differs


def decode(data: bytes, size: tuple[int, int]) -> np.ndarray:
    """Makes the image of `size` `(H, W)` whose runs `data` holds: `(H, W) uint8`.

    Raises:
        ValueError: it holds no whole records, a length below 1, or another number of pixels.
    """
    height, width = size
    if len(data) % RECORD.itemsize:
        raise ValueError(f"expected records of {RECORD.itemsize} bytes, got {len(data)} bytes: it is no run lengths")
    runs = np.frombuffer(data, RECORD)
    pixels = int(runs["length"].sum(dtype=np.int64))
    if (runs["length"] < 1).any() or pixels != height * width:
        raise ValueError(f"expected runs of 1 pixel or more, {height * width} pixels in all, got {pixels}")
    return np.repeat(runs["id"], runs["length"]).reshape(size)
