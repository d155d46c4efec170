"""Compiles a graph by AOTInductor into a shared library, as a process that `seg_ros.engines.inductor` starts.

    python -m seg_ros.engines.aot GRAPH LIBRARY THREADS

It ends, with the compilers that it has started, when whoever started it is gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

from seg_ros.engines.cuda_toolkit import cuda_toolkit


def end_with_parent() -> None:
    """Kills this process and its compilers when its stdin ends: it is the parent's, which has ended then."""
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


def compile_graph(source: Path, target: Path) -> None:
    """Compiles what is in the file `source`, a pair of a graph and an example of its input, to the file `target`.

    Raises:
        RuntimeError: if there are operators that AOTInductor leaves to PyTorch.
        EngineError: for a GPU, if there are no headers of CUDA.
    """
    import torch
    from torch._inductor import aot_compile

    # Like the library that is made of it, the file is safe in a folder that none but its user can write.
    graph, example = torch.load(source, weights_only=False)
    folder = target.with_suffix(".sources")  # the compiler leaves them beside the library
    options = {
        "freezing": True,
        "aot_inductor.output_path": str(folder / "graph.so"),
        # For the one or two files of a graph precompiled headers gain nothing.
        "aot_inductor.precompile_headers": False,
        "cpp_cache_precompile_headers": False,
    }
    toolkit = contextlib.nullcontext()
    if example.is_cuda:  # one file, as for the CPU: the kernels go into the library
        options["aot_inductor.embed_kernel_binary"] = True
        toolkit = cuda_toolkit(target.with_suffix(".driver"))
    with torch.no_grad(), toolkit:
        program = torch.export.export(graph, (example,))
        library = Path(aot_compile(program.module(), (example,), options=options))
    if any(not file.stem.endswith("metadata") for file in folder.glob("*.json")):
        # These would go through PyTorch's dispatcher, which a call through C does not reach.
        raise RuntimeError("it has operators that AOTInductor does not compile into the library")
    library.replace(target)


def main() -> None:
    """Compiles; what fails is said on stdout, with status 1."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        import torch

        torch.set_num_threads(int(sys.argv[3]))  # the number is part of the compiled graph
        compile_graph(Path(sys.argv[1]), Path(sys.argv[2]))
    except Exception as error:  # whatever a compiler may raise
        print(f"{type(error).__name__}: {error}", flush=True)
        os._exit(1)
    os._exit(0)  # at once: the library is there, and compilers in waiting end with this process


if __name__ == "__main__":
    main()
