"""Weights files: safetensors whose header carries a manifest, so that one file is enough to run a network.

Nothing in a weights file is ever executed: safetensors holds plain numbers (a pickle is refused, not opened).
A digest over the manifest and every tensor is checked before a network sees them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from seg_ros.classes import ClassMap
from seg_ros.errors import WeightsError
from seg_ros.models import MODELS
from seg_ros.share import folders

_KEY = "seg_ros"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What is known of a set of weights.

    Attributes:
        architecture: name in `seg_ros.models.MODELS`.
        arguments: its constructor's arguments.
        classes: names, colours and things of the class ids.
        input_size: `(height, width)` in pixels of the network input it was trained for.
        mean, std: per RGB channel, of pixel values scaled to 0..1.
        dataset: what it was trained on.
        score: figures on held-out data, such as `{"miou": 0.85}`.
        licence: terms of use of the weights.
    """

    architecture: str
    arguments: dict
    classes: ClassMap
    input_size: tuple[int, int]
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)
    dataset: str = ""
    score: dict = dataclasses.field(default_factory=dict)
    licence: str = ""

    def to_json(self) -> str:
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return json.dumps(fields | {"classes": self.classes.to_dict()}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        fields = json.loads(text)
        fields["classes"] = ClassMap.from_dict(fields["classes"])
        for name in ("input_size", "mean", "std"):
            fields[name] = tuple(fields[name])
        return cls(**fields)


def find(name: str | Path) -> Path:
    """The file that `name` means: a path, or a bare name such as `unet_street` of the weights shipped with seg_ros.

    Raises:
        WeightsError: if there is no such file; says where it looked.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    shipped = folders("weights")
    if path.name == str(name):
        for folder in shipped:
            for candidate in (folder / path.name, folder / f"{path.name}.safetensors"):
                if candidate.is_file():
                    return candidate
    known = ", ".join(sorted({f.stem for folder in shipped for f in folder.glob("*.safetensors")})) or "none"
    raise WeightsError(
        f"weights {str(name)!r}: no such file; give a path to a .safetensors file or one of those shipped: {known}"
    )


def save(path: str | Path, tensors: Mapping[str, Tensor], manifest: Manifest, half: bool = False) -> None:
    """Writes a weights file, whole or not at all. `half` stores as float16 the floating point tensors that fit it."""
    tensors = {name: (_halved(t) if half else t).detach().cpu().contiguous() for name, t in tensors.items()}
    text = manifest.to_json()
    partial = Path(path).with_name(f".{Path(path).name}.partial")
    safetensors.torch.save_file(tensors, partial, {_KEY: text, "sha256": _digest(text, tensors)})
    partial.chmod(0o644)  # safetensors makes it private; shipped weights are for everyone
    partial.replace(path)


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
    if _KEY not in metadata or "sha256" not in metadata:
        raise WeightsError(
            f"{path}: expected a seg_ros manifest in the header, got keys {sorted(metadata)}; "
            "write the file with seg_ros.weights.save"
        )
    actual = _digest(metadata[_KEY], tensors)
    if actual != metadata["sha256"]:
        raise WeightsError(
            f"{path}: expected sha256 {metadata['sha256'][:16]}..., got {actual[:16]}...; "
            "the file was altered or damaged, fetch it again"
        )
    try:
        return Manifest.from_json(metadata[_KEY]), tensors
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"{path}: the manifest does not read ({error!r}); written by another version?") from error


def load_model(path: str | Path, architecture: str = "") -> tuple[nn.Module, Manifest]:
    """Builds the network that the manifest names and fills it; float32, in eval mode.

    Args:
        architecture: if not empty, the only one that is accepted.

    Raises:
        WeightsError: as `load`, and if architecture or tensors are not what is expected.
    """
    manifest, tensors = load(path)
    if architecture and manifest.architecture != architecture:
        raise WeightsError(
            f"{path}: expected architecture {architecture!r}, got {manifest.architecture!r}; "
            "change the parameter 'model' or the weights"
        )
    if manifest.architecture not in MODELS:
        raise WeightsError(f"{path}: expected an architecture of {sorted(MODELS)}, got {manifest.architecture!r}")
    try:
        model = MODELS[manifest.architecture](**manifest.arguments)
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{path}: {manifest.architecture} refuses its arguments: {error}") from error
    if manifest.arguments.get("classes", len(manifest.classes)) != len(manifest.classes):
        raise WeightsError(
            f"{path}: expected names for {manifest.arguments['classes']} classes, got {len(manifest.classes)}"
        )
    things = len(manifest.classes.things)
    if manifest.arguments.get("things", things) != things:
        raise WeightsError(
            f"{path}: expected {manifest.arguments['things']} things among the classes, got {things}: "
            f"{sorted(manifest.classes.things)}"
        )
    expected = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    actual = {name: tuple(t.shape) for name, t in tensors.items()}
    if expected != actual:
        name = min(n for n in expected.keys() | actual.keys() if expected.get(n) != actual.get(n))
        raise WeightsError(
            f"{path}: tensor {name!r}: expected {expected.get(name, 'none')}, got {actual.get(name, 'none')}; "
            f"these are no weights for {manifest.architecture} with {manifest.arguments}"
        )
    model.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in tensors.items()})
    return model.eval(), manifest


def digest(tensors: Mapping[str, Tensor], manifest: Manifest) -> str:
    """SHA-256 over a manifest and its tensors, hexadecimal."""
    return _digest(manifest.to_json(), tensors)


def _digest(manifest: str, tensors: Mapping[str, Tensor]) -> str:
    sha = hashlib.sha256(manifest.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return sha.hexdigest()
