"""Files are whole or not there, and where none can be written is known beforehand."""

import os

import pytest
import torch
from safetensors import SafetensorError

from seg_ros import weights
from seg_ros.classes import CAMVID
from seg_ros.files import aside, check_file, check_folder
from seg_ros.manifest import Manifest


def test_a_file_comes_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a"
    with aside(path) as partial:
        partial.write_text("one")
        assert not path.exists()

    def interrupted():
        with aside(path) as partial:
            partial.write_text("tw")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert path.read_text() == "one"


def test_weights_that_cannot_be_written_leave_nothing(tmp_path, monkeypatch):
    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError("No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OSError, match=r"a\.safetensors: could not be written: No space left on device; make room"):
        weights.save(tmp_path / "a.safetensors", {"a": torch.zeros(1)}, Manifest("unet", {}, CAMVID, (64, 64)))
    assert not list(tmp_path.iterdir())


def test_where_no_file_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(IsADirectoryError, match="expected the name of a file, got a folder"):
        check_file(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"none/a: expected a file in a folder that exists, got .*none; make"):
        check_file(tmp_path / "none" / "a")
    check_file(tmp_path / "a")
    with pytest.raises(NotADirectoryError, match=r"expected a folder, got the file .*file"):
        check_folder(tmp_path / "file" / "a")
    with pytest.raises(OSError, match=r"expected .* MB of free disk, got .* MB; make room"):
        check_folder(tmp_path / "a" / "b", needed=2**60)
    with pytest.raises(ValueError, match="expected a folder whose name is UTF-8"):
        check_folder(tmp_path / os.fsdecode(b"caf\xe9"))
    check_folder(tmp_path / "a" / "b", needed=1)
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere
    for check in (check_file, check_folder):
        with pytest.raises(PermissionError, match="expected a folder that can be written"):
            check(tmp_path / "a")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
