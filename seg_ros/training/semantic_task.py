"""Training and evaluation of networks that give every pixel a class."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from seg_ros import overlay
from seg_ros.classes import UNLABELLED, ClassMap
from seg_ros.metrics.confusion import Confusion
from seg_ros.training.annotations import annotations_of, named_classes
from seg_ros.training.augment import Augment
from seg_ros.training.contact_sheet import best_median_worst, distinct_palette, legend_row, stack, titled_row
from seg_ros.training.datasets import EXAMPLE, FILE, load_label_classes
from seg_ros.training.labelled import LabelImages, Labelled, open_labelled
from seg_ros.training.losses import class_weights, segmentation_loss
from seg_ros.training.plots import confusion_matrix
from seg_ros.training.shares import check_label_images, count, lines
from seg_ros.training.task import Evaluation, Survey, Task, TrainingData, class_table

_SHOWN = 5
"""Ids that a message names."""


class SemanticTask(Task):
    """Trains and evaluates networks that give every pixel a class."""

    @staticmethod
    def classes(root: Path, given: str) -> ClassMap:
        train = root / "train"
        if given or (root / FILE).is_file() or annotations_of(train) is None or (train / "labels").is_dir():
            return load_label_classes(root, given)
        classes = named_classes(train)
        if len(classes) < 2:
            raise ValueError(
                f"{train / annotations_of(train)}: expected two classes or more, got {classes.names[0]!r} alone; write "
                f"{root / FILE} that begins with a name for the pixels of no object, as in {EXAMPLE}"
            )
        return classes

    def survey(self, root: Path, learn: bool) -> Survey:
        classes, counts = self.manifest.classes, self._count(root)
        check_label_images(root, counts, classes, every=learn)
        others = counts[len(classes) : UNLABELLED]
        if others.sum() > counts[: len(classes)].sum():  # a few may be ignored under any id
            ids = ", ".join(map(str, len(classes) + np.flatnonzero(others)[:_SHOWN]))
            share = others.sum() / counts.sum()
            raise ValueError(
                f"{root}: expected class ids 0..{len(classes) - 1}, got others in {100 * share:.0f} % of the "
                f"pixels, such as {ids}; name them in the classes file, or write {UNLABELLED} to ignore them"
            )
        return Survey(counts, lines(root, "pixels", counts, dict(enumerate(classes.names))))

    def _count(self, root: Path) -> np.ndarray:
        labelled, classes = open_labelled(root, self.manifest.classes), len(self.manifest.classes)
        labelled.check()
        return count(len(labelled.files), labelled.ids, lambda counts: counts[:classes].all())

    def training_data(self, root: Path, augment: Augment | None, counts: np.ndarray | None = None) -> TrainingData:
        pictures = LabelImages(open_labelled(root, self.manifest.classes), augment)
        pixels = (self._count(root) if counts is None else counts)[: len(self.manifest.classes)]
        weight = class_weights(pixels / max(pixels.sum(), 1))

        def loss(model: nn.Module, images: Tensor, label: Tensor) -> Tensor:
            logits = model(images)["out"]
            return segmentation_loss(logits.float(), label.to(images.device), weight.to(images.device))

        return TrainingData(pictures, loss)

    @torch.no_grad()
    def evaluate(self, graph: nn.Module, root: Path, device: torch.device) -> SemanticEvaluation:
        classes = self.manifest.classes
        labelled = open_labelled(root, classes)
        total, scored = Confusion(len(classes)), []
        for index in tqdm(range(len(labelled.files)), desc="evaluate", leave=False, mininterval=2.0):
            pixels, truth = labelled.read(index)
            one = Confusion(len(classes))
            one.add(truth, _label(graph, pixels, device))
            total.merge(one)
            scored.append(one.miou())
        if not total.truths.all():
            check_label_images(root, self._count(root), classes, every=False)
        return SemanticEvaluation(total, scored, labelled, classes, graph, device)


class SemanticEvaluation(Evaluation):
    """mIoU, pixel accuracy and IoU by class; each picture's own mIoU, `scored`, chooses those that are shown."""

    def __init__(
        self,
        confusion: Confusion,
        scored: list[float],
        labelled: Labelled,
        classes: ClassMap,
        graph: nn.Module,
        device: torch.device,
    ) -> None:
        self.confusion, self.scored, self.classes = confusion, scored, classes
        self._labelled = labelled
        self.figures = confusion.summary(classes)
        self.score = {"miou": self.figures["miou"]}
        self._graph, self._device = graph, device

    def table(self) -> list[str]:
        miou, accuracy = (100 * self.figures[name] for name in ("miou", "pixel_accuracy"))
        return [*class_table(self.figures["iou"]), f"mIoU {miou:.1f}  pixel accuracy {accuracy:.1f}"]

    def draw(self, folder: Path) -> list[str]:
        matrix, sheet = folder / "confusion.png", folder / "contact_sheet.png"
        confusion_matrix(self.confusion, self.classes, matrix)
        cv2.imwrite(str(sheet), self.contact_sheet())
        return [f"confusion matrix: {matrix}", f"best, median and worst pictures: {sheet}"]

    @torch.no_grad()
    def contact_sheet(self) -> np.ndarray:
        """Draws camera image, truth and labels of the best, median and worst pictures, `(H, W, 3) uint8` BGR."""
        palette = distinct_palette(self.classes)[:, ::-1]
        rows = [legend_row(self.classes.names, palette)]
        for title, index in best_median_worst(range(len(self.scored)), lambda i: self.scored[i]):
            pixels, truth = self._labelled.read(index)
            label = _label(self._graph, pixels, self._device)
            panels = [pixels[..., ::-1], overlay.colorize(truth, palette), overlay.colorize(label, palette)]
            name, miou = self._labelled.files[index].stem, self.scored[index]
            text = f"{title}: {name}, mIoU {100 * miou:.1f}   (camera, truth, labels)"
            rows.append(titled_row(panels, text))
        return stack(rows)


def _label(graph: nn.Module, pixels: np.ndarray, device: torch.device) -> np.ndarray:
    return graph(torch.from_numpy(pixels).unsqueeze(0).to(device))[0][0].cpu().numpy()
