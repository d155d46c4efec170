"""Compiles a graph by AOTInductor into one shared library, which the cache keeps and which loads in milliseconds.

The weights are frozen into the library, so that the compiler folds batch normalisation into the convolutions and
arranges the weights for this processor.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from torch import Tensor, nn

from seg_ros.engines.cache import Artefact
from seg_ros.engines.compiling import run_apart
from seg_ros.engines.library import Library
from seg_ros.errors import EngineError


def versions() -> dict[str, str]:
    """Returns nothing: artefacts depend on no version but PyTorch's."""
    return {}


def build(graph: nn.Module, example: Tensor, artefact: Artefact) -> Library:
    """Takes the library from the cache, or compiles it there, in a process of its own.

    Raises:
        EngineError: if there is no C++ compiler, for a GPU no headers of CUDA, or if compiling fails.
    """

    def compile_to(path: Path) -> None:
        try:
            _compile(graph, example, path)
        except Exception as error:  # whatever a compiler may raise: the next engine may still run
            raise EngineError(f"inductor cannot compile this graph here: {_reason(error)}") from error

    return Library(artefact.get(compile_to, ".so"), example.device.type)


def _compile(graph: nn.Module, example: Tensor, path: Path) -> None:
    if not shutil.which("g++") and not shutil.which("clang++"):
        raise EngineError("inductor needs a C++ compiler and found neither g++ nor clang++; install g++")
    source = path.with_suffix(".pt")
    torch.save((graph, example), source)
    run_apart("seg_ros.engines.aot", path.parent, source, path, torch.get_num_threads())


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"
