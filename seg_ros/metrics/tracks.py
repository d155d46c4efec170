"""Scores of tracks against true objects that keep their ids: HOTA, sMOTSA, IDF1 and id switches, by TrackEval.

HOTA: Luiten et al., HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking, 2021. sMOTSA and id switches:
Voigtlaender et al., MOTS: Multi-Object Tracking and Segmentation, 2019. IDF1: Ristani et al., Performance Measures and
a Data Set for Multi-Target, Multi-Camera Tracking, 2016. TrackEval (PyPI `trackeval`) is imported when the first score
is computed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pycocotools import mask as rle

from seg_ros.metrics.truth import MIN_PIXELS
from seg_ros.results import Instances


def find_trackeval() -> bool:
    """Returns whether TrackEval can be imported.

    `make setup` keeps it, and the trackers that it scores, in a folder beside the environment, since they ask for
    another build of OpenCV. That folder is put behind all else where Python looks.
    """
    beside = str(Path(sys.prefix, "tracking"))
    if importlib.util.find_spec("trackeval") is None and beside not in sys.path:
        sys.path.append(beside)
        importlib.invalidate_caches()
    return importlib.util.find_spec("trackeval") is not None


_HALF = 0.5
"""Share of a found object on objects too small to count, above which it does not count either."""


@dataclasses.dataclass(frozen=True)
class Overlap:
    """How the objects found in one frame overlap the true ones: all that the scores need of the frame.

    Attributes:
        true_id: `(G,) int64`, of the true objects that are large enough to count; the same in all frames of a sequence.
        true_class: `(G,) int64`.
        iou: `(G, D)`, of the masks of true and found objects, 0..1.
        counts: `(D,) bool`, False for a found object that lies on a true one too small to count.
    """

    true_id: np.ndarray
    true_class: np.ndarray
    iou: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, label: np.ndarray, instance: np.ndarray, found: Instances) -> Overlap:
        """Compares the objects found in a frame with its true images.

        Args:
            label: `(H, W) uint8`, class ids.
            instance: `(H, W) uint16`, object ids, 0 = none.
            found: of a frame of this size.
        """
        ids = np.unique(instance)
        ids = ids[ids > 0].astype(np.int64)
        inside = [instance == i for i in ids]
        classes = np.array([np.bincount(label[mask]).argmax() for mask in inside], np.int64)
        large = np.array([mask.sum() >= MIN_PIXELS for mask in inside], bool)
        true = [rle.encode(np.asfortranarray(mask, np.uint8)) for mask in inside]
        masks = [_whole(found, i) for i in range(len(found))]
        if not true or not masks:
            iou = share = np.zeros((len(true), len(masks)))
        else:
            iou = np.asarray(rle.iou(masks, true, [0] * len(true))).T
            share = np.asarray(rle.iou(masks, true, [1] * len(true))).T  # of the found object inside the true one
        on_small = share[~large].sum(axis=0) > _HALF
        return cls(ids[large], classes[large], iou[large], ~(on_small & ~(iou[large] >= _HALF).any(axis=0)))


def _whole(found: Instances, index: int) -> dict:
    x, y, width, height = found.roi[index]
    whole = np.zeros(found.size, np.uint8, order="F")
    whole[y : y + height, x : x + width] = found.masks[index] > 0
    return rle.encode(whole)


@dataclasses.dataclass(frozen=True)
class Named:
    """What a tracker says of the objects found in one frame, in their order.

    Attributes:
        track_id: `(D,)`, 0 for an object that is not tracked, which does not count.
        class_id: `(D,)`.
    """

    track_id: np.ndarray
    class_id: np.ndarray


def track_scores(sequences: Sequence[tuple[Sequence[Overlap], Sequence[Named]]]) -> dict[str, float]:
    """Computes the scores of a tracker over sequences, all classes together; objects of other classes never match.

    Args:
        sequences: of each the overlaps and the tracker's names, by frame.

    Returns:
        `hota` (mean over the thresholds 0.05 .. 0.95), `smotsa`, `idf1`, 0..1, and `id_switches`, as TrackEval does.

    Raises:
        ModuleNotFoundError: TrackEval is not installed.
    """
    from trackeval.metrics import CLEAR, HOTA, Identity

    with contextlib.redirect_stdout(io.StringIO()):  # they print their settings
        metrics = {"hota": HOTA(), "clear": CLEAR(), "identity": Identity()}
        data = [_trackeval(overlaps, names) for overlaps, names in sequences]
        scores = {
            name: metric.combine_sequences({str(i): metric.eval_sequence(one) for i, one in enumerate(data)})
            for name, metric in metrics.items()
        }
    return {
        "hota": round(float(np.mean(scores["hota"]["HOTA"])), 4),
        "smotsa": round(float(scores["clear"]["sMOTA"]), 4),
        "idf1": round(float(scores["identity"]["IDF1"]), 4),
        "id_switches": int(scores["clear"]["IDSW"]),
    }


def _trackeval(overlaps: Sequence[Overlap], names: Sequence[Named]) -> dict:
    """Puts a sequence into the form that TrackEval's metrics take: ids counted from 0, similarities by frame."""
    true, tracks, similarity = [], [], []
    for overlap, named in zip(overlaps, names, strict=True):
        chosen = np.flatnonzero((named.track_id > 0) & overlap.counts)
        true.append(overlap.true_id)
        tracks.append(named.track_id[chosen].astype(np.int64))
        same = overlap.true_class[:, None] == named.class_id[None, chosen]
        similarity.append(np.where(same, overlap.iou[:, chosen], 0.0))
    true, tracks = _counted(true), _counted(tracks)
    return {
        "num_timesteps": len(similarity),
        "gt_ids": true,
        "tracker_ids": tracks,
        "similarity_scores": similarity,
        "num_gt_dets": sum(map(len, true)),
        "num_tracker_dets": sum(map(len, tracks)),
        "num_gt_ids": 1 + max((int(ids.max(initial=-1)) for ids in true), default=-1),
        "num_tracker_ids": 1 + max((int(ids.max(initial=-1)) for ids in tracks), default=-1),
    }


def _counted(ids: list[np.ndarray]) -> list[np.ndarray]:
    if not ids:
        return []
    numbers = np.unique(np.concatenate(ids))
    return [np.searchsorted(numbers, one) for one in ids]
