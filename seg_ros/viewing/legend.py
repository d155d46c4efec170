"""The pieces of the panel that viser has no element for, as HTML: colours of classes, and a table of figures."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import NamedTuple

_STALE = 1.0
"""s from which an age is shown in red: nothing that is live is as old."""


class Line(NamedTuple):
    """A row of the table.

    Attributes:
        name: what comes.
        topic: where.
        rate: Hz.
        age: s since the stamp of the newest; None: nothing has come.
    """

    name: str
    topic: str
    rate: float
    age: float | None


def swatch(color: tuple[int, int, int]) -> str:
    """Returns a spot of a colour that takes no room: it stands at the right of the element that comes next."""
    spot = f"background:rgb{color};width:14px;height:14px;border-radius:4px;border:1px solid #ffffff40"
    return (
        f'<div style="position:relative;height:0"><div style="position:absolute;right:16px;top:2px;{spot}"></div></div>'
    )


def figures(lines: Sequence[Line]) -> str:
    """Returns a table of rates and ages."""
    cell = 'style="padding:1px 0;text-align:right;font-variant-numeric:tabular-nums"'
    rows = [f"<tr><th style='text-align:left'></th><th {cell}>Hz</th><th {cell}>age, s</th></tr>"]
    for line in lines:
        color = "#f7768e" if line.age is None or line.age > _STALE else "inherit"
        age = "–" if line.age is None else f"{line.age:.2f}"
        rows.append(
            f'<tr><td title="{html.escape(line.topic)}">{html.escape(line.name)}</td>'
            f"<td {cell}>{line.rate:.1f}</td>"
            f'<td {cell}><span style="color:{color}">{age}</span></td></tr>'
        )
    return f'<table style="width:100%;font-size:0.85em;padding:0 1em;border-spacing:0">{"".join(rows)}</table>'
