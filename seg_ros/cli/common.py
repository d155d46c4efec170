"""Shared parts of the command lines."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from seg_ros import weights
from seg_ros.cli.arguments import whole
from seg_ros.engines import DEVICES
from seg_ros.manifest import LARGEST_SIDE
from seg_ros.models import MODELS
from seg_ros.models.graph import InstanceGraph, SemanticGraph, make_graph


@dataclasses.dataclass(frozen=True)
class Subject:
    """A network that is compiled or timed.

    Attributes:
        name: of the weights, or of the untrained model with its arguments.
        graph: on the CPU, float32.
        digest: of the weights.
        size: `(H, W)` in pixels of the network input that the weights were trained for.
        int8_loss: points of the score that int8 costs; None where there is none for these weights.
    """

    name: str
    graph: SemanticGraph | InstanceGraph
    digest: str
    size: tuple[int, int]
    int8_loss: float | None = None

    @classmethod
    def shipped(cls, path: str) -> Subject:
        """Loads a weights file, or shipped weights by their bare name."""
        model, manifest = weights.load_model(path)
        graph = make_graph(model, manifest.mean, manifest.std, manifest.classes.things, manifest.ranges)
        digest = weights.digest(model.state_dict(), manifest)
        return cls(Path(path).stem, graph, digest, manifest.input_size, manifest.int8_loss)

    @classmethod
    def untrained(cls, architecture: str, arguments: list[str]) -> Subject:
        """Builds a network of `MODELS` with random weights, always the same, and arguments `NAME=VALUE`."""
        torch.manual_seed(0)
        values = dict(argument(text) for text in arguments)
        model = MODELS[architecture].build(**values)
        graph = make_graph(model, (0.5,) * 3, (0.25,) * 3, range(1, values.get("things", 0) + 1))
        name = " ".join([architecture, *arguments])
        return cls(name, graph, name, (480, 640))


def add_subjects(parser: argparse.ArgumentParser) -> None:
    """Adds `--weights` or `--model` with `--arguments`, for `subjects`; and `--size`, `--device`, `--threads`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--weights", nargs="+", help="files, or bare names of shipped weights")
    what.add_argument("--model", choices=sorted(MODELS), help="an untrained network, with --arguments")
    parser.add_argument("--arguments", nargs="+", default=[], metavar="NAME=VALUE", help="of the model")
    size = "network input (default: the weights' own, or 480 640)"
    parser.add_argument("--size", type=whole(1, LARGEST_SIDE), nargs=2, metavar=("H", "W"), help=size)
    parser.add_argument("--device", choices=("auto", *DEVICES), default="auto")
    threads = "on the CPU, as the node's parameter (default: one per core)"
    parser.add_argument("--threads", type=whole(0), default=0, help=threads)


def subjects(args: argparse.Namespace) -> list[Subject]:
    """Returns what the arguments of `add_subjects` name."""
    if args.model:
        return [Subject.untrained(args.model, args.arguments)]
    return [Subject.shipped(path) for path in args.weights]


def markdown_table(rows: list[dict], columns: Sequence[str]) -> str:
    """Writes the rows as a Markdown table; where a value is None its cell is empty."""
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    lines += ["| " + " | ".join("" if row[c] is None else str(row[c]) for c in columns) + " |" for row in rows]
    return "\n".join(lines)


def peak_megabytes(process: int | str = "self") -> float:
    """Returns the largest resident size so far of a process, by its number, in MB."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1e3


def argument(text: str) -> tuple[str, int | float | bool]:
    """Reads `"width=16"` as `("width", 16)`; the value is JSON.

    Raises:
        ValueError: if the value is no JSON.
    """
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        raise ValueError(f"expected NAME=VALUE with a number, true or false, got {text!r}") from None
