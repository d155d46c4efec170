"""Names cameras by their topics."""

from __future__ import annotations

from collections.abc import Sequence


def camera_names(topics: Sequence[str]) -> list[str]:
    """Finds a short name for each of several camera topics, which their outputs are below.

    It is the namespace of the camera, as image_transport names topics (`/front/image_raw/compressed` -> `front`);
    with as much of what is above as makes the names differ, and at last the whole topic.

    Args:
        topics: resolved.

    Raises:
        ValueError: two of them cannot be told apart.
    """
    parts = [[part for part in topic.removesuffix("/compressed").split("/") if part] for topic in topics]
    for depth in range(1, max(map(len, parts))):
        names = ["_".join(part[:-1][-depth:]) for part in parts]
        if all(names) and len(set(names)) == len(names):
            return names
    names = [topic.strip("/").replace("/", "_") for topic in topics]
    if len(set(names)) < len(names):
        raise ValueError(f"parameter 'input_topics': got {list(topics)}, allowed: topics of different names")
    return names
