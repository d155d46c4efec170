"""Manifests that lie are refused by name in no time, before anything is built of them."""

import json

import pytest
import torch

from seg_ros import weights
from seg_ros.classes import CAMVID
from seg_ros.errors import WeightsError
from seg_ros.manifest import Manifest, read_manifest
from seg_ros.models import MODELS
from test.conftest import SMALL, SMALL_INSTANCE
from test.headers import lie, write

NAMES = list(CAMVID.names)


def classes(**fields):
    return {"classes": CAMVID.to_dict() | fields}


def unet(**arguments):
    return {"arguments": SMALL | arguments}


def detector(**arguments):
    return {"architecture": "mask_rcnn", "arguments": SMALL_INSTANCE | arguments}


LIES = {
    "a list as architecture": ({"architecture": ["unet"]}, r"architecture: expected one of fcn, .*, got \['unet'\]"),
    "unknown architecture": ({"architecture": "transformer"}, r"architecture: expected .* unet, .*, got 'transformer'"),
    "unknown key": ({"run": "rm"}, "manifest: 'run' is unknown; expected architecture, arguments, classes"),
    "huge width": (unet(width=3000), r"width must be in 1\.\.1024, got 3000"),
    "huge depth": (unet(depth=40), r"depth must be in 1\.\.8, got 40"),
    "width beyond the tensors": (unet(width=1024, depth=8), r"tensor '.*': expected .*, got .*; these are no weights"),
    "integer of 400 digits": (unet(width=10**400), r"arguments\.width: expected true, false, a finite number or a"),
    "negative width": (unet(width=-4), r"width: expected a whole number in .*, got -4"),
    "float width": (unet(width=4.0), r"width: expected a whole number in .*, got 4\.0"),
    "string width": (unet(width="4"), r"width: expected a whole number in .*, got '4'"),
    "boolean width": (unet(width=True), r"width: expected a whole number in .*, got True"),
    "number for a flag": (unet(stem=1), "stem: expected true or false, got 1"),
    "unknown argument": (unet(colour=1), "unet refuses the arguments .* unexpected keyword argument 'colour'"),
    "nested argument": (unet(width=[[4]]), r"arguments\.width: expected true, false, a finite number or a short text"),
    "infinite ResNet": (detector(width=float("inf")), r"arguments\.width: expected true, false, a finite number"),
    "wide ResNet": (detector(width=3000), r"width must be in 0\.01\.\.16, got 3000"),
    "negative ResNet": (detector(width=-1.0), r"width: expected a number in 0\.\..*, got -1\.0"),
    "many proposals": (detector(proposals=10**6), r"proposals must be in 1\.\.10000, got 1000000"),
    "threshold": (detector(score_threshold=1.5), r"score_threshold must be in 0\.\.1, got 1\.5"),
    "mean of two": ({"mean": [0.5, 0.5]}, r"mean: expected 3 values, got 2: \(0\.5, 0\.5\)"),
    "a number as mean": ({"mean": 0.5}, r"mean: expected a list of 3 values, got 0\.5"),
    "NaN as mean": ({"mean": [0.5, float("nan"), 0.5]}, r"mean\[1\]: expected a number in -1000\.\.1000, got nan"),
    "std of zero": ({"std": [0.25, 0.25, 0]}, r"std\[2\]: expected a number in 1e-06\.\.1e\+06, got 0"),
    "negative size": ({"input_size": [-64, 96]}, r"input_size\[0\]: expected a whole number in 1\.\.8192, got -64"),
    "huge size": (
        {"input_size": [64, 10**9]},
        r"input_size\[1\]: expected a whole number in 1\.\.8192, got 1",
    ),
    "float size": ({"input_size": [64.0, 96]}, r"input_size\[0\]: expected a whole number .*, got 64\.0"),
    "string size": ({"input_size": ["64", "96"]}, r"input_size\[0\]: expected a whole number .*, got '64'"),
    "NUL in a name": (classes(names=["a\0", *NAMES[1:]]), r"classes\.names\[0\]: expected a text .*, got 'a\\x00'"),
    "newline in a name": (classes(names=["a\nb", *NAMES[1:]]), r"classes\.names\[0\]: expected a text .*, got 'a\\nb'"),
    "surrogate in a name": (classes(names=["\ud800", *NAMES[1:]]), r"classes\.names\[0\]: expected a text"),
    "name of 300 kB": (
        classes(names=["a" * 300_000, *NAMES[1:]]),
        r"names\[0\]: expected a text of at most 256",
    ),
    "name of 10 MB": (classes(names=["a" * 10**7, *NAMES[1:]]), r"expected a text of at most 1048576 characters, got"),
    "duplicate names": (classes(names=["sky", "sky", *NAMES[2:]]), "expected class names that differ, got 'sky' twice"),
    "names that are none": (classes(names=[1, *NAMES[1:]]), r"classes\.names\[0\]: expected a text of .*, got 1"),
    "no names": (classes(names=[]), r"classes\.names: expected 1\.\.255 values, got 0"),
    "a colour of two": (classes(colors=[[0, 0]] * 11), r"classes\.colors\[0\]: expected 3 values, got 2"),
    "a float colour": (classes(colors=[[0, 0, 0.5]] * 11), r"classes\.colors\[0\]\[2\]: expected a whole number"),
    "a thing that is no class": (classes(things=[11]), r"thing ids must be in 0\.\.10, got \[11\]"),
    "a nested thing": (classes(things=[[1]]), r"classes\.things\[0\]: expected a whole number"),
    "classes that are a list": ({"classes": [1]}, r"classes: expected an object of names, colors, things, got \[1\]"),
    "nested score": ({"score": {"miou": {}}}, r"score\.miou: expected a number"),
    "licence that is none": ({"licence": 5}, r"licence: expected a text"),
    "ranges that are none": ({"ranges": [1]}, r"ranges: expected an object of at most 10000 names and values"),
    "a range of one": ({"ranges": {"head": [1.0]}}, r"ranges\.head: expected 2 values, got 1"),
    "a range of NaN": ({"ranges": {"head": [0.0, float("nan")]}}, r"ranges\.head\[1\]: expected a number in"),
    "an infinite range": ({"ranges": {"head": [float("-inf"), 1.0]}}, r"ranges\.head\[0\]: expected a number in"),
    "an empty range": ({"ranges": {"head": [0.0, 0.0]}}, r"ranges\.head: expected a least value of 0 or less and a la"),
    "a range upside down": ({"ranges": {"head": [1.0, -1.0]}}, r"ranges\.head: expected a least value of 0 or less"),
    "a range of no layer": ({"ranges": {"tail": [0.0, 1.0]}}, r"ranges of 'tail': expected the name of a layer, such"),
    "a range of a ReLU": ({"ranges": {"up.0.conv.2": [0.0, 1.0]}}, r"ranges of 'up\.0\.conv\.2': expected the name of"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_manifest_that_lies(tmp_path, small_weights, name):
    fields, message = LIES[name]
    path = lie(tmp_path / "a.safetensors", small_weights, **fields)
    with pytest.raises(WeightsError, match=rf"^{path}: .*{message}") as error:
        weights.load_model(path)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 200_000, "nested too deep"),
        ("5", "manifest: expected an object of architecture"),
        ("null", "manifest: expected an object of architecture"),
        ("{", "Expecting property name"),
        ("", "Expecting value"),
        (json.dumps({"architecture": "unet"}), "manifest: '.*' is missing; expected architecture, arguments"),
        (" " * 2**21, "expected a text of at most 1048576 characters"),
    ],
)
@pytest.mark.parametrize("read", [weights.load, read_manifest])
def test_a_manifest_that_is_none(tmp_path, text, message, read):
    path = write(tmp_path / "a.safetensors", text, {"a": torch.zeros(1)})
    with pytest.raises(WeightsError, match=rf"^{path}: the manifest does not read: .*{message}.*; .* write the file"):
        read(path)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"[" * 200_000, "nested too deep"),
        (b'{"__metadata__": {"seg_ros": 5}}', "expected a text of at most 1048576 characters, got 5"),
        (b'{"__metadata__": 5}', "expected safetensors with a seg_ros manifest"),
        (b"\xff\xfe", "expected safetensors with a seg_ros manifest"),
    ],
)
def test_a_header_that_is_none(tmp_path, head, message):
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head)
    with pytest.raises(WeightsError, match=rf"^{path}: .*{message}"):
        read_manifest(path)
    path.write_bytes((2**40).to_bytes(8, "little") + head)
    with pytest.raises(
        WeightsError, match=rf"^{path}: expected .* a header of at most 16777216 bytes, got one of {2**40}"
    ):
        read_manifest(path)


def test_tensors_of_another_kind(tmp_path, small_weights):
    manifest, tensors = weights.load(small_weights)
    weights.save(tmp_path / "a.safetensors", tensors | {"head.bias": torch.zeros(11, dtype=torch.int64)}, manifest)
    with pytest.raises(WeightsError, match=r"'head.bias': expected \(11,\) of floating point, got .* torch.int64"):
        weights.load_model(tmp_path / "a.safetensors")


@pytest.mark.parametrize("name", MODELS)
def test_shapes_are_those_of_the_network(name):
    arguments = SMALL_INSTANCE if name == "mask_rcnn" else {"classes": 11}
    manifest = Manifest(name, arguments, CAMVID, (64, 96))
    weights.check_tensors("a", manifest, MODELS[name].build(**arguments).state_dict())


def test_a_manifest_is_right_from_the_start():
    with pytest.raises(ValueError, match=r"input_size\[0\]: expected a whole number in 1\.\.8192, got 0"):
        Manifest("unet", {"classes": 11}, CAMVID, (0, 96))


@pytest.mark.parametrize(
    ("ranges", "score", "loss"),
    [
        ({}, {"miou": 0.8, "miou_int8": 0.7}, None),
        ({"head": [0.0, 1.0]}, {"miou": 0.8, "miou_int8": 0.798}, 0.2),
        ({"head": [0.0, 1.0]}, {"mask_ap": 0.5, "mask_ap_int8": 0.51, "box_ap": 0.6, "box_ap_int8": 0.59}, 1.0),
        ({"head": [0.0, 1.0]}, {"miou_int8": 0.7, "val_miou": 0.8}, float("inf")),
    ],
)
def test_the_loss_of_int8_is_that_of_the_worst_score(ranges, score, loss):
    manifest = Manifest("unet", SMALL, CAMVID, (64, 96), ranges=ranges, score=score)
    assert Manifest.from_json(manifest.to_json()).int8_loss == loss
