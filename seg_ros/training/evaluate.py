"""Evaluation of a network on a label-image data set, at the pictures' full size, single scale."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from seg_ros import overlay
from seg_ros.metrics.confusion import Confusion
from seg_ros.models.graph import SemanticGraph
from seg_ros.training.contact_sheet import best_median_worst, stack, titled_row
from seg_ros.training.datasets import pairs, read_sample
from seg_ros.weights import Manifest


@dataclasses.dataclass(frozen=True)
class Scored:
    """One evaluated picture: its files, and its own mIoU 0..1."""

    image: Path
    truth: Path
    miou: float


@torch.no_grad()
def evaluate(model: nn.Module, manifest: Manifest, root: Path, device: torch.device) -> tuple[Confusion, list[Scored]]:
    """Runs `model` over the pairs in `root`; unlabelled truth is ignored.

    The network sees each picture at its own size, once, through the same graph that the engines compile.
    Returns the counts over all pictures, and each picture's own result.
    """
    graph = SemanticGraph(model, manifest.mean, manifest.std).to(device).eval()
    total, scored = Confusion(len(manifest.classes)), []
    for image, label in tqdm(pairs(root), desc="evaluate", leave=False, mininterval=2.0):
        pixels, truth = read_sample(image, label, len(manifest.classes))
        predicted = graph(torch.from_numpy(pixels).unsqueeze(0).to(device))[0][0].cpu().numpy()
        one = Confusion(len(manifest.classes))
        one.add(truth, predicted)
        total.merge(one)
        scored.append(Scored(image, label, one.miou()))
    return total, scored


@torch.no_grad()
def contact_sheet(model: nn.Module, manifest: Manifest, scored: list[Scored]) -> np.ndarray:
    """Camera, truth and labels of the best, median and worst pictures, as a BGR picture."""
    graph = SemanticGraph(model, manifest.mean, manifest.std).eval()
    palette = manifest.classes.palette()[:, ::-1]
    rows = []
    for title, member in best_median_worst(scored, lambda s: s.miou):
        pixels, truth = read_sample(member.image, member.truth, len(manifest.classes))
        label = graph(torch.from_numpy(pixels).unsqueeze(0))[0][0].numpy()
        panels = [pixels[..., ::-1], overlay.colorize(truth, palette), overlay.colorize(label, palette)]
        text = f"{title}: {member.image.stem}, mIoU {100 * member.miou:.1f}   (camera, truth, labels)"
        rows.append(titled_row(panels, text))
    return stack(rows)
