"""Frames of noise, and objects as a network would find them, made by hand."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from seg_ros.results import Coasting, Frame, Instances, Tracks, Wanted

CAR, PEDESTRIAN, BICYCLIST = 8, 9, 10


def found(size=(48, 72), capped=0) -> Instances:
    """A car, a pedestrian whom it half covers, and a bicyclist in the lower right corner; sizes from 32x40 up."""
    height, width = size
    roi = np.array([(4, 6, 20, 12), (18, 9, 9, 16), (width - 12, height - 14, 12, 14)], np.int32)
    box = np.concatenate([roi[:, :2], roi[:, :2] + roi[:, 2:]], 1).astype(np.float32) + 0.25
    masks = [np.full((h, w), 255, np.uint8) for _, _, w, h in roi]
    for mask in masks:
        mask[0, : mask.shape[1] // 2] = 0
    score = np.array([0.95, 0.75, 0.6], np.float32)
    return Instances(size, np.array([CAR, PEDESTRIAN, BICYCLIST], np.uint8), score, box, roi, tuple(masks), capped)


def followed(size=(48, 72)) -> Instances:
    """The objects of `found` with tracks: the car's is 7, the pedestrian has none, the bicyclist's is 65540."""
    trail = np.full((3, 4, 2), np.nan, np.float32)
    trail[0, 1:] = (2, 30), (8, 20), (14, 12)
    trail[2, 3] = size[1] - 6, size[0] - 7
    score = np.array([0.9, 0, 0.7], np.float32)
    ids, ages = np.array([7, 0, 65540], np.uint32), np.array([3, 0, 2], np.uint32)
    return found(size).followed(Tracks(ids, ages, score, np.array([CAR, PEDESTRIAN, BICYCLIST], np.uint8), trail))


def expected(size=(48, 72)) -> Instances:
    """The objects of `followed`, and a pedestrian of track 9 who is only expected."""
    box = np.array([(40, 8, 52, 32)], np.float32)
    coasting = Coasting(np.array([9], np.uint32), np.array([PEDESTRIAN], np.uint8), box)
    return dataclasses.replace(followed(size), coasting=coasting)


def nothing(size=(48, 72)) -> Instances:
    """A frame without objects."""
    none = np.zeros((0, 4))
    return Instances(
        size, np.zeros(0, np.uint8), np.zeros(0, np.float32), none.astype(np.float32), none.astype(np.int32), ()
    )


def true_objects(scene, least=100):
    """The true objects of a scene of the street that have `least` pixels, found with a score of 0.96; and their ids."""
    ids, rois, masks = [], [], []
    for one in np.unique(scene.instance)[1:]:
        mask = (scene.instance == one).astype(np.uint8) * 255
        if np.count_nonzero(mask) >= least:
            x, y, width, height = cv2.boundingRect(mask)
            ids.append(int(one))
            rois.append((x, y, width, height))
            masks.append(mask[y : y + height, x : x + width])
    classes = [scene.label[scene.instance == one][0] for one in ids]
    roi = np.array(rois, np.int32).reshape(-1, 4)
    box = np.hstack((roi[:, :2], roi[:, :2] + roi[:, 2:])).astype(np.float32)
    score = np.full(len(ids), 0.96, np.float32)
    return Instances(scene.image.shape[:2], np.array(classes, np.uint8), score, box, roi, tuple(masks)), ids


def noise(size, bgr=False, seed=0):
    """A frame of noise."""
    return Frame(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8), bgr)


def assert_same_objects(ours, theirs):
    """Asserts that boxes, scores, class ids and masks, at least three of them, are those of the graph."""
    found = theirs[1] > 0
    assert found.sum() >= 3
    assert (ours[2] == theirs[2]).all()  # class ids, and which slots are empty
    assert (ours[0] - theirs[0])[found].abs().max() <= 0.05
    assert (ours[1] - theirs[1]).abs().max() <= 1e-4
    assert (ours[3] - theirs[3])[found].abs().max() <= 1e-3


def segmented(runner, frame, wanted=Wanted()):  # noqa: B008 (it is frozen)
    """What a runner makes of one frame; raises what it says of it."""
    (result,) = runner.run([frame], wanted)
    if isinstance(result, Exception):
        raise result
    return result.output
