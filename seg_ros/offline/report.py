"""Writes the page about a labelled recording: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seg_ros.classes import ClassMap
from seg_ros.offline.charts import areas, line
from seg_ros.offline.tally import Tally

if TYPE_CHECKING:
    from seg_ros.offline.review import Series
    from seg_ros.offline.unsure import Kept

FILE, SUMMARY = "report.html", "report.json"
"""The page, and what a page about many recordings takes of it."""
_NAMED = 50
"""Lost frames that are named one by one."""
STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #667; --line: #d8dce2; --paper: #fff; --mark: #2563c9; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --soft: #9aa3ad; --line: #363c44; --paper: #15181c; --mark: #6ea8ff; }
}
body { max-width: 1000px; margin: 2rem auto; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: .95rem; margin: 1rem 0 .4rem; } p, .soft { color: var(--soft); margin: .3rem 0; }
.facts { display: flex; flex-wrap: wrap; gap: 2.2rem; margin: 1.2rem 0; }
.facts b { display: block; font-size: 1.5rem; }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: var(--soft); }
.end { text-anchor: end; } .middle { text-anchor: middle; } .grid { stroke: var(--line); }
.line { fill: none; stroke: var(--mark); stroke-width: 1.8; }
table { border-collapse: collapse; width: 100%; } td, th { padding: .3rem .8rem .3rem 0; text-align: right;
  border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 500; }
td:first-child, th:first-child, .words td, .words th { text-align: left; overflow-wrap: anywhere; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .5em; border-radius: 2px;
  border: 1px solid var(--line); }
.frames { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 1.2rem; }
figure { margin: 0; } figure div { position: relative; } figure img { display: block; width: 100%; border-radius: 4px; }
figure img + img { position: absolute; inset: 0; height: 100%; } figure:hover img + img { opacity: 0; }
figcaption { font-size: .85rem; color: var(--soft); overflow-wrap: anywhere; } figcaption b { color: var(--ink); }
"""


def page(
    source: Path,
    tally: Tally,
    classes: ClassMap,
    series: Mapping[str, Series],
    kept: Sequence[Kept],
    unit: str,
) -> str:
    """Makes the page.

    Args:
        source: the recording.
        series: by camera, what is known of each frame.
        kept: the frames that the network is least sure of, the least sure first; each remembers `review.Memory`.
        unit: of times.
    """
    unsure = np.concatenate([each.uncertainty for each in series.values()]).mean() if series else None
    parts = [
        facts(tally.frames, tally.labelled, unsure),
        *(_camera(name, each, classes, unit) for name, each in series.items()),
    ]
    if kept:
        start = {name: each.times[0] for name, each in series.items()}
        parts.append(_unsure(kept, start, unit))
    parts.append(_lost(tally))
    title = escape(source.name)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f"<h1>{title}</h1>{''.join(parts)}</html>\n"
    )


def facts(frames: int, labelled: int, unsure: float | None, **more: int) -> str:
    """Makes the line of large numbers. `unsure` is the mean uncertainty, 0..1; `more` are other counts, by name."""
    counts = {**more, "frames": frames, "labelled": labelled, "without a label": frames - labelled}
    values = {name: f"{count:,}" for name, count in counts.items()}
    if unsure is not None:
        values["mean confidence"] = f"{100 * (1 - unsure):.1f} %"
    return (
        '<div class="facts">' + "".join(f"<div><b>{value}</b>{name}</div>" for name, value in values.items()) + "</div>"
    )


def _camera(name: str, series: Series, classes: ClassMap, unit: str) -> str:
    times, shares, unsure = np.array(series.times), np.array(series.shares), np.array(series.uncertainty)
    order = np.argsort(times, kind="stable")
    times, shares, unsure = times[order], shares[order], unsure[order]
    colors = [*(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in classes.colors), "#8884"]
    names = [*classes.names, "no object" if series.objects else "unlabelled"]
    drawn = len(names) - 1 if series.objects else len(names)
    chart = areas(times, shares[:, :drawn], names[:drawn], colors[:drawn], unit)
    what = "1 - confidence, mean over the pixels"
    if series.objects:
        what = "1 - score, mean over the objects; 0 where there is none"
    return (
        f"<h2>{escape(name)}</h2><h3>Share of the picture, by class</h3>{chart}"
        f"{_table(series, shares, names, colors)}"
        f"<h3>Uncertainty</h3><p>{what}.</p>{line(times, unsure, max(0.05, float(unsure.max())), unit)}"
    )


def _table(series: Series, shares: np.ndarray, names: Sequence[str], colors: Sequence[str]) -> str:
    objects = np.array(series.objects)
    tracks = np.bincount(list(series.tracks.values()), minlength=len(names)) if series.tracks else None
    heads = ["class", "of the picture", "in frames", *(["objects"] if len(objects) else [])]
    heads += ["tracks"] if tracks is not None else []
    rows = []
    for i in np.argsort(-shares.mean(axis=0), kind="stable"):
        if not shares[:, i].any() and not (len(objects) and i < objects.shape[1] and objects[:, i].any()):
            continue
        swatch = f'<span class="swatch" style="background:{colors[i]}"></span>'
        cells = [
            swatch + escape(names[i]),
            f"{100 * shares[:, i].mean():.1f} %",
            f"{100 * (shares[:, i] > 0).mean():.0f} %",
        ]
        is_class = i < len(names) - 1
        if len(objects):
            cells.append(f"{objects[:, i].sum():,}" if is_class else "")
        if tracks is not None:
            cells.append(f"{tracks[i]:,}" if is_class else "")
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return "<table><tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr>" + "".join(rows) + "</table>"


def _unsure(kept: Sequence[Kept], start: Mapping[str, float], unit: str) -> str:
    figures = []
    for each in kept:
        memory = each.memory
        at = escape(memory.name)
        if unit == "s":
            at = f"{memory.time - start[memory.camera]:.2f} s, {escape(memory.camera)}"
        pictures = "".join(
            f'<img alt="{alt}" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
            for alt, data in (("frame", memory.frame), ("labels", memory.overlay))
        )
        caption = f"<b>{100 * each.uncertainty:.1f} %</b> · {at}"
        figures.append(f"<figure><div>{pictures}</div><figcaption>{caption}</figcaption></figure>")
    return (
        "<h2>Least sure</h2><p>The frames of the highest uncertainty, of those that look alike only one. "
        f'Point at one to see it without labels.</p><div class="frames">{"".join(figures)}</div>'
    )


def _lost(tally: Tally) -> str:
    parts = []
    if tally.damage:
        parts.append(f"<p>It ends early: {escape(tally.damage)}</p>")
    if tally.depth:
        parts.append(f"<p>Distances, not labelled: {escape(', '.join(tally.depth))}</p>")
    if tally.lost:
        counts = "".join(
            f"<tr><td>{escape(reason)}</td><td>{count:,}</td></tr>" for reason, count in tally.lost.items()
        )
        named = "".join(
            "<tr>" + "".join(f"<td>{escape(str(value))}</td>" for value in row) + "</tr>"
            for row in tally.named[:_NAMED]
        )
        more = tally.frames - tally.labelled - len(tally.named[:_NAMED])
        parts.append(f"<table><tr><th>reason</th><th>frames</th></tr>{counts}</table><h3>Which</h3>")
        parts.append(f'<table class="words"><tr><th>of</th><th>at</th><th>why</th></tr>{named}</table>')
        parts.append(f"<p>And {more:,} more.</p>" if more else "")
    return "<h2>Not labelled</h2>" + ("".join(parts) or "<p>Every frame has a label.</p>")
