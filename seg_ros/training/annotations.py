"""Files of annotated objects: which reader takes which, and the classes that they name."""

from __future__ import annotations

from pathlib import Path

from seg_ros.classes import ClassMap, distinct_colors
from seg_ros.training import coco, label_studio, via

Reader = coco.CocoPictures | label_studio.LabelStudioPictures | via.ViaPictures
"""Each has `files`, `read(index)` and the `names` of the classes of its objects."""
READERS: dict[str, type[Reader]] = {
    coco.FILE: coco.CocoPictures, label_studio.FILE: label_studio.LabelStudioPictures, via.FILE: via.ViaPictures
}  # fmt: skip
"""Reader by the file in a folder that tells it."""
_NAMES = {coco.FILE: coco.categories, label_studio.FILE: label_studio.brush_names, via.FILE: lambda _: ["object"]}


def annotations_of(root: Path) -> str | None:
    """Returns the name of the file of annotations in a folder; None without one."""
    return next((name for name in READERS if (root / name).is_file()), None)


def named_classes(root: Path) -> ClassMap:
    """Reads the class map from the annotations in `root`: then every class is a thing class.

    COCO: the categories by ascending id. Label Studio: what was drawn, by name. VIA: one class, "object".

    Raises:
        ValueError: if the annotations do not read.
    """
    names = _NAMES[annotations_of(root)](root)
    return ClassMap(tuple(names), distinct_colors(len(names)), frozenset(range(len(names))))
