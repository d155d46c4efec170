"""Writes a graph as ONNX: pixels in, labels and confidence or instances out, each by its name."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from seg_ros.errors import EngineError
from seg_ros.models import INSTANCES, SEMANTIC

if TYPE_CHECKING:
    import onnx

INPUT = "pixels"
OUTPUTS = {SEMANTIC: ("label", "confidence"), INSTANCES: ("boxes", "scores", "class_ids", "masks")}
"""Names of the outputs of a graph, by its task, in the graph's order."""
BATCH = "batch"
"""Name of a dynamic first dimension."""
_OPSET = 18
"""The exporter's own; later ones add nothing that these graphs need."""


@torch.no_grad()
def to_onnx(graph: nn.Module, example: Tensor, dynamic: bool = False, outputs: Sequence[str] = ()) -> onnx.ModelProto:
    """Returns `graph` as an ONNX model, its weights within.

    Args:
        graph: at its precision and portable, see `seg_ros.models.precision.at_precision`.
        example: an input, `(N, H, W, 3)` uint8.
        dynamic: whether the model takes 1 to N images, N being the example's and more than one, or N only.
        outputs: their names; those in `OUTPUTS` if none are given.

    Raises:
        EngineError: if a package is missing, or an operator cannot be written.
    """
    try:
        import onnx_ir.passes.common as passes
        from onnxscript import optimizer
    except ImportError as error:
        raise EngineError(f"ONNX needs onnx and onnxscript: {error}; pip install -r requirements/onnx.txt") from error
    batch = ({0: torch.export.Dim(BATCH, min=1, max=len(example))},) if dynamic else None
    names = {"input_names": [INPUT], "output_names": outputs or OUTPUTS[graph.task]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # how the exporter calls PyTorch is not the user's concern
        try:
            program = torch.onnx.export(
                graph, (example,), dynamo=True, opset_version=_OPSET, dynamic_shapes=batch, optimize=False,
                verbose=False, **names,
            )  # fmt: skip
        except Exception as error:  # whatever the exporter may raise, around the cause a page of advice on itself
            cause = error.__cause__ or error
            why = " ".join(f"{type(cause).__name__}: {cause}".split())
            raise EngineError(f"this graph cannot be written as ONNX: {why:.500}") from error
    # For Mask R-CNN the exporter's own optimisation takes longer than all the rest. Beyond constants it merges a tenth
    # of the operators, and runtimes do the like when they open a file.
    optimizer.fold_constants(program.model)
    for tidied in (
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.DeduplicateInitializersPass(),
        passes.CommonSubexpressionEliminationPass(),
        passes.RemoveUnusedNodesPass(),
        passes.ClearMetadataAndDocStringPass(),  # which lines of source made a node, with the paths of this machine
    ):
        tidied(program.model)
    return program.model_proto
