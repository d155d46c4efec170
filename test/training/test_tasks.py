"""What a training run asks of its task, for both tasks."""

import dataclasses

import pytest
import torch
from torch.utils.data import DataLoader

from seg_ros.classes import CAMVID
from seg_ros.errors import WeightsError
from seg_ros.models import MODELS
from seg_ros.training.augment import Augment
from seg_ros.training.datasets import render_street
from seg_ros.training.tasks import InstanceTask, SemanticTask, make_task
from seg_ros.training.train import Recipe, Trainer
from seg_ros.weights import Manifest, load_model
from test.conftest import SMALL_INSTANCE

SIZE = (64, 96)
AUGMENT = Augment(SIZE, scale=(0.9, 1.1))
ARGUMENTS = {
    "unet": {"classes": 11, "width": 4, "depth": 2},
    "mask_rcnn": SMALL_INSTANCE,
}
FIGURES = {"unet": {"miou"}, "mask_rcnn": {"mask_ap", "mask_ap50", "box_ap"}}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("street")
    for part, seed in (("train", 0), ("val", 10000)):
        render_street(root / part, range(seed, seed + 1), 2, SIZE)
    return root


def network(name):
    torch.manual_seed(0)
    manifest = Manifest(name, ARGUMENTS[name], CAMVID, SIZE)
    return MODELS[name](**ARGUMENTS[name]), manifest


def test_the_network_decides_the_task(data):
    for name, kind in (("unet", SemanticTask), ("mask_rcnn", InstanceTask)):
        model, manifest = network(name)
        task = make_task(model, manifest, data, AUGMENT, Recipe())
        assert type(task) is kind
        assert len(task.pictures) == 2


@pytest.mark.parametrize("name", ARGUMENTS)
def test_loss_and_score(data, name):
    model, manifest = network(name)
    task = make_task(model, manifest, data, AUGMENT, Recipe())
    pixels, truth = next(iter(DataLoader(task.pictures, 2, collate_fn=task.collate)))
    assert (pixels.shape, pixels.dtype) == ((2, *SIZE, 3), torch.uint8)
    loss = task.loss(model, (pixels / 127.5 - 1).permute(0, 3, 1, 2), truth)
    assert loss.isfinite()
    assert loss.ndim == 0
    loss.backward()
    assert sum(p.grad is not None for p in model.parameters()) > 10
    figures = task.score(model.eval(), torch.device("cpu"))
    assert figures.keys() == FIGURES[name]
    assert next(iter(figures)) == ("miou" if name == "unet" else "mask_ap")  # the one that decides
    assert all(0 <= value <= 1 for value in figures.values())


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_run_trains_scores_and_goes_on(data, name, tmp_path):
    def trainer(epochs):
        model, manifest = network(name)
        return Trainer(model, manifest, data, tmp_path, AUGMENT, Recipe(epochs=epochs, batch=2), workers=0)

    before = network(name)[0].state_dict()
    best = trainer(1).fit()
    model, manifest = load_model(best, name)
    assert manifest.score.keys() == {f"val_{figure}" for figure in FIGURES[name]} | {"epoch"}
    changed = [n for n, t in model.state_dict().items() if not torch.equal(t, before[n].to(torch.float16).float())]
    assert len(changed) > 10
    again = trainer(2)
    again.resume()
    assert again.epoch == 1
    again.fit()
    assert again.epoch == 2


def test_a_run_of_another_network_does_not_go_on(data, tmp_path):
    def trainer(classes):
        shape = ARGUMENTS["unet"] | {"classes": classes}
        return Trainer(
            MODELS["unet"](**shape), Manifest("unet", shape, CAMVID, SIZE), data, tmp_path, AUGMENT, Recipe()
        )

    trainer(11)._checkpoint()
    trainer(11).resume()
    with pytest.raises(
        WeightsError, match=r"checkpoint\.pt: expected a run of unet with .*'classes': 12.* another net"
    ):
        trainer(12).resume()


def test_a_class_map_without_things_is_refused(data):
    model, manifest = network("mask_rcnn")
    stuff = dataclasses.replace(manifest, classes=dataclasses.replace(CAMVID, things=frozenset()))
    with pytest.raises(ValueError, match="no things"):
        make_task(model, stuff, data, AUGMENT, Recipe())
