"""Writes the page about all recordings of a run: what their reports add up to, and links to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from seg_ros.classes import ClassMap
from seg_ros.offline.jobs import MANIFEST
from seg_ros.offline.report import FILE, STYLE, SUMMARY, facts
from seg_ros.offline.tally import Tally

_SHOWN = 1000
"""Recordings that the page lists; the rest is counted."""


class _Recording(NamedTuple):
    """One output. `summary` is what `Review.finish` writes."""

    name: Path
    tally: Tally
    summary: dict[str, Any]


def write_index(output: Path, names: Sequence[Path], unread: Mapping[str, str], classes: ClassMap) -> None:
    """Writes `report.html` into the folder of outputs.

    Args:
        names: of the outputs that are there, relative to it.
        unread: why inputs could not be labelled, by their paths.
    """
    found = []
    for name in names:
        folder = output / str(name)
        tally = Tally(**json.loads((folder / MANIFEST).read_text())["tally"])
        found.append(_Recording(name, tally, json.loads((folder / SUMMARY).read_text())))
    (output / FILE).write_bytes(_page(output, found, unread, classes).encode("utf-8", "backslashreplace"))


def _page(output: Path, found: Sequence[_Recording], unread: Mapping[str, str], classes: ClassMap) -> str:
    frames, labelled = (sum(getattr(each.tally, name) for each in found) for name in ("frames", "labelled"))
    unsure = sum(each.summary["uncertainty"] * each.summary["frames"] for each in found)
    title = escape(output.name)
    parts = [facts(frames, labelled, unsure / labelled if labelled else None, recordings=len(found))]
    parts += [_classes(found, classes), _recordings(found), _unread(unread)]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f"<h1>{title}</h1>{''.join(parts)}</html>\n"
    )


def _classes(found: Sequence[_Recording], classes: ClassMap) -> str:
    total = sum(each.summary["frames"] for each in found) or 1
    objects = any("objects" in each.summary for each in found)
    rows, none = [], [0] * len(classes)
    for i, (name, color) in enumerate(zip(classes.names, classes.colors, strict=True)):
        share = sum(each.summary["shares"][i] * each.summary["frames"] for each in found) / total
        there = sum(each.summary["shares"][i] > 0 for each in found)
        swatch = '<span class="swatch" style="background:#{:02x}{:02x}{:02x}"></span>'.format(*color)
        cells = [swatch + escape(name), f"{100 * share:.1f} %", f"{there:,}"]
        if objects:
            counts = [[each.summary.get(key, none)[i] for each in found] for key in ("objects", "tracks")]
            cells += [f"{sum(each):,}" for each in counts]
        if there:
            rows.append((share, cells))
    heads = ["class", "of the pictures", "in recordings", *(["objects", "tracks"] if objects else [])]
    return "<h2>Classes</h2>" + _table(heads, [cells for _, cells in sorted(rows, key=lambda row: -row[0])])


def _recordings(found: Sequence[_Recording]) -> str:
    rows = []
    for each in sorted(found, key=lambda each: (-each.summary["uncertainty"], str(each.name)))[:_SHOWN]:
        link = quote(f"{each.name}/{FILE}", errors="surrogateescape")
        lost = ", ".join(f"{count:,} {reason}" for reason, count in each.tally.lost.items())
        cells = [f'<a href="{link}">{escape(str(each.name))}</a>', f"{100 * (1 - each.summary['uncertainty']):.1f} %"]
        cells += [f"{each.tally.frames:,}", escape(lost) or "0"]
        rows.append([*cells, "ends early" if each.tally.damage else ""])
    more = f"<p>And {len(found) - _SHOWN:,} more.</p>" if len(found) > _SHOWN else ""
    heads = ["recording", "mean confidence", "frames", "without a label", ""]
    return "<h2>Recordings, the least sure first</h2>" + _table(heads, rows) + more


def _unread(unread: Mapping[str, str]) -> str:
    if not unread:
        return ""
    rows = [[escape(path), escape(why)] for path, why in list(unread.items())[:_SHOWN]]
    return f"<h2>Not labelled: {len(unread):,}</h2>" + _table(["input", "why"], rows, "words")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    top = "".join(f"<th>{head}</th>" for head in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="{kind}"><tr>{top}</tr>{body}</table>'
