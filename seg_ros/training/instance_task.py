"""Training and evaluation of networks that find objects with masks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from seg_ros import overlay
from seg_ros.classes import ClassMap
from seg_ros.geometry import Resize
from seg_ros.metrics.average_precision import AveragePrecision
from seg_ros.metrics.truth import MIN_PIXELS, Truth
from seg_ros.pasting import paste
from seg_ros.results import Frame, Instances, Selection
from seg_ros.training.augment import Augment
from seg_ros.training.contact_sheet import best_median_worst, stack, titled_row
from seg_ros.training.datasets import load_classes
from seg_ros.training.detection import Targets
from seg_ros.training.instances import InstancePictures, collate, default_classes
from seg_ros.training.shares import check_every_class, count, lines
from seg_ros.training.task import Evaluation, Survey, Task, TrainingData, class_table

EVERYTHING = Selection(score_threshold=0.0, max_detections=65535)
"""AP counts detections of every score and cuts off the worst of each class itself, so none is left out."""
SHOWN_SCORE = 0.5
"""Smallest score of the objects in the contact sheet."""


class InstanceTask(Task):
    """Trains and evaluates networks that find objects with a mask each."""

    @staticmethod
    def classes(root: Path, given: str) -> ClassMap:
        if given or (root / "classes.json").is_file():
            return load_classes(root, given)
        return default_classes(root / "train")

    def survey(self, root: Path, learn: bool) -> Survey:
        pictures = InstancePictures(root, self.manifest.classes)

        def ids(index: int) -> np.ndarray:
            truth = pictures.read(index)[1]
            return truth.class_id[~truth.ignore]

        classes = self.manifest.classes
        names = {i: classes.names[i] for i in sorted(classes.things)}
        counts = count(len(pictures), ids, lambda counts: counts[list(names)].all() if learn else counts.any())
        if not counts.any():
            raise ValueError(
                f"{root}: no object of class {', '.join(names.values())} with {MIN_PIXELS} pixels or more in "
                f"{len(pictures)} pictures, so nothing is learned or compared; are the thing classes those of the data?"
            )
        if learn:
            check_every_class(root, f"objects of {MIN_PIXELS} pixels or more", counts, names)
        return Survey(counts, lines(root, "objects", counts, names))

    def training_data(self, root: Path, augment: Augment | None, counts: np.ndarray | None = None) -> TrainingData:
        def loss(model: nn.Module, images: Tensor, objects: list[dict[str, Tensor]]) -> Tensor:
            objects = [{name: t.to(images.device) for name, t in one.items()} for one in objects]
            return sum(model(images, Targets(objects)).values())

        return TrainingData(InstancePictures(root, self.manifest.classes, augment), loss, collate)

    @torch.no_grad()
    def evaluate(self, graph: nn.Module, root: Path, device: torch.device) -> InstanceEvaluation:
        """See `Task.evaluate`.

        Each picture is scaled so that it just fits the input size of the manifest, its aspect kept, as the node's
        `letterbox` does; a picture of that size is not scaled at all.
        """
        classes = self.manifest.classes
        pictures = InstancePictures(root, classes)
        total, found = AveragePrecision(classes), []
        staging = torch.empty(1, *self.manifest.input_size, 3, dtype=torch.uint8)
        for index in tqdm(range(len(pictures)), desc="evaluate", leave=False, mininterval=2.0):
            pixels, truth = pictures.read(index)
            resize = Resize.of(pixels.shape[:2], self.manifest.input_size, "letterbox")
            resize.to_input(pixels, staging[0].numpy())
            outputs = (t[0].cpu().numpy() for t in graph(staging.to(device)))
            instances = paste(*outputs, resize, EVERYTHING)
            total.add(truth, instances)
            one = AveragePrecision(classes)
            one.add(truth, instances)
            ap50 = one.summary()["mask_ap50"] if (~truth.ignore).any() else None
            found.append(Found(index, instances, ap50))
        return InstanceEvaluation(total, found, pictures, classes)


@dataclasses.dataclass(frozen=True)
class Found:
    """The objects found in one picture, and its own mask AP at IoU 0.5, 0..1; None where there is no object to find."""

    index: int
    instances: Instances
    ap50: float | None


class InstanceEvaluation(Evaluation):
    """AP of masks and boxes; each picture's own AP chooses those that are shown."""

    def __init__(
        self, precision: AveragePrecision, found: list[Found], pictures: InstancePictures, classes: ClassMap
    ) -> None:
        self.found, self.classes = found, classes
        self.figures = {**precision.summary(), "all_sizes": precision.of_all_sizes()}
        self.score = {name: self.figures[name] for name in ("mask_ap", "mask_ap50", "box_ap")}
        self._pictures = pictures

    def table(self) -> list[str]:
        lines = class_table(self.figures["ap"])
        sizes = {f"objects of {MIN_PIXELS} pixels and more": self.figures, "all objects": self.figures["all_sizes"]}
        for objects, figures in sizes.items():
            for kind in ("mask", "box"):
                ap, ap50, ap75 = (100 * figures[f"{kind}_{name}"] for name in ("ap", "ap50", "ap75"))
                lines.append(f"{kind} AP {ap:.1f}  AP50 {ap50:.1f}  AP75 {ap75:.1f}  {objects}")
        return lines

    def draw(self, folder: Path) -> list[str]:
        if all(f.ap50 is None for f in self.found):
            return ["no picture has an object to find: none is best or worst"]
        sheet = folder / "contact_sheet.png"
        cv2.imwrite(str(sheet), self.contact_sheet())
        return [f"best, median and worst pictures: {sheet}"]

    def contact_sheet(self) -> np.ndarray:
        """Draws camera image, true and found objects of the best, median and worst pictures, `(H, W, 3) uint8` BGR.

        At least one picture must have an object to find.
        """
        rows = []
        for title, member in best_median_worst([f for f in self.found if f.ap50 is not None], lambda f: f.ap50):
            pixels, truth = self._pictures.read(member.index)
            frame = Frame(pixels)
            panels = [pixels[..., ::-1]]
            found = member.instances[member.instances.score >= SHOWN_SCORE]
            for objects in (_as_instances(truth), found):
                panels.append(overlay.instances(frame, objects, self.classes, 0.5))
            name = self._pictures.files[member.index].name
            text = f"{title}: {name}, mask AP50 {100 * member.ap50:.1f}   (camera, truth, found)"
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
