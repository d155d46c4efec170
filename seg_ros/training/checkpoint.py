"""The checkpoint of a training run: what it takes to go on, in the run's folder."""

from __future__ import annotations

from pathlib import Path

import torch

from seg_ros.errors import WeightsError
from seg_ros.files import aside

FILE = "checkpoint.pt"
_FIELDS = ("model", "average", "optimiser", "epoch", "best", "random")


def write(run: Path, state: dict) -> None:
    """Writes the state of a run into its folder, whole or not at all: a run that is killed goes on from before.

    Raises:
        OSError: if it cannot be written.
    """
    path = run / FILE
    with aside(path) as partial:
        try:
            torch.save(state, partial)
        except RuntimeError as error:  # a full disk, say
            raise OSError(
                f"{path}: could not be written, is the disk full? What was there before stays: {error}"
            ) from error


def read(run: Path, device: torch.device) -> dict:
    """Reads the state of a run, its tensors to `device`.

    Raises:
        FileNotFoundError: if there is none.
        WeightsError: if it does not read.
    """
    path = find(run)
    try:
        state = torch.load(path, weights_only=True, map_location=device)
        missing = [name for name in _FIELDS if name not in state]
        if missing:
            raise ValueError(f"no {missing[0]}")
    except Exception as error:  # whatever a damaged pickle makes its reader raise
        raise WeightsError(
            f"{path}: expected a checkpoint of a run, got {error!r:.200}; it is damaged: train in a new folder"
        ) from error
    return state


def find(run: Path) -> Path:
    """Returns the path of the checkpoint in the folder of a run.

    Raises:
        FileNotFoundError: if there is none.
    """
    path = run / FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no run to resume there; give --run the folder of one, or leave --resume out to begin one"
        )
    return path


def refuse(run: Path) -> None:
    """Refuses the folder of an earlier run, whose files a new run would replace.

    Raises:
        FileExistsError: if it is one.
    """
    if (run / FILE).exists():
        raise FileExistsError(
            f"{run}: expected a folder for a new run, got that of an earlier one; go on with --resume, or give another"
        )
