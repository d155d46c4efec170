"""Compiles a graph by AOTInductor into one shared library, which the cache keeps and which loads in milliseconds.

The weights are frozen into the library, so that the compiler folds batch normalisation into the convolutions and
arranges the weights for this processor.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import torch
from torch import Tensor, nn

from seg_ros.engines.cache import Artefact
from seg_ros.engines.cuda_toolkit import cuda_toolkit
from seg_ros.engines.library import Library
from seg_ros.errors import EngineError


def versions() -> dict[str, str]:
    """Returns nothing: artefacts depend on no version but PyTorch's."""
    return {}


def build(graph: nn.Module, example: Tensor, artefact: Artefact) -> Library:
    """Takes the library from the cache, or compiles it there.

    Raises:
        EngineError: if there is no C++ compiler, for a GPU no headers of CUDA, or if compiling fails.
    """

    def compile_to(path: Path) -> None:
        try:
            _compile(graph, example, path)
        except EngineError:
            raise
        except Exception as error:  # whatever a compiler may raise: the next engine may still run
            raise EngineError(f"inductor cannot compile this graph here: {type(error).__name__}: {error}") from error

    return Library(artefact.get(compile_to, ".so"), example.device.type)


def _compile(graph: nn.Module, example: Tensor, path: Path) -> None:
    # Takes a second to import, so only where something is compiled.
    from torch._inductor import aot_compile
    from torch._inductor.async_compile import shutdown_compile_workers
    from torch._inductor.utils import clear_caches

    if not shutil.which("g++") and not shutil.which("clang++"):
        raise EngineError("inductor needs a C++ compiler and found neither g++ nor clang++; install g++")
    program = torch.export.export(graph, (example,))
    folder = path.with_suffix(".sources")  # the compiler leaves them beside the library
    options = {
        "freezing": True,
        "aot_inductor.output_path": str(folder / "graph.so"),
        # Precompiled headers are kept below /tmp whatever the environment says, and others can plant them there.
        "aot_inductor.precompile_headers": False,
        "cpp_cache_precompile_headers": False,
    }
    toolkit = contextlib.nullcontext()
    if example.is_cuda:  # one file, as for the CPU: the kernels go into the library
        options["aot_inductor.embed_kernel_binary"] = True
        toolkit = cuda_toolkit(path.with_suffix(".driver"))
    clear_caches()  # it remembers where an earlier build of this process kept things
    try:
        with toolkit:
            library = Path(aot_compile(program.module(), (example,), options=options))
    finally:
        clear_caches()
        shutdown_compile_workers()
    outside = [p.name for p in folder.glob("*.json") if not p.stem.endswith("metadata")]
    if outside:  # these would go through PyTorch's dispatcher, which a call through C does not reach
        raise EngineError("this graph has operators that AOTInductor does not compile into the library")
    library.replace(path)
