"""Labels one recording, whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from seg_ros.offline import pictures
from seg_ros.offline.inputs import Input
from seg_ros.offline.labels import Segmentation, Wish
from seg_ros.offline.pieces import Piece, Span
from seg_ros.offline.remote import is_remote
from seg_ros.offline.tally import Tally


def label(
    each: Input, target: Path, segmentation: Segmentation, wish: Wish, step: Callable, pieces: Sequence[Piece] = ()
) -> Tally:
    """Labels an input into the folder `target`, which is made; `step` is called after each frame.

    Args:
        pieces: of a bag, whose labels are there.

    Raises:
        RecordingError, EngineError: see `recordings.label_bag` and `pictures.label_pictures`.
    """
    if not each.bag:
        return pictures.label_pictures(each.path, target, segmentation, wish, step)
    from seg_ros.offline import recordings  # pictures need no rosbags

    return recordings.label_bag(each.path, target, segmentation, wish, step, pieces)


def label_piece(each: Input, target: Path, segmentation: Segmentation, wish: Wish, step: Callable, span: Span) -> Tally:
    """Labels a piece of a bag into the folder `target`, see `recordings.label_piece`."""
    from seg_ros.offline import recordings

    return recordings.label_piece(each.path, target, segmentation, wish, step, span)


def frames_of(each: Input, topics: list[str]) -> int:
    """Returns how many frames an input says that it has to be labelled; 0 where that cannot be told from here."""
    if is_remote(each.path):
        return 0
    if not each.bag:
        return pictures.frames_of(each.path)
    from seg_ros.offline import recordings

    return recordings.frames_of(each.path, topics)
