"""The points of a labelled cloud, and the labels that they get."""

from __future__ import annotations

import dataclasses

import numpy as np

from seg_ros.classes import UNLABELLED, ClassMap
from seg_ros.errors import FrameError
from seg_ros.lifting.camera import CameraModel

POINT = np.dtype(
    {
        "names": ["x", "y", "z", "rgb", "label", "instance", "confidence"],
        "formats": ["<f4", "<f4", "<f4", "<u4", "<u4", "<u2", "u1"],
        "offsets": [0, 4, 8, 12, 16, 20, 22],
        "itemsize": 24,
    }
)
"""A point, 24 bytes. x, y, z in m, NaN where there is none; `rgb` the class colour as PCL packs it (0x00RRGGBB, sent as
a float32); `label` the class id, 255 = unlabelled; `instance` the object's id, 0 = none; `confidence` 0..255."""
WORDS = POINT.itemsize // 4


@dataclasses.dataclass(frozen=True)
class Labels:
    """What a camera's pixels are.

    Attributes:
        label: `(H, W) uint8`, class ids; 255 = unlabelled.
        confidence: `(H, W) uint8`, 0..255 for 0..1; None where it is not known: points then have 0.
        instance: `(H, W) uint16`, object ids, 0 = none; None where there are no objects.

    Raises:
        FrameError: "size": they are not of one size.
    """

    label: np.ndarray
    confidence: np.ndarray | None = None
    instance: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name, other in (("confidence", self.confidence), ("instances", self.instance)):
            if other is not None and other.shape != self.label.shape:
                raise mismatch(f"the {name}", other.shape, "the label", self.label.shape)


@dataclasses.dataclass(frozen=True)
class Style:
    """Which points a cloud has, and their colours.

    Attributes:
        rgb: `(256,) uint32`, 0x00RRGGBB by label.
        kept: `(256,) bool`, by label: others are left out.
    """

    rgb: np.ndarray
    kept: np.ndarray

    @classmethod
    def of(cls, classes: ClassMap, keep: tuple[str, ...] = ()) -> Style:
        """Makes the colours of the classes, keeping those of the names `keep`; none named keeps all.

        Raises:
            ValueError: a name is not a class.
        """
        red, green, blue = classes.palette().astype(np.uint32).T
        kept = np.full(256, not keep)
        for name in keep:
            if name != "unlabelled" and name not in classes.names:
                raise ValueError(f"got {name!r}, allowed: {', '.join(map(repr, classes.names))}, 'unlabelled'")
            kept[UNLABELLED if name == "unlabelled" else classes.names.index(name)] = True
        return cls(red << 16 | green << 8 | blue, kept)


def xyz(cloud: np.ndarray) -> np.ndarray:
    """Returns the places `(..., 3) float32` of a contiguous cloud of `POINT`, as a view."""
    return cloud.view(np.float32).reshape(*cloud.shape, WORDS)[..., :3]


def placed(cloud: np.ndarray) -> np.ndarray:
    """Returns the points that have a place, `(M,)`, of a cloud `(N,)` of `POINT`."""
    return cloud[np.isfinite(cloud["x"]) & np.isfinite(cloud["y"]) & np.isfinite(cloud["z"])]


def check_sizes(depth: np.ndarray, camera: CameraModel, labels: Labels) -> None:
    """Checks that a depth image goes with its labels and camera.

    Raises:
        FrameError: "size": they are not of one size.
    """
    if depth.shape != labels.label.shape:
        raise mismatch("the depth image", depth.shape, "the label", labels.label.shape)
    if depth.shape != camera.size:
        raise mismatch("the depth image", depth.shape, "the camera_info", camera.size)


def mismatch(what: str, got: tuple[int, ...], of: str, expected: tuple[int, ...]) -> FrameError:
    """Makes the error of sizes `(H, W)` that differ."""
    return FrameError(
        "size", f"{what} has {got[1]}x{got[0]} px and {of} {expected[1]}x{expected[0]}: they must be of one size"
    )
