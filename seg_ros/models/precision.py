"""Prepares a graph for engines: batch normalisation folded into convolutions, channels last, in its precision."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from seg_ros.errors import EngineError
from seg_ros.models.quantised import round_weights

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, "int8": torch.float32}
"""Types of weights and features by precision, at int8 of those that are not quantised. Boxes, scores and soft-max stay
float32 in every one."""


def at_precision(graph: nn.Module, precision: str, portable: bool = False) -> nn.Module:
    """Returns a copy of `graph` that computes the same in `precision`, one of `DTYPES`; `graph` is in eval mode.

    At `int8` the weights of the layers in `graph.ranges` are rounded here, and the features by `round_features` once
    the graph is exported. In the other precisions the copy has no `ranges`.

    Args:
        portable: for GPUs and ONNX: labels by few operators that every runtime has (`label_and_confidence`), and
            suppression without a loop (`greedy_nms`). What is not portable is made for the compilers of CPUs.

    Raises:
        EngineError: at `int8`, if the graph has no ranges; with the reason `not_finite`, if there are NaN or Inf among
            the weights in that precision. What comes out of the network need not show them: a ReLU that is fused into
            its convolution makes 0 of NaN.
    """
    if precision == "int8" and not graph.ranges:
        raise EngineError(
            "precision 'int8': expected weights with the ranges of their features, and these have none; use 'fp32', or "
            "make them once: ros2 run seg_ros quantize --weights W --data D"
        )
    graph = copy.deepcopy(graph)
    graph.ranges = graph.ranges if precision == "int8" else {}
    fold_batch_norm(graph.model)
    graph.model.to(DTYPES[precision])  # not the normalisation before it
    for module in graph.modules():
        if hasattr(module, "portable"):
            module.portable = portable
    for name, weight in graph.model.state_dict().items():
        if not weight.isfinite().all():
            raise EngineError(
                f"precision {precision!r}: expected finite weights, got NaN or Inf in {name}; try 'fp32', and if that "
                f"is no better other weights: these are damaged, or their training diverged",
                reason="not_finite",
            )
    round_weights(graph.model, graph.ranges)
    return graph.to(memory_format=torch.channels_last)


@torch.no_grad()
def fold_batch_norm(module: nn.Module) -> None:
    """Folds every batch normalisation into the convolution before it, in place.

    In these models a normalisation that follows a convolution among the children of a module is applied to the
    output of that convolution and nothing else. The compilers fold it as well, but not all of them in half precision.
    """
    for parent in module.modules():
        before = None
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d) and before is not None:
                parent.add_module(before, fuse_conv_bn_eval(parent.get_submodule(before), child))
                parent.add_module(name, nn.Identity())
            before = name if isinstance(child, nn.Conv2d) else None


def narrow_strides(module: nn.Module) -> bool:
    """Returns whether `module` has a 1x1 convolution with a stride and fewer than 16 input channels.

    PyTorch 2.13's bfloat16 kernels for these write beyond their memory on the CPU.
    """
    convolutions = (m for m in module.modules() if isinstance(m, nn.Conv2d))
    return any(c.kernel_size == (1, 1) and max(c.stride) > 1 and c.in_channels < 16 for c in convolutions)
