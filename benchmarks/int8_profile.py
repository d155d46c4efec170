"""Shows what the time of an INT8 engine goes into, by kind of operation, as OpenVINO itself counts it.

    python -m benchmarks.int8_profile
    python -m benchmarks.int8_profile --weights unet_street --write    # the table of docs/benchmarks.md

`integers` are convolutions and products of matrices that are computed in 8 bits, `floats` those that are not, `tail` is
everything else: rounding between them, pooling, upsampling, labels, boxes. Shares are of the sum over all operations,
of their medians over the runs. The last line is JSON, a list of rows.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter

import numpy as np

from benchmarks.int8 import SHIPPED
from benchmarks.page import DOCS, machine, write_section
from seg_ros.cli.command import command

COLUMNS = ("network", "integers", "floats", "tail", "largest of the tail")
_PRODUCTS = {"Convolution", "ConvolutionBackpropData", "FullyConnected", "MatMul"}
_KINDS = 3
"""Kinds of the tail that are named."""


def profile(name: str, runs: int) -> dict:
    """Counts one network; returns its row."""
    import torch
    from openvino import Core

    from seg_ros.agreement import street_pictures
    from seg_ros.cli.common import Subject
    from seg_ros.engines.openvino import compiled
    from seg_ros.models.precision import at_precision

    subject = Subject.shipped(name)
    shape = (1, *subject.size)
    graph = at_precision(subject.graph, "int8")
    options = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "PERFORMANCE_HINT": "LATENCY", "PERF_COUNT": True}
    model = compiled(graph, torch.zeros(*shape, 3, dtype=torch.uint8), options)
    request = Core().import_model(model, "CPU", options).create_infer_request()
    pixels, counts = street_pictures(shape).numpy(), []
    for _ in range(runs):
        request.infer([pixels])
        counts.append(Counter())
        for each in request.get_profiling_info():
            product = each.node_type in _PRODUCTS
            kind = ("integers" if "8" in each.exec_type.rpartition("_")[2] else "floats") if product else each.node_type
            counts[-1][kind] += each.real_time.total_seconds()
    medians = {kind: float(np.median([count[kind] for count in counts])) for kind in set().union(*counts)}
    total = sum(medians.values())
    tail = {kind: time for kind, time in medians.items() if kind not in ("integers", "floats")}
    largest = sorted(tail, key=tail.get, reverse=True)[:_KINDS]
    share = {kind: f"{100 * time / total:.0f} %" for kind, time in (medians | {"tail": sum(tail.values())}).items()}
    named = ", ".join(f"{kind} {share[kind]}" for kind in largest)
    return {"network": f"`{name}`", **{k: share.get(k, "0 %") for k in COLUMNS[1:4]}, COLUMNS[4]: named}


@command
def main(arguments: list[str] | None = None) -> None:
    from seg_ros.cli.common import markdown_table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--weights", nargs="+", default=SHIPPED, help="files with ranges, or bare names of shipped weights")
    add("--runs", type=int, default=20)
    add("--write", action="store_true", help="also into docs/benchmarks.md")
    args = parser.parse_args(arguments)
    rows = [profile(name, args.runs) for name in args.weights]
    table = markdown_table(rows, COLUMNS)
    print(table)
    if args.write:
        write_section(DOCS, "int8 profile", f"{machine('torch', 'openvino')}\n\n{table}")
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
