"""Files of PyTorch: tensors by their names come out, and nothing in them runs."""

import os

import pytest
import torch

from seg_ros.errors import WeightsError
from seg_ros.pth import read_pth


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    torch.save({"a": Canary(tmp_path / "canary")}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match="expected a PyTorch file of tensors only"):
        read_pth(tmp_path / "evil.pth")
    assert not (tmp_path / "canary").exists()


def test_wrapped_state_is_opened(tmp_path):
    torch.save({"state_dict": {"a": torch.ones(1)}}, tmp_path / "wrapped.pth")
    assert read_pth(tmp_path / "wrapped.pth").keys() == {"a"}
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(WeightsError, match=r"text.pth: expected a PyTorch file"):
        read_pth(tmp_path / "text.pth")
    with pytest.raises(WeightsError, match="no such file"):
        read_pth(tmp_path / "none.pth")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({1: torch.zeros(1)}, "expected dense tensors by their names, got 1 for a torch.strided tensor"),
        ({"a": torch.zeros(1), 1: torch.zeros(1)}, "expected dense tensors by their names, got 1 for"),
        ({"a": torch.eye(2).to_sparse()}, "expected dense tensors by their names, got 'a' for a torch.sparse_coo"),
        ({}, "expected a dict of tensors"),
    ],
)
def test_a_state_that_is_none(tmp_path, state, message):
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(WeightsError, match=f"odd.pth: {message}"):
        read_pth(tmp_path / "odd.pth")
