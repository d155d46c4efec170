"""Reads PyTorch's own files, by `torch.load(weights_only=True)`, which builds tensors and plain Python values only."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from seg_ros.errors import WeightsError

State = dict[str, Tensor]
"""Tensors by name."""


def read_pth(path: str | Path) -> State:
    """Reads the tensors of a `.pth` file by name; a wrapping dict (`state_dict`, `model`) is opened.

    Raises:
        WeightsError: if the file is missing, no PyTorch file, or holds anything but tensors with names.
    """
    if not Path(path).is_file():
        raise WeightsError(f"{path}: no such file")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged pickle makes its reader raise
        raise WeightsError(f"{path}: expected a PyTorch file of tensors only, got: {error}") from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if isinstance(state, dict):
        state = {name: t for name, t in state.items() if name != "mask_values"}  # milesial's script adds this list
    if not isinstance(state, dict) or not state or not all(isinstance(t, Tensor) for t in state.values()):
        raise WeightsError(f"{path}: expected a dict of tensors, got {type(state).__name__} of something else")
    odd = next((name for name, t in state.items() if not isinstance(name, str) or t.layout != torch.strided), None)
    if odd is not None:
        raise WeightsError(
            f"{path}: expected dense tensors by their names, got {odd!r:.100} for a {state[odd].layout} tensor; save "
            "the network's state_dict()"
        )
    return state
