"""Weights files: safetensors whose header carries a manifest, so that one file is enough to run a network.

Nothing in a weights file is ever executed: safetensors holds plain numbers (a pickle is refused, not opened).
A digest over the manifest and every tensor is checked before a network sees them.
"""

from __future__ import annotations

import hashlib
import reprlib
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from seg_ros.errors import WeightsError
from seg_ros.files import aside
from seg_ros.manifest import KEY, Manifest, find, parse
from seg_ros.models import MODELS
from seg_ros.models.quantised import LAYERS


def save(path: str | Path, tensors: Mapping[str, Tensor], manifest: Manifest, half: bool = False) -> None:
    """Writes a weights file, whole or not at all.

    Args:
        half: store floating point tensors as float16, but those with values beyond its range.

    Raises:
        OSError: if it cannot be written.
    """
    tensors = {name: (_halved(t) if half else t).detach().cpu().contiguous() for name, t in tensors.items()}
    text = manifest.to_json()
    with aside(Path(path)) as partial:
        try:
            safetensors.torch.save_file(tensors, partial, {KEY: text, "sha256": _digest(text, tensors)})
        except safetensors.SafetensorError as error:  # a full disk, say
            raise OSError(f"{path}: could not be written: {error}; make room, or give another place") from error
        partial.chmod(0o644)  # safetensors makes it private; shipped weights are for everyone


def _halved(tensor: Tensor) -> Tensor:
    # A channel that was hardly used may have a normalisation weight beyond 65504, which float16 would make infinite.
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    return half if half.isfinite().all() else tensor


def load(path: str | Path) -> tuple[Manifest, dict[str, Tensor]]:
    """Reads and checks a weights file.

    Raises:
        WeightsError: if the file is missing, truncated, altered, no safetensors file or without manifest.
    """
    path = find(path)
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        with path.open("rb") as file:
            start = file.read(2)
        if start == b"PK" or start[:1] == b"\x80":  # only now: a safetensors file may begin so too
            raise WeightsError(
                f"{path}: expected safetensors, got a PyTorch pickle, which could run code when opened; "
                "convert it: python -m seg_ros.cli.convert"
            ) from error
        raise WeightsError(
            f"{path}: expected a whole safetensors file, got one of {path.stat().st_size} bytes that does not "
            f"read ({error}); it is truncated or damaged, fetch it again"
        ) from error
    if KEY not in metadata or "sha256" not in metadata:
        raise WeightsError(
            f"{path}: expected a seg_ros manifest in the header, got keys {reprlib.repr(sorted(metadata))}; "
            "write the file with seg_ros.weights.save"
        )
    actual = _digest(metadata[KEY], tensors)
    if actual != metadata["sha256"]:
        raise WeightsError(
            f"{path}: expected sha256 {metadata['sha256'][:16]}..., got {actual[:16]}...; "
            "the file was altered or damaged, fetch it again"
        )
    return parse(path, metadata[KEY]), tensors


def load_model(path: str | Path, architecture: str = "") -> tuple[nn.Module, Manifest]:
    """Builds the network that the manifest names and fills it. It is float32 and in eval mode.

    Args:
        architecture: if not empty, the only one that is accepted, around any encoder: `unet` accepts
            `unet_efficientnet`, too.

    Raises:
        WeightsError: as `load`, and if architecture or tensors are not what is expected.
    """
    manifest, tensors = load(path)
    around = architecture in MODELS and manifest.architecture.startswith(f"{architecture}_")
    if architecture and manifest.architecture != architecture and not around:
        raise WeightsError(
            f"{path}: expected architecture {architecture!r}, got {manifest.architecture!r}; "
            "change the parameter 'model' or the weights"
        )
    network = MODELS[manifest.architecture]
    for name, count in network.count(manifest.classes).items():
        if manifest.arguments.get(name) != count:
            raise WeightsError(
                f"{path}: expected a class map of {manifest.arguments.get(name)} {name}, as the network has, got "
                f"{count}: {', '.join(manifest.classes.names)}; write the file with the classes it was trained on"
            )
    check_tensors(path, manifest, tensors)
    model = network.build(**manifest.arguments)
    model.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in tensors.items()})
    return model.eval(), manifest


def check_tensors(path: str | Path, manifest: Manifest, tensors: Mapping[str, Tensor]) -> None:
    """Compares names, shapes and kinds of tensors with those of the network, which is built without memory for that.

    So a file can claim a large network only by being as large itself.

    Raises:
        WeightsError: if one differs, or the network refuses the arguments in the manifest.
    """
    try:
        with torch.device("meta"), _Undrawn():
            model = MODELS[manifest.architecture].build(**manifest.arguments)
    except ValueError as error:
        raise WeightsError(
            f"{path}: the manifest's arguments do not build the network {manifest.architecture}: {error}; write the "
            "file with those it was trained with"
        ) from error
    expected, actual = ({name: _described(t) for name, t in each.items()} for each in (model.state_dict(), tensors))
    if expected != actual:
        name = min(n for n in expected.keys() | actual.keys() if expected.get(n) != actual.get(n))
        raise WeightsError(
            f"{path}: tensor {name!r}: expected {expected.get(name, 'none')}, got {actual.get(name, 'none')}; "
            f"these are no weights for {manifest.architecture} with {manifest.arguments}"
        )
    known = {name for name, module in model.named_modules() if isinstance(module, LAYERS)}
    if unknown := manifest.ranges.keys() - known:
        raise WeightsError(
            f"{path}: ranges of {reprlib.repr(min(unknown))}: expected the name of a layer, such as {min(known)!r}; "
            "make them again: ros2 run seg_ros quantize"
        )


class _Undrawn(TorchFunctionMode):
    """Draws no normal numbers: for tensors without memory PyTorch imports its compiler first, which takes 2 s."""

    def __torch_function__(self, function, types, args=(), kwargs=None):  # noqa: ANN204 (as PyTorch declares it)
        kwargs = kwargs or {}
        if function in (Tensor.normal_, nn.init.normal_):
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


def _described(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} of {'floating point' if tensor.is_floating_point() else tensor.dtype}"


def digest(tensors: Mapping[str, Tensor], manifest: Manifest) -> str:
    """Returns the SHA-256 over a manifest and its tensors, hexadecimal."""
    return _digest(manifest.to_json(), tensors)


def _digest(manifest: str, tensors: Mapping[str, Tensor]) -> str:
    sha = hashlib.sha256(manifest.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return sha.hexdigest()
