"""Evaluation of an instance network on a data set, at the pictures' full size, single scale."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from seg_ros import overlay
from seg_ros.geometry import Resize
from seg_ros.metrics.average_precision import AveragePrecision
from seg_ros.metrics.truth import Truth
from seg_ros.models.graph import make_graph
from seg_ros.pasting import paste
from seg_ros.results import Frame, Instances, Selection
from seg_ros.training.contact_sheet import best_median_worst, stack, titled_row
from seg_ros.training.instances import InstancePictures
from seg_ros.weights import Manifest

EVERYTHING = Selection(score_threshold=0.0, max_detections=65535)
"""AP weighs every detection by its score and cuts off the worst of each class itself, so none is left out."""
SHOWN_SCORE = 0.5
"""Smallest score of the objects in the contact sheet."""


@dataclasses.dataclass(frozen=True)
class Found:
    """What was found in one picture, and its own mask AP at IoU 0.5, 0..1; None where there is no object to find."""

    image: Path
    index: int
    instances: Instances
    ap50: float | None


@torch.no_grad()
def evaluate_instances(
    model: nn.Module, manifest: Manifest, root: Path, device: torch.device
) -> tuple[AveragePrecision, list[Found]]:
    """Runs `model` over the pictures in `root`, through the same graph that the engines compile.

    Each picture is scaled so that it just fits the input size of the manifest, its aspect kept, as the node's
    `letterbox` does; a street picture of that size is not scaled at all.
    """
    graph = make_graph(model, manifest.mean, manifest.std, sorted(manifest.classes.things)).to(device)
    pictures = InstancePictures(root, manifest.classes)
    total, found = AveragePrecision(manifest.classes), []
    staging = torch.empty(1, *manifest.input_size, 3, dtype=torch.uint8)
    for index in tqdm(range(len(pictures)), desc="evaluate", leave=False, mininterval=2.0):
        pixels, truth = pictures.read(index)
        resize = Resize.of(pixels.shape[:2], manifest.input_size, "letterbox")
        resize.to_input(pixels, staging[0].numpy())
        outputs = (t[0].cpu().numpy() for t in graph(staging.to(device)))
        instances = paste(*outputs, resize, EVERYTHING)
        total.add(truth, instances)
        one = AveragePrecision(manifest.classes)
        one.add(truth, instances)
        ap50 = one.summary()["mask_ap50"] if (~truth.ignore).any() else None
        found.append(Found(pictures.files[index], index, instances, ap50))
    return total, found


def contact_sheet(manifest: Manifest, root: Path, found: list[Found]) -> np.ndarray:
    """Camera, true objects and found objects of the best, median and worst pictures, as a BGR picture.

    At least one picture must have an object to find.
    """
    pictures = InstancePictures(root, manifest.classes)
    rows = []
    for title, member in best_median_worst([f for f in found if f.ap50 is not None], lambda f: f.ap50):
        pixels, truth = pictures.read(member.index)
        frame = Frame(pixels)
        panels = [pixels[..., ::-1]]
        for objects in (_as_instances(truth), member.instances.above(SHOWN_SCORE)):
            panels.append(overlay.instances(frame, objects, manifest.classes, 0.5))
        text = f"{title}: {member.image.name}, mask AP50 {100 * member.ap50:.1f}   (camera, truth, found)"
        rows.append(titled_row(panels, text))
    return stack(rows)


def _as_instances(truth: Truth) -> Instances:
    boxes = truth.boxes().astype(np.int32)
    return Instances(
        size=truth.masks.shape[1:],
        class_id=truth.class_id.astype(np.uint8),
        score=np.ones(len(truth), np.float32),
        box=boxes.astype(np.float32),
        roi=np.hstack((boxes[:, :2], boxes[:, 2:] - boxes[:, :2])),
        masks=tuple(255 * m[y0:y1, x0:x1] for m, (x0, y0, x1, y1) in zip(truth.masks, boxes, strict=True)),
    )
