"""Counts what the truth of a data set holds, says so, and refuses truth that nothing can be learned from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from seg_ros.classes import UNLABELLED, ClassMap

_ENOUGH = 200
"""Pictures that are counted, evenly spaced; more only as long as a class was in none of them."""
_SHOWN = 10
"""Ids that are no class and get a line of their own."""


def count(pictures: int, read: Callable[[int], np.ndarray], enough: Callable[[np.ndarray], bool]) -> np.ndarray:
    """Counts class ids over the pictures of a data set: over 200 of them, and on until it is enough.

    Args:
        pictures: number of them.
        read: returns the ids in a picture, integers 0..255 of any shape.
        enough: tells of the counts so far whether they are.

    Returns:
        How often each id was met, `(256,) int64`.
    """
    counts = np.zeros(256, np.int64)
    bar = tqdm(_spread(pictures), "count classes", pictures, leave=False, mininterval=2.0)
    for done, index in enumerate(bar):
        if done >= _ENOUGH and enough(counts):
            break
        counts += np.bincount(read(index).ravel(), minlength=256)
    return counts


def _spread(pictures: int) -> Iterator[int]:
    """All indices, evenly spaced ones first."""
    step = max(1, pictures // _ENOUGH)
    yield from range(0, pictures, step)
    yield from (i for i in range(pictures) if i % step)


def lines(root: Path, what: str, counts: np.ndarray, names: Mapping[int, str]) -> list[str]:
    """Returns lines for people: the share of each class in `names`, of ids that are none, and of what is unlabelled."""
    beyond = [i for i in np.argsort(-counts, kind="stable") if counts[i] and i not in names and i != UNLABELLED]
    shown = [*names, *sorted(beyond[:_SHOWN]), *([UNLABELLED] if counts[UNLABELLED] else [])]
    names = {UNLABELLED: "unlabelled", **names}
    table = [(f"{i:5d} {names.get(i, 'no class')}", counts[i]) for i in shown]
    if beyond[_SHOWN:]:
        table.append((f"      {len(beyond) - _SHOWN} other ids, no class", counts[beyond[_SHOWN:]].sum()))
    total = max(counts.sum(), 1)
    return [f"{root}: share of {what} by id"] + [
        f"{label:30s} {f'{100 * n / total:7.3f} %' if n else '   none'}" for label, n in table
    ]


def check_label_images(root: Path, counts: np.ndarray, classes: ClassMap, every: bool) -> None:
    """Refuses label images that would give a score without a meaning.

    Args:
        root: of the data set.
        counts: pixels by id, from `count`.
        classes: the class map.
        every: each class must have a pixel, else one must.

    Raises:
        ValueError: if they have not, or are masks of 0 and 255; the message says what they hold, and what to do.
    """
    ids = np.flatnonzero(counts).tolist()
    missing = [i for i in range(len(classes)) if not counts[i]]
    if len(classes) == 2 and ids in ([255], [0, 255]):
        raise ValueError(
            f"{root}: expected label images of class ids 0 and 1, got masks of {_some(ids)} alone, and 255 means "
            f"unlabelled; write 1 ({classes.names[1]}) where they have 255"
        )
    if len(missing) == len(classes):
        raise ValueError(
            f"{root}: expected label images of class ids 0..{len(classes) - 1}, got no pixel of any class, only ids "
            f"{_some(ids)}; write class ids, or give the classes file of these ids"
        )
    if every:
        check_every_class(root, "pixels", counts, dict(enumerate(classes.names)))


def check_every_class(root: Path, what: str, counts: np.ndarray, names: Mapping[int, str]) -> None:
    """Refuses truth that lacks a class to learn: the network would never find it, and its score would not tell.

    Args:
        root: of the data set.
        what: is counted.
        counts: by id, from `count`.
        names: of the classes, by id.

    Raises:
        ValueError: if one has none.
    """
    missing = [f"{i} ({name})" for i, name in names.items() if not counts[i]]
    if missing:
        raise ValueError(
            f"{root}: expected {what} of every class to learn from, got none of {', '.join(missing[:_SHOWN])}, only "
            f"ids {_some(np.flatnonzero(counts).tolist())}; add pictures of it, or give a classes file without it"
        )


def _some(ids: list[int]) -> str:
    return ", ".join(map(str, ids[:_SHOWN])) + (", ..." if len(ids) > _SHOWN else "")
