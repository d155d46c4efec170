"""Measures how much labels flicker: how many change on what stands still, followed along its true motion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from seg_ros.classes import ClassMap
from seg_ros.metrics.confusion import Confusion
from seg_ros.results import Frame, SemanticMap
from seg_ros.scenes.motion import still_places
from seg_ros.scenes.street import Scene, Street
from seg_ros.tracking import Smoother

_SAME_DISTANCE = 0.05
"""Share of its distance by which a surface may be farther or nearer than its motion says, and be the same."""
RATES = (30.0, 10.0)
"""Hz of the sequences."""
INSIDE = 3
"""Pixels that a point must be away from every true border to lie inside of an area. Near a border that moves over the
scene, labels change that are steady, but a little wider or narrower than the object."""
WAYS = ("plain", "smooth")
"""The network's labels, and the same smoothed."""


class Flicker:
    """Counts labels that change along the way of what stands still, and the same within a pixel.

    Attributes:
        followed: pixels that were followed from a frame to the next.
        changed: of these, those whose label is another one.
        moved: of these, those whose old label is not beside them either, in 3 x 3 pixels: others lie at a border that
            moved by a pixel, as borders do when places are rounded to pixels.
        inside, changed_inside: the first two, of pixels inside of areas.
    """

    def __init__(self) -> None:
        self.followed = self.changed = self.moved = self.inside = self.changed_inside = 0

    def add(
        self, before: np.ndarray, after: np.ndarray, pixels: np.ndarray, places: np.ndarray, inside: np.ndarray
    ) -> None:
        """Adds two labels `(H, W) uint8`.

        Args:
            before, after: the labels; `pixels` of the first, `(P,)` flat, are at `places` of the second.
            inside: `(P,) bool`, which of them lie inside of areas.
        """
        label = before.ravel()[pixels]
        changed = after.ravel()[places] != label
        self.followed += len(pixels)
        self.changed += int(np.count_nonzero(changed))
        self.inside += int(np.count_nonzero(inside))
        self.changed_inside += int(np.count_nonzero(changed & inside))
        near = np.zeros(len(pixels), bool)
        for shifted in _neighbours(after):
            near |= shifted.ravel()[places] == label
        self.moved += int(np.count_nonzero(~near))

    def figures(self) -> dict[str, float]:
        """Returns `flicker` and `flicker_1px`, shares of all pixels, and `flicker_inside`, of those inside, in %."""
        share = 100.0 / max(self.followed, 1)
        return {
            "flicker": round(share * self.changed, 3),
            "flicker_1px": round(share * self.moved, 3),
            "flicker_inside": round(100.0 * self.changed_inside / max(self.inside, 1), 3),
        }


def inside_areas(label: np.ndarray) -> np.ndarray:
    """Returns which pixels of a true label image `(H, W) uint8` are more than `INSIDE` px away from a border."""
    around = np.ones((2 * INSIDE + 1, 2 * INSIDE + 1), np.uint8)
    return cv2.erode(label, around) == cv2.dilate(label, around)


def _neighbours(label: np.ndarray) -> Iterator[np.ndarray]:
    height, width = label.shape
    padded = cv2.copyMakeBorder(label, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    for y in range(3):
        for x in range(3):
            yield padded[y : y + height, x : x + width]


def followed(street: Street, before: Scene, after: Scene, times: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Returns which pixels show something that stands still and is seen in both scenes, and where it is in the second.

    Args:
        before, after: drawn with their space.
        times: of both, s.

    Returns:
        Pixels of the first and of the second, `(P,) intp` each, as if the picture were one row.
    """
    views = [street.view(t) for t in times]
    (u, v), depth = still_places(*views, before.space.depth, before.space.mirrored)
    height, width = depth.shape
    inside = (u > -0.5) & (u < width - 0.5) & (v > -0.5) & (v < height - 0.5)
    still = inside & (before.instance == 0)
    pixels = np.flatnonzero(still)
    places = np.rint(v[still]).astype(np.intp) * width + np.rint(u[still]).astype(np.intp)
    expected, found = depth.ravel()[pixels], after.space.depth.ravel()[places]
    with np.errstate(invalid="ignore"):  # of the sky, whose distance is inf
        same = (expected == found) | (np.abs(found - expected) <= _SAME_DISTANCE * expected)
    same &= before.label.ravel()[pixels] == after.label.ravel()[places]
    return pixels[same], places[same]


def measured(
    seeds: Sequence[int],
    frames: int,
    classes: ClassMap,
    label: Callable[[Frame], SemanticMap],
    progress: Callable = iter,
) -> dict[str, dict[str, dict[str, float]]]:
    """Measures flicker and mIoU of labels as they are and smoothed, by rate and way.

    Args:
        seeds: of the streets.
        frames: of each, at each rate.
        classes: of the labels: the street's.
        label: segments a frame, with confidence.
        progress: wraps the seeds, to show how far it is.
    """
    counts = {rate: {way: (Flicker(), Confusion(len(classes))) for way in WAYS} for rate in RATES}
    for seed in progress(seeds):
        street = Street(seed)
        for rate, by_way in counts.items():
            _drive(street, rate, frames, label, by_way)
    return {
        f"{rate:.0f} Hz": {
            way: {**flicker.figures(), "miou": round(100 * confusion.miou(), 2)}
            for way, (flicker, confusion) in by_way.items()
        }
        for rate, by_way in counts.items()
    }


def _drive(
    street: Street,
    rate: float,
    frames: int,
    label: Callable[[Frame], SemanticMap],
    by_way: dict[str, tuple[Flicker, Confusion]],
) -> None:
    smoother, last = Smoother(), None
    for index in range(frames):
        scene = street.scene(index, rate, space=True)
        plain = label(Frame(scene.image)).copy()
        smooth = smoother.update(1.0 + index / rate, plain, scene.image)
        labels = {"plain": plain.label, "smooth": smooth.label}
        for way, (_, confusion) in by_way.items():
            confusion.add(scene.label, labels[way])
        if last is not None:
            before, old = last
            pixels, places = followed(street, before, scene, ((index - 1) / rate, index / rate))
            inside = inside_areas(before.label).ravel()[pixels]
            for way, (flicker, _) in by_way.items():
                flicker.add(old[way], labels[way], pixels, places, inside)
        last = scene, labels


def table(figures: dict[str, dict[str, dict[str, float]]]) -> Iterator[str]:
    """Writes the lines of a table of what `measured` returns."""
    columns = ("flicker", "flicker_1px", "flicker_inside", "miou")
    yield f"{'':8s}{'labels':>10s}" + "".join(f"{name:>16s}" for name in columns)
    for rate, by_way in figures.items():
        for way, values in by_way.items():
            yield f"{rate:8s}{way:>10s}" + "".join(f"{values[name]:16.4g}" for name in columns)
