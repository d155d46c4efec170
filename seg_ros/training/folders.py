"""Checks that a folder is what a command takes as data, and says which one near it may be meant."""

from __future__ import annotations

from pathlib import Path

from seg_ros.training.annotations import READERS

PARTS = ("train", "val")
_CONTENTS = ("images", *READERS)
"""What tells that a folder is a data set: one of these is in it."""


def check_exists(root: Path) -> None:
    """Checks that there is a folder `root`.

    Raises:
        FileNotFoundError: if not.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: {'expected a folder, got a file' if root.exists() else 'no such folder'}")


def check_parts(root: Path) -> None:
    """Checks that `root` is a folder to train on: with `train/` and `val/`.

    Raises:
        FileNotFoundError: if not.
    """
    check_exists(root)
    missing = [f"{part}/" for part in PARTS if not (root / part).is_dir()]
    if missing:
        near = [*root.absolute().parents[:2], *sorted(p for p in root.iterdir() if p.is_dir())]
        meant = [p for p in near if all((p / part).is_dir() for part in PARTS)]
        todo = (
            f"did you mean {' or '.join(map(str, meant[:3]))}?"
            if meant
            else "make two data sets of your pictures, a small one for val/"
        )
        raise FileNotFoundError(
            f"{root}: expected a folder with train/ and val/, got one without {' and '.join(missing)}; {todo}"
        )


def check_part(root: Path) -> None:
    """Checks that `root` is a folder to evaluate on: a data set, such as `mine/val`.

    Raises:
        FileNotFoundError: if not.
    """
    check_exists(root)
    if _is_part(root):
        return
    near = [*(root / part for part in PARTS), root.absolute().parent]
    meant = " or ".join(str(p) for p in near if _is_part(p))
    todo = f"did you mean {meant}?" if meant else "make one as docs/training.md says"
    raise FileNotFoundError(f"{root}: expected a folder with one of {', '.join(_CONTENTS)}, got none of them; {todo}")


def _is_part(root: Path) -> bool:
    return any((root / name).exists() for name in _CONTENTS)
