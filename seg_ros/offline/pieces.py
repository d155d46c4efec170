"""Divides a large bag into pieces that several workers label, and gives their labels to who writes the whole bag.

A bag that was labelled in pieces has the bytes of one that was not: it is written from its beginning to its end by one
worker, which takes labels where pieces have them and makes those that are missing.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from seg_ros.errors import RecordingError
from seg_ros.offline.inputs import Input
from seg_ros.offline.jobs import Make, done, make
from seg_ros.offline.tally import Tally

if TYPE_CHECKING:
    from seg_ros.offline.bags import Message

MOST = 100
"""Inputs of a run of which large ones are divided; where there are more, no worker is short of one."""
SIZE = 2**32
"""Bytes of a bag to a piece of it; of twice as many there are two pieces."""

Ready = list[tuple[str, str, bytes]]
"""Labels of an image that are there: topic, type and message each."""


class Span(NamedTuple):
    """The messages of a bag that are in a piece: `start <= log time < stop`, ns."""

    start: int
    stop: int


class Piece(NamedTuple):
    """Labels of a piece that are there, in the bag `path`."""

    span: Span
    path: Path


def spans(each: Input) -> list[Span]:
    """Returns the pieces of an input: none if it is small, no bag, or compressed as a whole."""
    count = each.size() // SIZE
    if not each.bag or count < 2 or any(file.suffix == ".zstd" for file in each.files()):
        return []
    from seg_ros.offline.bags import open_bag  # pictures need no rosbags

    try:
        with open_bag(each.path) as bag:
            start, stop = bag.times
    except RecordingError:  # said when it is its turn
        return []
    edges = [start + (stop - start) * i // count for i in range(count + 1)]
    return [Span(*edge) for edge in itertools.pairwise(edges)]


def make_piece(each: Input, output: Path, arguments: dict[str, Any], span: Span, label: Make) -> Tally:
    """Labels a piece of an input, unless it is done. It is as whole as an output, and hidden beside where that will be.

    Raises:
        RecordingError: of `label`.
    """
    piece = each._replace(name=_folder(each.name) / f"{span.start}-{span.stop}")
    with contextlib.suppress(RecordingError):  # of another bag, or of other arguments
        if (tally := done(piece, output, arguments, _identity)) is not None:
            return tally
    return make(piece, output, arguments, label, _identity)


def made_pieces(each: Input, output: Path, arguments: dict[str, Any]) -> list[Piece]:
    """Returns the pieces of an input that are done, of the bag as it is now."""
    found = []
    for path in sorted((output / _folder(each.name)).glob("[0-9]*-*")):
        with contextlib.suppress(RecordingError):
            if done(each._replace(name=path.relative_to(output)), output, arguments, _identity):
                found.append(Piece(Span(*map(int, path.name.split("-"))), path))
    return found


def remove_pieces(each: Input, output: Path) -> None:
    """Removes the pieces of an input, if there are any."""
    shutil.rmtree(output / _folder(each.name), ignore_errors=True)


def with_labels(
    messages: Iterable[Message], topics: Collection[str], pieces: Sequence[Piece]
) -> Iterator[tuple[Message, Ready | None]]:
    """Yields messages with the labels that pieces have of them; with none or None where they are to be made.

    Args:
        messages: of the bag, in the order of the log.
        topics: that are labelled.
    """
    labels = {piece: _labels(piece.path) for piece in pieces}
    for message in messages:
        ready = None
        if message.topic in topics:
            piece = next((p for p in pieces if p.span.start <= message.time < p.span.stop), None)
            ready = next(labels[piece], None) if piece else None
        yield message, ready


def _labels(path: Path) -> Iterator[Ready]:
    """Yields the labels of each image of a piece, in order; an empty list where it has none."""
    from seg_ros.offline.bags import open_bag

    number = 0
    with open_bag(path) as bag:
        for time, group in itertools.groupby(bag.messages(), lambda message: message.time):
            for _ in range(number, time):
                yield []
            yield [(message.topic, message.kind, message.data) for message in group]
            number = time + 1


def _folder(name: Path) -> Path:
    return name.with_name(f".{name.name}.pieces")


def _identity(each: Input) -> str:
    """Returns what tells a bag from what it was before: reading all of it for each piece would take too long."""
    found = [(file.name, file.stat()) for file in each.files()]
    return ", ".join(f"{name!a} {stat.st_size} {stat.st_mtime_ns}" for name, stat in found)
