"""Builds plans from ONNX by TensorRT's own parser: nothing else is needed where they are built, nor where they run.

TensorRT for RTX builds without a GPU. Types are the graph's own (strong typing), weights are constants.
"""

from __future__ import annotations

from seg_ros.engines.plan import RTX, library, logger
from seg_ros.errors import EngineError


def build_plan(model: bytes, batch: int) -> tuple[bytes, int]:
    """Builds an engine for 1 to `batch` images, which is the fastest at `batch`.

    Args:
        model: ONNX of one input, whose first dimension is dynamic if `batch` is more than 1.

    Returns:
        The serialised engine, its outputs named `output0`, `output1`, ... in the graph's order; and the number of
        layers that the parser made of the graph.

    Raises:
        EngineError: if the parser does not take an operator, or TensorRT cannot build the engine.
    """
    trt = library()
    builder = trt.Builder(logger(trt))
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger(trt))  # it owns the weights until the engine is built
    if not parser.parse(model):
        errors = (parser.get_error(i) for i in range(parser.num_errors))
        named = dict.fromkeys(f"{e.node_operator() or 'the model'}: {e.desc()}" for e in errors)
        raise EngineError(f"the parser of {trt.__name__} refuses {'; '.join(named)}")
    for i in range(network.num_outputs):
        network.get_output(i).name = f"output{i}"
    config = builder.create_builder_config()
    if trt.__name__ == RTX:
        # Memory that the engine took while it runs could not be in a CUDA graph: what needs it is an error here.
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
    if batch > 1:
        pixels, profile = network.get_input(0), builder.create_optimization_profile()
        size = tuple(pixels.shape)[1:]
        profile.set_shape(pixels.name, (1, *size), (batch, *size), (batch, *size))
        config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:  # the reason is on stderr
        raise EngineError(f"{trt.__name__} parses the graph, but cannot build it; its own words are on stderr")
    return bytes(plan), network.num_layers
