"""Weights files: what is wrong with one is said, and nothing in one is executed."""

import dataclasses
import os
import pickle

import pytest
import safetensors.torch
import torch

from seg_ros import weights
from seg_ros.classes import CAMVID, ClassMap
from seg_ros.errors import WeightsError
from seg_ros.manifest import MOST_LOSS
from seg_ros.models import MODELS
from seg_ros.weights import Manifest


def test_round_trip(small_weights):
    model, manifest = weights.load_model(small_weights)
    assert manifest.architecture == "unet"
    assert manifest.input_size == (64, 96)
    assert manifest.classes == CAMVID
    assert not model.training
    again, _ = weights.load_model(small_weights)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def test_half_precision_is_stored_and_comes_back_as_float32(tmp_path, small_weights):
    manifest, tensors = weights.load(small_weights)
    weights.save(tmp_path / "half.safetensors", tensors, manifest, half=True)
    assert (tmp_path / "half.safetensors").stat().st_size < small_weights.stat().st_size
    model, _ = weights.load_model(tmp_path / "half.safetensors")
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_half_precision_keeps_what_is_beyond_it(tmp_path, small_weights):
    manifest, tensors = weights.load(small_weights)
    name = next(n for n, t in tensors.items() if n.endswith("running_var"))
    tensors[name][0] = 3e12
    weights.save(tmp_path / "half.safetensors", tensors, manifest, half=True)
    stored = weights.load(tmp_path / "half.safetensors")[1]
    assert {n for n, t in stored.items() if t.dtype == torch.float32} == {name}
    assert torch.equal(stored[name], tensors[name])


def test_missing_file_says_what_is_shipped():
    with pytest.raises(WeightsError, match=r"'/no/such.safetensors': no such file.*unet_street"):
        weights.load("/no/such.safetensors")


def test_shipped_weights_are_found_by_bare_name():
    assert weights.find("unet_street").name == "unet_street.safetensors"


@pytest.mark.parametrize("name", ["unet_street", "unet_camvid", "fcn_camvid", "mask_rcnn_street"])
def test_shipped_weights_have_ranges_for_int8_and_lose_little(name):
    manifest = weights.load_model(name)[1]
    assert len(manifest.ranges) > 20
    assert manifest.int8_loss <= MOST_LOSS


def test_installed_weights_are_found_through_the_ament_prefix(tmp_path, small_weights, monkeypatch):
    folder = tmp_path / "share/seg_ros/weights"
    folder.mkdir(parents=True)
    (folder / "mine.safetensors").write_bytes(small_weights.read_bytes())
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/elsewhere{os.pathsep}{tmp_path}")
    assert weights.find("mine") == folder / "mine.safetensors"


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_truncated_file(tmp_path, small_weights, keep):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(small_weights.read_bytes()[:keep])
    with pytest.raises(WeightsError, match=r"cut.safetensors: expected a whole safetensors file.*truncated"):
        weights.load(path)


def test_what_cannot_be_written_leaves_nothing(tmp_path, small_weights):
    manifest, tensors = weights.load(small_weights)
    (tmp_path / "folder").mkdir()
    for path, reason in ((tmp_path / "folder", "Is a directory"), (tmp_path / "none/a.safetensors", "No such file")):
        with pytest.raises(OSError, match=reason):
            weights.save(path, tensors, manifest)
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def test_every_flipped_bit_is_noticed(tmp_path, small_weights):
    data = bytearray(small_weights.read_bytes())
    path = tmp_path / "flipped.safetensors"
    for position in range(0, len(data), max(1, len(data) // 300)):
        data[position] ^= 1 << position % 8
        path.write_bytes(data)
        with pytest.raises(WeightsError, match=r"flipped.safetensors: "):
            weights.load(path)
        data[position] ^= 1 << position % 8
    path.write_bytes(data)
    weights.load(path)


def test_wrong_architecture_is_named(small_weights):
    with pytest.raises(WeightsError, match="expected architecture 'fcn', got 'unet'"):
        weights.load_model(small_weights, "fcn")
    weights.load_model(small_weights, "unet")
    for name in ("unet_resnet", "une", "u"):
        with pytest.raises(WeightsError, match=f"expected architecture '{name}', got 'unet'"):
            weights.load_model(small_weights, name)
    weights.load_model("unet_camvid", "unet")
    with pytest.raises(WeightsError, match="expected architecture 'mask', got 'mask_rcnn'"):
        weights.load_model("mask_rcnn_street", "mask")


def test_tensors_of_another_shape_are_named(tmp_path, small_weights):
    manifest, _ = weights.load(small_weights)
    wider = MODELS["unet"].build(classes=11, width=8, depth=2, stem=True).state_dict()
    weights.save(tmp_path / "wider.safetensors", wider, manifest)
    with pytest.raises(WeightsError, match=r"tensor '.*': expected \(4.*got \(8"):
        weights.load_model(tmp_path / "wider.safetensors")


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("writer", ["torch", 2, 3, 4, 5])
def test_pickle_is_refused_and_does_not_run(tmp_path, suffix, writer):
    canary, path = tmp_path / "canary", tmp_path / f"evil.{suffix}"
    if writer == "torch":
        torch.save({"a": Canary(canary)}, path)
    else:
        path.write_bytes(pickle.dumps(Canary(canary), protocol=writer))
    with pytest.raises(WeightsError, match="expected safetensors, got a PyTorch pickle"):
        weights.load_model(path)
    assert not canary.exists()


@pytest.mark.parametrize("start", [b"PK", b"\x80\x02", b"\x80\x05"])
def test_header_length_that_looks_like_a_pickle_is_none(tmp_path, small_weights, start):
    # safetensors begins with the length of its header, whatever bytes that is.
    manifest, tensors = weights.load(small_weights)
    path = tmp_path / "a.safetensors"
    weights.save(path, tensors, manifest)
    length = int.from_bytes(path.read_bytes()[:8], "little")
    wanted = int.from_bytes(start, "little")
    while wanted < length + 200:
        wanted += 65536
    for _ in range(2):  # the header is padded to a multiple of 8
        manifest = dataclasses.replace(manifest, licence=manifest.licence + "x" * (wanted - length))
        weights.save(path, tensors, manifest)
        length = int.from_bytes(path.read_bytes()[:8], "little")
    assert path.read_bytes()[:2] == start
    weights.load(path)


def test_names_for_another_number_of_classes(tmp_path, small_weights):
    manifest, tensors = weights.load(small_weights)
    few = ClassMap(("road",), ((1, 2, 3),))
    weights.save(tmp_path / "few.safetensors", tensors, dataclasses.replace(manifest, classes=few))
    with pytest.raises(
        WeightsError, match="expected a class map of 11 classes, as the network has, got 1: road; write the file with"
    ):
        weights.load_model(tmp_path / "few.safetensors")


def test_another_number_of_things(tmp_path):
    arguments = {"things": 2, "depth": 18, "width": 0.125, "channels": 8, "hidden": 8}
    tensors = MODELS["mask_rcnn"].build(**arguments).state_dict()
    path, classes = tmp_path / "objects.safetensors", ClassMap(("a", "b", "c"), ((0, 0, 0),) * 3, frozenset({0, 2}))
    weights.save(path, tensors, Manifest("mask_rcnn", arguments, classes, (64, 96)))
    assert weights.load_model(path)[1].classes == classes
    weights.save(path, tensors, Manifest("mask_rcnn", arguments, CAMVID, (64, 96)))
    with pytest.raises(WeightsError, match=r"expected a class map of 2 things, as the network has, got 3: sky, "):
        weights.load_model(path)


def test_safetensors_without_manifest(tmp_path):
    path = tmp_path / "plain.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="expected a seg_ros manifest"):
        weights.load(path)


def test_failed_save_leaves_the_old_file(tmp_path, small_weights, monkeypatch):
    manifest, tensors = weights.load(small_weights)
    path = tmp_path / "kept.safetensors"
    weights.save(path, tensors, manifest)
    before = path.read_bytes()

    def full(tensors, path, metadata):
        path.write_bytes(before[:100])
        raise OSError("no space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(OSError, match="no space left"):
        weights.save(path, tensors, manifest)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
