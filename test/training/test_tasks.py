"""What a training run asks of its task, for every task."""

import dataclasses

import cv2
import pytest
import torch
from torch.utils.data import DataLoader

from seg_ros.classes import CAMVID
from seg_ros.errors import TrainingError, WeightsError
from seg_ros.manifest import Manifest
from seg_ros.models import MODELS, TASKS, create
from seg_ros.models.graph import GRAPHS, make_graph
from seg_ros.training import tasks
from seg_ros.training.augment import Augment
from seg_ros.training.train import Recipe, Trainer
from seg_ros.weights import load_model
from test.conftest import SMALL_INSTANCE
from test.training.conftest import SIZE

AUGMENT = Augment(SIZE, scale=(0.9, 1.1))
ARGUMENTS = {
    "unet": {"classes": 11, "width": 4, "depth": 2},
    "mask_rcnn": SMALL_INSTANCE,
}
FIGURES = {"unet": ["miou"], "mask_rcnn": ["mask_ap", "mask_ap50", "box_ap"]}
CPU = torch.device("cpu")


def network(name):
    torch.manual_seed(0)
    return create(name, **ARGUMENTS[name]), Manifest(name, ARGUMENTS[name], CAMVID, SIZE)


def test_every_task_has_a_graph_and_is_trained():
    assert set(TASKS) == set(GRAPHS) == set(tasks.TASKS) == {row.task for row in MODELS.values()}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_loss_and_evaluation(small_street, name, tmp_path):
    model, manifest = network(name)
    task = tasks.TASKS[model.task](manifest)
    assert task.classes(small_street, "camvid") == CAMVID
    data = task.training_data(small_street / "train", AUGMENT)
    pixels, truth = next(iter(DataLoader(data.pictures, 2, collate_fn=data.collate)))
    assert (pixels.shape, pixels.dtype) == ((2, *SIZE, 3), torch.uint8)
    loss = data.loss(model, (pixels / 127.5 - 1).permute(0, 3, 1, 2), truth)
    assert loss.isfinite()
    assert loss.ndim == 0
    loss.backward()
    assert sum(p.grad is not None for p in model.parameters()) > 10
    graph = make_graph(model, manifest.mean, manifest.std, CAMVID.things)
    evaluation = task.evaluate(graph, small_street / "val", CPU)
    assert list(evaluation.score) == FIGURES[name]  # the first decides
    assert all(0 <= value <= 1 for value in evaluation.score.values())
    assert evaluation.score.items() <= evaluation.figures.items()
    assert len(evaluation.table()) > 3
    for line in evaluation.draw(tmp_path):
        assert cv2.imread(line.partition(": ")[2]) is not None


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_run_trains_scores_and_goes_on(small_street, name, tmp_path):
    def trainer(epochs):
        model, manifest = network(name)
        return Trainer(model, manifest, small_street, tmp_path, AUGMENT, Recipe(epochs=epochs, batch=2), workers=0)

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


@pytest.fixture
def begun(small_street, tmp_path):
    """Makes a trainer of a small U-Net; its runs are one run."""

    def begun(epochs=3, **recipe):
        model, manifest = network("unet")
        recipe = Recipe(epochs=epochs, batch=1, evaluate_every=9, **recipe)
        return Trainer(model, manifest, small_street, tmp_path / "run", AUGMENT, recipe, workers=0)

    return begun


def raising_after(trainer, steps, error):
    """Makes the loss of a trainer raise, or return, `error` after some steps."""
    loss = trainer.loss
    left = iter(range(steps))

    def fails(*args):
        if next(left, None) is not None:
            return loss(*args)
        if isinstance(error, Exception | KeyboardInterrupt):
            raise error
        return loss(*args) * error

    trainer.loss = fails
    return trainer


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_what_was_good(begun, tmp_path):
    with pytest.raises(
        TrainingError, match=r"^epoch 1: expected a finite loss, got nan; begin again with a lower --lr"
    ):
        raising_after(begun(lr=1.0), 1, float("nan")).fit()
    assert list((tmp_path / "run").iterdir()) == []
    with pytest.raises(TrainingError, match=r"^epoch 2: .*got nan; .*run has what was good up to epoch 1: go on from"):
        raising_after(begun(), 3, float("nan")).fit()
    again = begun(epochs=1)
    again.resume()
    assert again.epoch == 1
    assert all(p.isfinite().all() for p in again.model.parameters())


def test_weights_that_are_not_finite_stop_the_run(begun):
    trainer = begun()
    loss = trainer.loss

    def last(*args):
        value = loss(*args)
        if trainer.step == 1:
            value.register_hook(lambda gradient: gradient * float("inf"))  # so that the last step spoils the weights
        return value

    trainer.loss = last
    with pytest.raises(TrainingError, match=r"^epoch 1: expected finite weights, got NaN or Inf"):
        trainer.fit()


def test_an_interrupted_run_is_saved_and_goes_on(begun, tmp_path, capsys):
    interrupted = raising_after(begun(), 5, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit()
    again = begun()
    again.resume()
    assert (again.epoch, again.step) == (2, 4)
    for saved, last in zip(again.model.parameters(), interrupted.model.parameters(), strict=True):
        assert torch.equal(saved, last)
    capsys.readouterr()
    again.fit()
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["epoch 3/3"]


def test_a_run_of_another_network_does_not_go_on(small_street, tmp_path):
    def trainer(classes):
        shape = ARGUMENTS["unet"] | {"classes": classes}
        manifest = Manifest("unet", shape, CAMVID, SIZE)
        return Trainer(create("unet", **shape), manifest, small_street, tmp_path, AUGMENT, Recipe())

    trainer(11)._checkpoint()
    trainer(11).resume()
    with pytest.raises(WeightsError, match=r": expected a run of unet with .*'classes': 12.* another net"):
        trainer(12).resume()


def test_a_class_map_without_things_is_refused(small_street):
    _, manifest = network("mask_rcnn")
    stuff = dataclasses.replace(manifest, classes=dataclasses.replace(CAMVID, things=frozenset()))
    with pytest.raises(ValueError, match="no things"):
        tasks.InstanceTask(stuff).training_data(small_street / "train", AUGMENT)
