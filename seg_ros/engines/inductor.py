"""Compiled by AOTInductor into one shared library, which loads in milliseconds from then on.

The weights are frozen into the library, so that the compiler folds batch normalisation into the convolutions and
lays the weights out for this processor.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from seg_ros.engines.cache import Artefact
from seg_ros.errors import EngineError


def build(graph: nn.Module, example: Tensor, artefact: Artefact) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Takes the library from the cache, or compiles it there.

    Raises:
        EngineError: if there is no C++ compiler, or compiling fails.
    """
    # Takes a second to import, so only for those who use it.
    from torch._inductor import aoti_compile_and_package, aoti_load_package

    def compile_to(path: Path) -> None:
        if not shutil.which("g++") and not shutil.which("clang++"):
            raise EngineError("inductor needs a C++ compiler and found neither g++ nor clang++; install g++")
        program = torch.export.export(graph.to(memory_format=torch.channels_last), (example,))
        aoti_compile_and_package(program, package_path=str(path), inductor_configs={"freezing": True})

    try:
        return aoti_load_package(str(artefact.get(compile_to, ".pt2")))
    except EngineError:
        raise
    except Exception as error:  # whatever a compiler may raise: the next engine may still run
        raise EngineError(f"inductor cannot compile this graph here: {type(error).__name__}: {error}") from error
