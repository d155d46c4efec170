"""What Torch-TensorRT would say of a graph, from the source in its wheel, which is read and never imported.

The graph is lowered as `torch_tensorrt.dynamo` lowers it: its table of decompositions (names from the wheel, code from
PyTorch), constants folded, dead code and asserts dropped. Then every operator is looked up in its registry of
converters, as `ConverterRegistry.__getitem__` does it: the converter's validator must agree, and a converter that is
not registered for dynamic shapes takes none.
"""

from __future__ import annotations

import ast
import dataclasses
import operator
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch._decomp import get_decompositions
from torch._export.utils import _collect_all_valid_cia_ops_for_aten_namespace, _get_decomp_for_cia
from torch.export import ExportedProgram
from torch.fx import Node

aten = torch.ops.aten

_LARGEST_K = 3840  # of top-k and sort, `topk_sort_validator`
_CASTS = {torch.float, torch.int32, torch.int64, torch.bool, torch.int8, torch.float16, torch.bfloat16}
_ASSERTS = {aten._assert_scalar.default, aten._assert_tensor_metadata.default}
_ARITHMETIC = {
    op.Tensor if hasattr(op, "Tensor") else op.default
    for op in (aten.add, aten.sub, aten.mul, aten.div, aten.maximum, aten.minimum)
}

# Torch-TensorRT's own decompositions, those that these graphs meet, in our words.
_OURS = {
    aten._unsafe_view.default: torch.reshape,
    aten.alias.default: lambda x: x,
    aten.full_like.default: lambda x, value, **options: torch.full(
        x.shape, value, dtype=options.get("dtype") or x.dtype, device=options.get("device") or x.device
    ),
    aten.lift_fresh_copy.default: lambda x: x,
    aten.reciprocal.default: lambda x: torch.div(1, x),
    aten.rsqrt.default: lambda x: torch.reciprocal(torch.sqrt(x)),
    aten.view.default: aten._reshape_copy.default,
}


def _tensors(node: Node) -> Iterator[Tensor]:
    value = node.meta.get("val")
    yield from (v for v in (value if isinstance(value, (list, tuple)) else [value]) if isinstance(v, Tensor))


def _types(node: Node) -> set[torch.dtype]:
    """Of the tensors that go into `node`."""
    return {t.dtype for n in node.all_input_nodes for t in _tensors(n)}


def _dynamic(node: Node) -> bool:
    values = [n.meta.get("val") for n in (node, *node.all_input_nodes)]
    sizes = [s for n in (node, *node.all_input_nodes) for t in _tensors(n) for s in t.shape]
    return any(isinstance(v, torch.SymInt) for v in values + sizes)


def _always(node: Node) -> bool:
    return True


def _never(node: Node) -> bool:
    return False


def _indices_are_integers(node: Node) -> bool:
    types = {t.dtype for index in node.args[1] if index is not None for t in _tensors(index)}
    return types <= {torch.int32, torch.int64}


_VALIDATORS: dict[str, Callable[[Node], bool]] = {
    "": _always,
    "topk_validator": lambda node: isinstance(node.args[1], int) and node.args[1] <= _LARGEST_K,
    "to_copy_dtype_validator(placeholder_only=False)": lambda node: node.kwargs.get("dtype") in _CASTS,
    "bitwise_type_validator": lambda node: _types(node) == {torch.bool},
    "bitwise_not_type_validator": lambda node: _types(node) == {torch.bool},
    "max_pool_param_validator": lambda node: len(node.args) < 5,  # neither dilation nor ceil_mode
    "cat_validator": lambda node: len({t.ndim for n in node.args[0] for t in _tensors(n)}) == 1,
    "getitem_validator": _always,  # its parent is looked up as well
    "convolution_capability_validator": _always,  # TensorRT-RTX alone is refused anything
    # Only where an input is copied to an output, which no network does.
    "lambda node, settings: not is_only_operator_on_placeholder(node, settings)": _always,
    "is_only_operator_on_placeholder": _never,
    "to_copy_dtype_validator(placeholder_only=True)": _never,
    # Indices that are no booleans. Booleans need the output allocator, and that no CUDA graph can capture.
    "lambda node, settings: index_dtype_validator(node, settings) and (not index_has_bool_indices(node, settings))": (
        _indices_are_integers
    ),
    "lambda node, settings: index_dtype_validator(node, settings) and index_nonbool_validator(node, settings) and "
    "index_has_bool_indices(node, settings)": _never,
}
"""What a validator says of a node, by its source in the wheel. An unknown one counts as a refusal."""


@dataclasses.dataclass(frozen=True)
class Converter:
    """A row of the registry: its validator's source, whether it takes dynamic shapes, needs the output allocator."""

    validator: str
    dynamic: bool
    allocates: bool


class Wheel:
    """The source of one Torch-TensorRT.

    Attributes:
        converters: by the operator's name, such as `aten.add.Tensor`, best first.
        enabled, disabled: operators that PyTorch's decompositions take apart, or must not.
        own: operators that Torch-TensorRT takes apart by itself.
    """

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as file:
            sources = {n: file.read(n).decode() for n in file.namelist() if n.startswith("torch_tensorrt/dynamo/")}
        folder = "torch_tensorrt/dynamo"
        self.converters: dict[str, list[Converter]] = {}
        for name, source in sorted(sources.items()):
            if Path(name).match(f"{folder}/conversion/*.py") and "dynamo_tensorrt_converter" in source:
                self._register(ast.parse(source))
        groups = ast.parse(sources[f"{folder}/lowering/_decomposition_groups.py"])
        self.enabled = _set(groups, "torch_enabled_decompositions")
        self.disabled = _set(groups, "torch_disabled_decompositions")
        own = ast.parse(sources[f"{folder}/lowering/_decompositions.py"])
        self.own = {
            _name(call.args[0])
            for call in _calls(own, "register_torch_trt_decomposition", "replace_inplace_op")
            if isinstance(call.args[0], ast.Attribute)
        }

    def _register(self, module: ast.Module) -> None:
        for function in (f for f in ast.walk(module) if isinstance(f, ast.FunctionDef)):
            # The decorator next to the function is applied first.
            for call in reversed(list(_calls(function, "dynamo_tensorrt_converter"))):
                options = {k.arg: ast.unparse(k.value) for k in call.keywords}
                rows = self.converters.setdefault(_name(call.args[0]), [])
                row = Converter(
                    options.get("capability_validator", ""),
                    options.get("supports_dynamic_shapes") == "True",
                    options.get("requires_output_allocator") == "True",
                )
                rows.insert(0 if "HIGH" in options.get("priority", "") else len(rows), row)

    def refusals(self, program: ExportedProgram) -> list[str]:
        """Why an engine of the whole of `program` cannot be built: a line for each kind of operator, or none."""
        return sorted({f"{_target(n)}: {why}" for n in self._lower(program) if (why := self._refusal(n))})

    def _lower(self, program: ExportedProgram) -> list[Node]:
        """The nodes that are left to convert."""
        disabled = {_operator(name) for name in self.disabled}
        composite = _collect_all_valid_cia_ops_for_aten_namespace()
        table = get_decompositions([_operator(name) for name in self.enabled])
        table |= {op: _get_decomp_for_cia(op) for op in composite if op not in disabled}
        program = program.run_decompositions(table | _OURS)
        program.graph.eliminate_dead_code()
        # What depends on no input is folded into a constant.
        inputs = set(program.graph_signature.user_inputs)
        alive: set[Node] = set()
        for node in program.graph.nodes:
            if node.name in inputs or any(n in alive for n in node.all_input_nodes):
                alive.add(node)
        return [n for n in program.graph.nodes if n in alive and n.op == "call_function" and n.target not in _ASSERTS]

    def _refusal(self, node: Node) -> str:
        name = _target(node)
        if name in self.own or name.rpartition(".")[0] in self.own:
            return "Torch-TensorRT takes it apart in a way of its own: add that to this test"
        rows = self.converters.get(name)
        if not rows:
            return "no converter"
        agreed = [r for r in rows if _VALIDATORS.get(r.validator, _never)(node)]
        if not agreed:
            return f"refused by {' and '.join(r.validator for r in rows)}"
        if not any(r.dynamic or not _dynamic(node) for r in agreed):
            return "no converter for dynamic shapes"
        if agreed[0].allocates:
            return "needs the output allocator"
        # What TensorRT itself refuses, though it has a converter.
        types = _types(node)
        if node.target in _ARITHMETIC and types == {torch.bool}:
            return "no arithmetic on booleans (https://github.com/pytorch/TensorRT/issues/4605)"
        if torch.uint8 in types:
            return "no uint8: operator Shape does not take it, and no cast to it is converted"
        if torch.float64 in {t.dtype for t in _tensors(node)}:
            return "no float64"
        return ""


def _calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    return (n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) in names)


def _name(node: ast.expr) -> str:
    return ast.unparse(node).removeprefix("torch.ops.")


def _set(module: ast.Module, name: str) -> set[str]:
    (found,) = (n.value for n in module.body if isinstance(n, ast.AnnAssign) and ast.unparse(n.target) == name)
    return {_name(element) for element in found.elts}


def _operator(name: str) -> Callable:
    return operator.attrgetter(name)(torch.ops)


def _target(node: Node) -> str:
    """As the wheel's source names it."""
    if node.target is aten.max_pool2d_with_indices.default and all(u.args[1] == 0 for u in node.users):
        return "aten.max_pool2d.default"  # `replace_max_pool_with_indices`
    return str(node.target) if isinstance(node.target, torch._ops.OpOverload) else f"operator.{node.target.__name__}"
