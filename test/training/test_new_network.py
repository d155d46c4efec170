"""A network is a file and a row: a new one is built, saved, loaded, run, trained and evaluated without another line."""

import json
import sys
import types

import torch
from torch import nn

from seg_ros import weights
from seg_ros.classes import CAMVID
from seg_ros.cli import evaluate, train
from seg_ros.engines.opening import open_engine
from seg_ros.manifest import Manifest, read_manifest
from seg_ros.models import MODELS, SEMANTIC, Network, create
from seg_ros.models.graph import SemanticGraph, make_graph
from test.training.conftest import SIZE


class Patches(nn.Module):
    """Looks at patches of 4 x 4 pixels, each alone."""

    task = SEMANTIC

    def __init__(self, classes: int, width: int = 8):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, width, 4, 4), nn.ReLU(), nn.Conv2d(width, classes, 1))

    def forward(self, images):
        logits, size = self.logits(images)
        return {"out": nn.functional.interpolate(logits, size=size, mode="bilinear")}

    def logits(self, images):
        return self.layers(images.to(self.layers[0].weight.dtype)), tuple(images.shape[-2:])


def test_a_file_and_a_row(monkeypatch, small_street, tmp_path, capsys):
    module = types.ModuleType("seg_ros.models.patches")
    module.Patches = Patches
    monkeypatch.setitem(sys.modules, "seg_ros.models.patches", module)  # the file
    monkeypatch.setitem(MODELS, "patches", Network("patches", "Patches"))  # the row

    model, path = create("patches", classes=11), tmp_path / "patches.safetensors"
    weights.save(path, model.state_dict(), Manifest("patches", {"classes": 11}, CAMVID, SIZE))
    assert read_manifest(path).task == SEMANTIC
    loaded, manifest = weights.load_model(path)
    graph = make_graph(loaded, manifest.mean, manifest.std)
    assert type(graph) is SemanticGraph
    engine = open_engine("eager", graph, (1, *SIZE), "patches", tmp_path, "fp32", "cpu")
    label, confidence = engine.run(torch.zeros(1, *SIZE, 3, dtype=torch.uint8))
    assert label.shape == confidence.shape == (1, *SIZE)

    run = tmp_path / "run"
    options = ["--data", str(small_street), "--model", "patches", "--start", str(path), "--run", str(run)]
    train.main([*options, "--epochs", "1", "--batch", "2", "--workers", "0", "--crop", *map(str, SIZE)])
    trained = json.loads(capsys.readouterr().out.splitlines()[-1])
    evaluate.main(
        ["--weights", str(run / "best.safetensors"), "--data", str(small_street / "val"), "--output", str(tmp_path)]
    )
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == trained
    assert 0 <= trained["miou"] <= 1
