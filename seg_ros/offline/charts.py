"""Draws charts over time as SVG, to stand in a page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT = 960, 220
_LEFT, _BOTTOM = 44, 24
"""Pixels for the numbers of both axes."""
_MOST = 320
"""Points along the time; each is a mean."""
_TICKS = 6


def thinned(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns means of neighbours in time, `_MOST` at most, of `times (N,)` and `values (N, ...)`; one alone twice."""
    if len(times) == 1:
        return np.repeat(times, 2), np.repeat(values, 2, axis=0)
    if len(times) <= _MOST:
        return times, values
    edges = np.linspace(0, len(times), _MOST + 1).astype(int)[:-1]
    counts = np.diff(np.append(edges, len(times)))
    sums = np.add.reduceat(values, edges, axis=0)
    return np.add.reduceat(times, edges) / counts, sums / counts.reshape(-1, *[1] * (values.ndim - 1))


def areas(times: np.ndarray, shares: np.ndarray, names: Sequence[str], colors: Sequence[str], unit: str) -> str:
    """Draws shares `(N, C)`, 0..1, above each other over `times (N,)`, each in its colour; as high as they get."""
    times, shares = thinned(times, shares)
    x = _x(times)
    tops = np.hstack([np.zeros((len(x), 1)), np.cumsum(shares, axis=1)]).clip(0, 1)
    top = max(0.01, float(tops.max()))
    parts = []
    for i, (name, color) in enumerate(zip(names, colors, strict=True)):
        if not shares[:, i].any():
            continue
        below, above = _y(tops[:, i], top), _y(tops[:, i + 1], top)
        points = _points(np.append(x, x[::-1]), np.append(above, below[::-1]))
        title = f"{escape(name)}: {100 * shares[:, i].mean():.1f} % on average"
        parts.append(f'<polygon points="{points}" fill="{color}"><title>{title}</title></polygon>')
    return _chart("".join(parts), times, top, unit)


def line(times: np.ndarray, values: np.ndarray, top: float, unit: str) -> str:
    """Draws `values (N,)`, 0..top, over `times (N,)`."""
    times, values = thinned(times, values)
    points = _points(_x(times), _y(values, top))
    return _chart(f'<polyline points="{points}" class="line"/>', times, top, unit)


def _x(times: np.ndarray) -> np.ndarray:
    span = times[-1] - times[0]
    if not span:
        return np.linspace(_LEFT, WIDTH, len(times))
    return _LEFT + (times - times[0]) / span * (WIDTH - _LEFT)


def _y(values: np.ndarray, top: float) -> np.ndarray:
    return (HEIGHT - _BOTTOM) * (1 - values / top)


def _points(x: np.ndarray, y: np.ndarray) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _chart(inside: str, times: np.ndarray, top: float, unit: str) -> str:
    """Puts axes around: percent upwards, time since the beginning in `unit` to the right."""
    foot, grid = HEIGHT - _BOTTOM, []
    for share in (0, 0.5, 1):
        y = foot * (1 - share)
        grid.append(f'<line x1="{_LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        grid.append(f'<text x="{_LEFT - 6}" y="{max(y + 4, 10):.1f}" class="end">{100 * top * share:.0f} %</text>')
    span = float(times[-1] - times[0])
    for i in range(_TICKS + 1):
        x, anchor = _LEFT + i / _TICKS * (WIDTH - _LEFT), "end" if i == _TICKS else "middle" if i else "start"
        text = f"{span * i / _TICKS:.{0 if span >= 20 else 1}f}{' ' + unit if i == _TICKS else ''}"
        grid.append(f'<text x="{x:.0f}" y="{HEIGHT - 6}" class="{anchor}">{text}</text>')
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{inside}{"".join(grid)}</svg>'
