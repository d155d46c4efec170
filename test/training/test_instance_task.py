"""Evaluation of instance networks: one that knows the truth scores 1, through the graph and back to the picture."""

import cv2
import numpy as np
import pytest
import torch

from seg_ros.classes import CAMVID
from seg_ros.manifest import Manifest
from seg_ros.models import INSTANCES
from seg_ros.models.graph import make_graph
from seg_ros.training.datasets import render_street
from seg_ros.training.instance_task import InstanceTask
from seg_ros.training.instances import InstancePictures

CPU = torch.device("cpu")
SLOTS = 140


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    root = tmp_path_factory.mktemp("street")
    render_street(root, range(20000, 20001), 2, (128, 192))
    return root


class Knowing(torch.nn.Module):
    """Gives for each picture in turn what is there, at the size of the network input."""

    task = INSTANCES

    def __init__(self, root, size, wrong=lambda found: found):
        super().__init__()
        self.wrong, self.turn, self.size = wrong, 0, size
        self.pictures = InstancePictures(root, CAMVID)

    def forward(self, images):
        assert tuple(images.shape) == (1, 3, *self.size)
        pixels, truth = self.pictures.read(self.turn)
        self.turn += 1
        scale = min(self.size[0] / pixels.shape[0], self.size[1] / pixels.shape[1])
        top, left = ((a - round(b * scale)) // 2 for a, b in zip(self.size, pixels.shape[:2], strict=True))
        found = {
            "boxes": torch.zeros(1, SLOTS, 4),
            "scores": torch.zeros(1, SLOTS),
            "things": torch.zeros(1, SLOTS, dtype=torch.int64),
            "mask_logits": torch.zeros(1, SLOTS, 28, 28),
        }
        for i, (mask, box, class_id) in enumerate(zip(truth.masks, truth.boxes(), truth.class_id, strict=True)):
            x0, y0, x1, y1 = box.astype(int)
            cells = cv2.resize(mask[y0:y1, x0:x1] * 1.0, (28, 28), interpolation=cv2.INTER_LINEAR)
            found["boxes"][0, i] = torch.from_numpy(box) * scale + torch.tensor([left, top] * 2)
            found["scores"][0, i] = 1 - i / 100
            found["things"][0, i] = sorted(CAMVID.things).index(class_id) + 1
            found["mask_logits"][0, i] = torch.from_numpy((cells - 0.5) * 20)
        return self.wrong(found)


def evaluate(street, size, wrong=lambda found: found):
    manifest = Manifest("mask_rcnn", {}, CAMVID, size)
    graph = make_graph(Knowing(street, size, wrong), manifest.mean, manifest.std, CAMVID.things)
    return InstanceTask(manifest).evaluate(graph, street, CPU)


@pytest.mark.parametrize("size", [(128, 192), (256, 384), (448, 384)], ids=["same", "twice", "letterbox"])
def test_the_truth_scores_one(street, size):
    evaluation = evaluate(street, size)
    figures, found = evaluation.figures, evaluation.found
    assert evaluation.score == {name: figures[name] for name in ("mask_ap", "mask_ap50", "box_ap")}
    assert figures["mask_ap50"] == figures["box_ap"] == 1
    assert figures["mask_ap"] > 0.85  # masks have 28 cells a side
    assert 0 < figures["all_sizes"]["mask_ap"] <= figures["mask_ap"]
    assert any("all objects" in line for line in evaluation.table())
    assert figures["ap"].keys() == {"car", "pedestrian", "bicyclist"}
    assert [f.index for f in found] == [0, 1]
    assert evaluation.contact_sheet().shape[1:] == (1200, 3)
    assert [f.ap50 for f in found] == [1, 1]
    assert found[0].instances.size == (128, 192)


def test_other_classes_score_nothing(street):
    def other(found):
        found["things"] = torch.where(found["scores"] > 0, found["things"] % 3 + 1, 0)
        return found

    figures = evaluate(street, (128, 192), other).figures
    assert figures["mask_ap50"] < 0.1


def test_detections_below_the_nodes_threshold_count(street):
    def doubtful(found):
        found["scores"] = found["scores"] / 5
        return found

    assert evaluate(street, (128, 192), doubtful).figures["mask_ap50"] == 1


def test_no_class_is_cut_off_by_the_detections_of_another(street):
    def crowded(found):
        found = {name: t.roll(100, 1) for name, t in found.items()}
        found["scores"][0, :100] = 1
        found["things"][0, :100] = 1  # a hundred cars that are not there, before everything that is
        found["boxes"][0, :100] = torch.tensor([0.0, 0, 9, 9])
        found["mask_logits"][0, :100] = 9
        return found

    evaluation = evaluate(street, (128, 192), crowded)
    assert evaluation.figures["ap"]["pedestrian"] > 0.8
    assert all(len(f.instances) > 100 for f in evaluation.found)


def test_nothing_found_scores_nothing(street):
    def nothing(found):
        return {name: torch.zeros_like(t) for name, t in found.items()}

    evaluation = evaluate(street, (128, 192), nothing)
    assert evaluation.figures["mask_ap"] == evaluation.figures["box_ap50"] == 0
    assert [len(f.instances) for f in evaluation.found] == [0, 0]
    assert [f.ap50 for f in evaluation.found] == [0, 0]


def test_a_picture_without_objects_has_no_figure_of_its_own(tmp_path):
    for folder, pixels in (("images", (64, 96, 3)), ("labels", (64, 96)), ("instances", (64, 96))):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "a.png"), np.zeros(pixels, np.uint8))
    evaluation = evaluate(tmp_path, (64, 96))
    assert evaluation.found[0].ap50 is None
    assert evaluation.figures["mask_ap"] == 0
    assert evaluation.draw(tmp_path) == ["no picture has an object to find: none is best or worst"]
