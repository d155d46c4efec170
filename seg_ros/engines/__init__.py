"""Engines: one contract, one compiled graph.

An engine is a module with `build(graph, example, artefact) -> callable`; the callable maps `(N, H, W, 3) uint8`
pixels to the graph's tensors. The table is in the order in which `auto` tries them.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from seg_ros.engines import cache, eager, inductor
from seg_ros.engines.memory import keep_freed_memory
from seg_ros.errors import EngineError

log = logging.getLogger(__name__)

ENGINES = {"inductor": inductor, "eager": eager}


@dataclasses.dataclass(frozen=True)
class Engine:
    """A graph that is ready to run.

    Attributes:
        name: of the engine in use.
        run: maps `(N, H, W, 3) uint8` pixels to the graph's tensors.
        refused: why engines before this one did not work, by name (only `auto` falls through).
    """

    name: str
    run: Callable[[Tensor], tuple[Tensor, ...]]
    refused: dict[str, str]


@torch.no_grad()
def open_engine(
    name: str, graph: nn.Module, shape: tuple[int, int, int], weights: str, directory: Path | None = None
) -> Engine:
    """Builds or loads an engine and warms it up.

    Args:
        name: in `ENGINES`, or `"auto"`: the first that works.
        graph: the computation, in eval mode.
        shape: `(N, H, W)` of the input.
        weights: digest of the weights, for the cache's key.
        directory: of the cache; None is the default one.

    Raises:
        EngineError: if the named engine, or with `auto` every engine, does not work here.
    """
    if name != "auto" and name not in ENGINES:
        raise EngineError(f"engine {name!r}: expected one of {', '.join(['auto', *ENGINES])}")
    keep_freed_memory()
    example = torch.zeros(*shape, 3, dtype=torch.uint8)
    refused: dict[str, str] = {}
    for candidate in ENGINES if name == "auto" else [name]:
        key = {
            "engine": candidate,
            "weights": weights,
            "graph": cache.graph_source(),
            "shape": shape,
            "precision": "fp32",
            **cache.machine(),
        }
        try:
            artefact = cache.Artefact(directory or cache.default_directory(), key)
            run = torch.inference_mode()(ENGINES[candidate].build(graph, example, artefact))
            start = time.monotonic()
            for _ in range(3):  # the first calls allocate, and choose kernels
                run(example)
            log.info("engine %s: warmed up in %.2f s", candidate, time.monotonic() - start)
            return Engine(candidate, run, refused)
        except EngineError as error:
            if name != "auto":
                raise
            refused[candidate] = str(error)
            log.warning("engine %s does not work here: %s", candidate, error)
    raise EngineError("no engine works here: " + "; ".join(f"{n}: {why}" for n, why in refused.items()))
