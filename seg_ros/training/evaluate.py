"""Evaluation of a network on a label-image data set, at the pictures' full size, single scale."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from seg_ros.models.graph import SemanticGraph
from seg_ros.training.datasets import pairs, read_sample
from seg_ros.training.metrics import Confusion
from seg_ros.weights import Manifest


@torch.no_grad()
def evaluate(model: nn.Module, manifest: Manifest, root: Path, device: torch.device) -> Confusion:
    """Runs `model` over the pairs in `root` and counts; unlabelled truth is ignored.

    The network sees each picture at its own size, through the same graph that the engines compile.
    """
    graph = SemanticGraph(model, manifest.mean, manifest.std).to(device).eval()
    confusion = Confusion(len(manifest.classes))
    for image, label in tqdm(pairs(root), desc="evaluate", leave=False, mininterval=2.0):
        pixels, truth = read_sample(image, label, len(manifest.classes))
        predicted, _ = graph(torch.from_numpy(pixels).unsqueeze(0).to(device))
        confusion.add(truth, predicted[0].cpu().numpy())
    return confusion
