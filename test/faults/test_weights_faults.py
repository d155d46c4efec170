"""Weights that are not what they should be, at the node: it stays, says why, and goes on with the right ones."""

import os
import pickle

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

import torch
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from test.headers import lie
from test.nodes import state


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def missing(path, good):
    pass


def truncated(path, good):
    path.write_bytes(good.read_bytes()[:-1000])


def flipped(path, good):
    data = bytearray(good.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)


def whole(path, good):
    path.write_bytes(good.read_bytes())


def saved_by_torch(path, good):
    torch.save({"state_dict": Canary(path.parent / "canary")}, path)


def pickled(path, good):
    path.write_bytes(pickle.dumps(Canary(path.parent / "canary")))


def of_a_huge_network(path, good):
    lie(path, good, arguments={"classes": 11, "width": 1024, "depth": 8})


FAULTS = {
    "missing": ("a.safetensors", missing, {}, ["no such file", "give a path to a .safetensors file"]),
    "truncated": ("a.safetensors", truncated, {}, ["expected a whole safetensors file", "got one of {size} bytes"]),
    "one bit flipped": ("a.safetensors", flipped, {}, ["expected sha256", "got", "altered or damaged"]),
    "wrong architecture": ("a.safetensors", whole, {"model": "fcn"}, ["expected architecture 'fcn'", "got 'unet'"]),
    "huge network": ("a.safetensors", of_a_huge_network, {}, ["tensor ", "expected (", "got "]),
    "pickle": ("a.pth", saved_by_torch, {}, ["expected safetensors", "got a PyTorch pickle"]),
    "bare pickle": ("a.pth", pickled, {}, ["expected safetensors", "got a PyTorch pickle"]),
    "renamed pickle": ("a.safetensors", saved_by_torch, {}, ["expected safetensors", "got a PyTorch pickle"]),
    "renamed bare pickle": ("a.safetensors", pickled, {}, ["expected safetensors", "got a PyTorch pickle"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_node_survives_wrong_weights(start, small_weights, tmp_path, fault):
    name, write, overrides, words = FAULTS[fault]
    write(tmp_path / name, small_weights)
    node = start(autostart=False, weights=str(tmp_path / name), **overrides)

    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert state(node) == "unconfigured"
    size = (tmp_path / name).stat().st_size if (tmp_path / name).exists() else 0
    for word in [str(tmp_path / name), *words]:
        assert word.format(size=size) in str(node.problem)
    assert not (tmp_path / "canary").exists()

    right = [Parameter("weights", value=str(small_weights)), Parameter("model", value="unet")]
    assert all(result.successful for result in node.set_parameters(right))
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert str(node.problem) == ""


@pytest.mark.parametrize("write", [saved_by_torch, pickled])
def test_the_canary_sings_where_a_pickle_is_opened(tmp_path, write):
    write(tmp_path / "a.pth", None)
    if write is pickled:
        pickle.loads((tmp_path / "a.pth").read_bytes())
    else:
        torch.load(tmp_path / "a.pth", weights_only=False)
    assert (tmp_path / "canary").is_dir()
