"""The interface of a task for training and evaluation; `seg_ros.training.tasks` has one for each kind of network."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from seg_ros.classes import ClassMap
from seg_ros.manifest import Manifest
from seg_ros.training.augment import Augment


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """The training pictures and loss of a network.

    Attributes:
        pictures: augmented ones with their truth.
        loss: maps the network, normalised images `(B, 3, H, W)` float and the truth of a batch to a scalar.
        collate: makes a batch `(images (B, H, W, 3) uint8, truth)` of items of `pictures`; None: PyTorch's own way.
    """

    pictures: Dataset
    loss: Callable[[nn.Module, Tensor, Any], Tensor]
    collate: Callable[[list], tuple[Tensor, Any]] | None = None


class Survey(NamedTuple):
    """What the truth of a data set holds.

    Attributes:
        counts: how often each id was met, `(256,) int64`, as far as it was counted.
        lines: for people: the share of each class.
    """

    counts: np.ndarray
    lines: list[str]


class Evaluation(abc.ABC):
    """The results of a network on a data set.

    Attributes:
        figures: all of them, as JSON values.
        score: those that a training run prints after an epoch; the first decides which epoch is the best. 0..1.
    """

    figures: dict
    score: dict[str, float]

    @abc.abstractmethod
    def table(self) -> list[str]:
        """Returns the figures as lines for people."""

    @abc.abstractmethod
    def draw(self, folder: Path) -> list[str]:
        """Writes pictures of the results into `folder`, and returns lines with their paths."""


class Task(abc.ABC):
    """What is done differently for each kind of network.

    Args:
        manifest: of the network.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest

    @staticmethod
    @abc.abstractmethod
    def classes(root: Path, given: str) -> ClassMap:
        """Returns the class map to train on.

        Args:
            root: holds `train/` and `val/`.
            given: a classes file, "camvid", or empty: what lies in `root` decides.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if the data in `root` is of another task, or does not read.
        """

    @abc.abstractmethod
    def survey(self, root: Path, learn: bool) -> Survey:
        """Counts what the truth of the data set in `root` holds.

        Args:
            root: of a data set.
            learn: it is data to learn from: each class must occur. Otherwise one must.

        Raises:
            FileNotFoundError, ValueError: if `root` is no such data set, or nothing can be learned from it or compared
                with it.
        """

    @abc.abstractmethod
    def training_data(self, root: Path, augment: Augment | None, counts: np.ndarray | None = None) -> TrainingData:
        """Returns what to learn from the data set in `root`.

        Args:
            root: of a data set.
            augment: of its pictures; None leaves them as they are.
            counts: those of its survey; None: they are counted if the loss needs them.

        Raises:
            FileNotFoundError, ValueError: if `root` is no such data set.
        """

    @abc.abstractmethod
    def evaluate(self, graph: Callable[[Tensor], tuple[Tensor, ...]], root: Path, device: torch.device) -> Evaluation:
        """Runs the graph of a network over the pictures in `root`, at full size, single scale.

        Args:
            graph: from `make_graph`, on `device`, or what runs it there.
            root: of a data set.

        Raises:
            FileNotFoundError, ValueError: if `root` is no such data set.
        """


def class_table(values: dict[str, float | None]) -> list[str]:
    """Returns a line for each class with its figure, 0..1, in percent; None: the class does not occur."""
    return [f"  {name:12s} {'absent' if v is None else f'{100 * v:5.1f}'}" for name, v in values.items()]
