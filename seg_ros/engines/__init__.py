"""The engines: one table, from name to module. All have one contract and run one graph.

An engine is a file and a row. Its module has

    versions() -> dict                          what its artefacts depend on, for the cache's key
    build(graph, example, artefact) -> callable

where `graph` is at its precision and on its device, `example` is an input on that device, and the callable maps
`(N, H, W, 3) uint8` pixels there to the graph's tensors there. `seg_ros.engines.opening` opens them. The table needs no
PyTorch, so that commands that only ask for names start at once.
"""

from __future__ import annotations

ENGINES = {
    "tensorrt": "seg_ros.engines.tensorrt",
    "inductor": "seg_ros.engines.inductor",
    "openvino": "seg_ros.engines.openvino",
    "eager": "seg_ros.engines.eager",
}
"""Module by name, in the order in which `auto` tries them, and prefers those that are equally fast."""
QUICK = ("openvino", "eager")
"""Those that are ready within seconds, so that `auto` may build them when it is first asked."""
PRECISIONS = ("fp32", "fp16", "bf16", "int8")
"""Number types of weights and features."""
ON_GPU = ("tensorrt",)
"""Engines that run on a GPU only."""
QUANTISED = ("openvino",)
"""Engines that compute in int8."""
DEVICES = ("cuda", "cpu")
