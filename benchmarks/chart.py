"""A bar chart of a benchmark's rows."""

from __future__ import annotations

import cv2
import numpy as np

_HEIGHT, _BAR, _LABELS, _SCALE, _VALUES = 26, 18, 460, 520, 170
"""Pixels: of a row, of its bar; widths of the labels, of the longest bar, of the figures after it."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_COLOURS = {"pytorch": (150, 150, 150), "torchvision": (180, 140, 100), "eager": (200, 170, 90),
            "inductor": (60, 140, 240), "tensorrt": (60, 180, 90)}  # BGR  # fmt: skip


def bar_chart(rows: list[dict]) -> np.ndarray:
    """One bar a row, as long as its p50 latency a picture; `(H, W, 3) uint8`, BGR."""
    image = np.full((_HEIGHT * (len(rows) + 2), _LABELS + _SCALE + _VALUES, 3), 255, np.uint8)
    _write(image, "p50 latency a picture, ms (and times as fast as plain PyTorch)", 10, 0)
    times = [row["p50_ms"] / row["batch"] for row in rows]
    for line, (row, time) in enumerate(zip(rows, times, strict=True), start=1):
        what = f"{row['engine']} {row['precision']}" + (f" batch {row['batch']}" if row["batch"] > 1 else "")
        _write(image, f"{row['model']} {row['width']}x{row['height']} {what}", 10, line)
        top, length = line * _HEIGHT + (_HEIGHT - _BAR) // 2, round(_SCALE * time / max(times))
        colour = _COLOURS.get(row["engine"], (120, 120, 120))
        cv2.rectangle(image, (_LABELS, top), (_LABELS + max(length, 1), top + _BAR), colour, cv2.FILLED)
        _write(image, f"{time:.1f} ({row['vs_eager']:.2f}x)", _LABELS + length + 6, line)
    return image


def _write(image: np.ndarray, text: str, x: int, line: int) -> None:
    cv2.putText(image, text, (x, line * _HEIGHT + 18), _FONT, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
