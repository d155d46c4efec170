"""Files of annotated objects: which reader takes which, and the classes that they name."""

from __future__ import annotations

from pathlib import Path

from seg_ros.classes import ClassMap, distinct_colors
from seg_ros.training import coco, via

READERS = {coco.FILE: coco.CocoPictures, via.FILE: via.ViaPictures}
"""Reader by the file in a folder that tells it; each has `files` and `read(index)`."""


def named_classes(root: Path) -> ClassMap:
    """Reads the class map from the annotations in `root`: then every class is a thing class.

    COCO: the categories by ascending id. VIA: one class, "object".

    Raises:
        ValueError: if the annotations do not read.
    """
    names = coco.categories(root) if (root / coco.FILE).is_file() else ["object"]
    return ClassMap(tuple(names), distinct_colors(len(names)), frozenset(range(len(names))))
