"""Reads manifests of weights files, and finds the files, without PyTorch.

A weights file is safetensors whose header carries the manifest: eight bytes that say how long the header is, the header
as JSON, and the tensors (https://huggingface.co/docs/safetensors).
"""

from __future__ import annotations

import dataclasses
import json
import math
import reprlib
from pathlib import Path

from seg_ros import schema
from seg_ros.classes import ClassMap
from seg_ros.errors import WeightsError
from seg_ros.models import MODELS
from seg_ros.share import expanded, folders

KEY = "seg_ros"
"""Key of the manifest in the header's metadata."""
INT8 = "_int8"
"""Ends the names of scores in INT8; before it stands the name of the same score in float32."""
MOST_LOSS = 0.5
"""Points of mIoU or AP that INT8 may cost."""
LARGEST_SIDE = 8192
"""Most pixels of a network input, high and wide."""
_LARGEST_HEADER = 16 * 2**20
"""Bytes: a line for each of 100,000 tensors, and the manifest."""
_LONGEST = 2**20
"""Characters of a manifest: twice what 255 classes with the longest names need."""
_ARGUMENT = schema.any_of(
    "true, false, a finite number or a short text",
    schema.flag, schema.whole(-(2**31), 2**31), schema.number(-1e9, 1e9), schema.text(100),
)  # fmt: skip
_PAIR = schema.array(schema.number(-1e9, 1e9), 2, 2)


def _check_range(where: str, value: object) -> None:
    _PAIR(where, value)
    if not value[0] <= 0 < value[1]:
        schema.refuse(where, "a least value of 0 or less and a largest above 0", value)


_CHECKS = {
    "architecture": schema.one_of(MODELS),
    "arguments": schema.table(_ARGUMENT, 64),
    "input_size": schema.array(schema.whole(1, LARGEST_SIDE), 2, 2),
    "mean": schema.array(schema.number(-1e3, 1e3), 3, 3),
    "std": schema.array(schema.number(1e-6, 1e6), 3, 3),
    "dataset": schema.text(10_000),
    "score": schema.table(schema.number(-1e9, 1e9), 64),
    "licence": schema.text(100_000),
    "ranges": schema.table(_check_range, 10_000),
}
"""What each field must be; `classes` checks itself. What a network takes as argument its builder checks."""


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The description of a set of weights.

    Attributes:
        architecture: name in `seg_ros.models.MODELS`.
        arguments: of the network's builder.
        classes: names and colours of the class ids, and which are thing classes.
        input_size: `(H, W)` in pixels of the network input it was trained for.
        mean, std: per RGB channel, of pixel values scaled to 0..1.
        dataset: what it was trained on.
        score: figures on held-out data, such as `{"miou": 0.85}`.
        licence: terms of use of the weights.
        ranges: least and largest value of what goes into each layer that can be quantised to INT8, by its name in the
            network; empty if none can.

    Raises:
        ValueError: if a field is not what it must be; the message begins with its name.
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
    ranges: dict = dataclasses.field(default_factory=dict)

    @property
    def int8_loss(self) -> float | None:
        """Returns what INT8 costs of the score, in points of mIoU or AP, on held-out data.

        None: these weights have no ranges, so there is no INT8 for them. Infinite: it was not recorded.
        """
        if not self.ranges:
            return None
        losses = [
            round(100 * (self.score[name.removesuffix(INT8)] - value), 4)
            for name, value in self.score.items()
            if name.endswith(INT8) and name.removesuffix(INT8) in self.score
        ]
        return max(losses, default=math.inf)

    @property
    def task(self) -> str:
        """Returns what the network is for, one of `seg_ros.models.TASKS`."""
        return MODELS[self.architecture].task

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            check(name, getattr(self, name))

    def to_json(self) -> str:
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return json.dumps(fields | {"classes": self.classes.to_dict()}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Reads what `to_json` writes.

        Raises:
            ValueError: if it is anything else.
        """
        if not isinstance(text, str) or len(text) > _LONGEST:
            raise ValueError(f"expected a text of at most {_LONGEST} characters, got {reprlib.repr(text)}")
        fields = schema.parse(text)
        _check_names("manifest", fields)
        fields["classes"] = ClassMap.from_dict(fields["classes"])
        for name in ("input_size", "mean", "std"):
            if isinstance(fields.get(name), list):
                fields[name] = tuple(fields[name])
        return cls(**fields)


_check_names = schema.record(
    {field.name: lambda where, value: None for field in dataclasses.fields(Manifest)},
    optional=("mean", "std", "dataset", "score", "licence", "ranges"),
)


def find(name: str | Path) -> Path:
    """Finds the file that `name` means: a path, or a bare name of shipped weights, such as `unet_street`.

    Raises:
        WeightsError: if there is no such file.
    """
    try:
        path = expanded(name, "weights")
        if path.is_file():
            return path
    except ValueError as error:
        raise WeightsError(str(error)) from error
    except OSError as error:
        raise WeightsError(f"weights {str(name)!r}: {error.strerror}") from error  # the name is too long, say
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


def read_manifest(path: str | Path) -> Manifest:
    """Reads the manifest of a weights file, or of shipped weights by their bare name, and leaves the tensors unread.

    Raises:
        WeightsError: if the file is missing, or its header is not that of seg_ros weights.
    """
    path = find(path)
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > _LARGEST_HEADER:
            raise WeightsError(
                f"{path}: expected safetensors with a header of at most {_LARGEST_HEADER} bytes, got one of {size}"
            )
        head = file.read(size)
    try:
        text = schema.parse(head)["__metadata__"][KEY]
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: expected safetensors with a seg_ros manifest in the header: {error!r}") from error
    return parse(path, text)


def parse(path: Path, text: str) -> Manifest:
    """Reads the manifest from the JSON text in the header of `path`.

    Raises:
        WeightsError: if it is no manifest: the message names the field, what was expected and what it holds.
    """
    try:
        return Manifest.from_json(text)
    except ValueError as error:
        raise WeightsError(
            f"{path}: the manifest does not read: {error}; it is damaged or of another version: write the file again "
            "with seg_ros.weights.save"
        ) from error
