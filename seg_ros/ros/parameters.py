"""The node's parameters as one dataclass: defaults, descriptions, ranges, and what several of them mean together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

from seg_ros import autoware
from seg_ros.classes import ClassMap
from seg_ros.engines import ENGINES, PRECISIONS
from seg_ros.geometry import MODES
from seg_ros.models import INSTANCES, MODELS, SEMANTIC
from seg_ros.results import Selection
from seg_ros.ros.fields import parameter
from seg_ros.tracking import SURE

_INSTANCES = "; semantic models ignore it"
DROP, PUBLISH = "drop", "publish"
"""What may become of damaged images."""


class MaskSet(NamedTuple):
    """What the topic `~/mask/NAME` shows: the pixels of these classes, by their names."""

    name: str
    classes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Parameters:
    """One consistent set of parameter values; a field is a parameter, but each of `masks` is one: `masks.NAME`.

    `fixed` ones take effect at configure, the others at the next frame.
    """

    autostart: bool = parameter(True, "configure and activate when started; else a life-cycle manager does", fixed=True)
    weights: str = parameter("unet_camvid", "weights file, or the bare name of shipped weights", fixed=True)
    model: str = parameter(
        "",
        "architecture that the weights must have, around any encoder; empty accepts any",
        choices=("", *sorted(MODELS)),
        fixed=True,
    )
    engine: str = parameter(
        "auto",
        "engine; auto takes the first that works on a GPU, the fastest on a CPU",
        choices=("auto", *ENGINES),
        fixed=True,
    )
    precision: str = parameter(
        "auto",
        "of weights and features; auto takes the fastest that the device is made for",
        choices=("auto", *PRECISIONS),
        fixed=True,
    )
    resize_mode: str = parameter(
        "stretch",
        "how a frame is resized to the network input: stretched, letterboxed, or an engine for its native size",
        choices=MODES,
        fixed=True,
    )
    max_native_sizes: int = parameter(
        8, "most frame sizes for which resize_mode native builds an engine in 24 h; the others are letterboxed",
        minimum=0, maximum=1000, fixed=True,
    )  # fmt: skip
    cache_dir: str = parameter("", "folder of compiled engines; empty is $XDG_CACHE_HOME/seg_ros", fixed=True)
    threads: int = parameter(
        0, "threads of the engine on the CPU; 0 is one per core", minimum=0, maximum=256, fixed=True
    )
    batch: int = parameter(
        1, "most frames of one inference, of as many cameras; what is no full batch goes one by one",
        minimum=1, maximum=64, fixed=True,
    )  # fmt: skip
    watchdog: float = parameter(
        5.0, "seconds that one inference may take; then the process ends, for a respawn to heal", minimum=0.5,
        maximum=3600.0, fixed=True,
    )  # fmt: skip
    input_topic: str = parameter(
        "image", "camera topic; a CompressedImage topic ends in /compressed", topic=True, fixed=True
    )
    input_topics: tuple[str, ...] = parameter(
        ("",), "topics of several cameras, in place of input_topic; [''] is none", topic=True, fixed=True
    )
    input_reliability: str = parameter(
        "auto",
        "quality of service that the camera is subscribed to with; auto follows its publisher",
        choices=("auto", "reliable", "best_effort"),
        fixed=True,
    )
    enabled: bool = parameter(True, "false: cameras are unsubscribed from, at once; ~/enable sets it, too")
    max_rate: float = parameter(
        0.0, "most frames of a camera in a second, the others are dropped; 0 is all", minimum=0.0, maximum=1000.0
    )
    max_frame_age: float = parameter(
        0.0, "seconds since its stamp after which a frame is dropped; 0 is any age", minimum=0.0, maximum=3600.0
    )
    damaged_images: str = parameter(
        DROP,
        "what becomes of JPEG images whose decoder complains: dropped, or published as far as they decode and counted",
        choices=(DROP, PUBLISH),
    )
    overlay_alpha: float = parameter(
        0.5, "opacity of the labels in the overlay; 0 shows the camera only", minimum=0.0, maximum=1.0
    )
    jpeg_quality: int = parameter(80, "quality of ~/overlay/compressed", minimum=1, maximum=100)
    smooth: bool = parameter(
        False, "whether labels are held still: a pixel keeps a surer label that it had in the last frames; models that "
        "find objects ignore it",
    )  # fmt: skip
    masks: tuple[MaskSet, ...] = parameter((), "names of the classes whose pixels are set in ~/mask/NAME, one or more")
    mask_margin: int = parameter(
        0, "pixels of the frame by which ~/mask/NAME reaches beyond what the network saw", minimum=0, maximum=100
    )
    mask_hold: float = parameter(
        0.0, "seconds, by stamps, that a pixel of ~/mask/NAME stays set after it was last seen", minimum=0.0,
        maximum=60.0,
    )  # fmt: skip
    outline_classes: tuple[str, ...] = parameter(
        ("",), "names of the classes that ~/outlines shows; [''] is all countable ones, or all where none is countable"
    )
    outline_tolerance: float = parameter(
        1.0, "pixels that a line of ~/outlines may be away from the true border", minimum=0.0, maximum=100.0
    )
    autoware_classes: tuple[str, ...] = parameter(
        ("",), "ids in ~/mask_rle, as '<class>: <Autoware's>', in place of those in seg_ros/autoware.py; [''] is none"
    )
    score_threshold: float = parameter(0.5, "smallest score of an object" + _INSTANCES, minimum=0.0, maximum=1.0)
    mask_threshold: float = parameter(
        0.5, "smallest probability of a pixel inside an object" + _INSTANCES, minimum=0.0, maximum=1.0
    )
    classes: tuple[str, ...] = parameter(("",), "names of the classes whose objects count; [''] is all" + _INSTANCES)
    max_detections: int = parameter(
        100, "most objects of a frame, the best scored" + _INSTANCES, minimum=1, maximum=65535
    )

    track: bool = parameter(True, "whether objects are followed from frame to frame" + _INSTANCES)
    track_threshold: float = parameter(
        SURE, "score from which an object begins a track" + _INSTANCES, minimum=0.1, maximum=1.0
    )
    coast: bool = parameter(
        False, "whether objects that were lost for a moment are told of by predicted boxes: in ~/detections with score "
        "0.0, in ~/overlay and ~/outlines dashed" + _INSTANCES,
    )  # fmt: skip

    def topics(self) -> list[str]:
        """Returns the topics of all cameras, as they were given.

        Raises:
            ValueError: both `input_topic` and `input_topics` name some.
        """
        several = [topic for topic in self.input_topics if topic]
        if several and self.input_topic != Parameters.input_topic:
            raise ValueError(
                f"parameters 'input_topic' and 'input_topics': got {self.input_topic!r} and {several}, allowed: one of "
                f"them; leave 'input_topic' at {Parameters.input_topic!r}, or set 'input_topics' to ['']"
            )
        return several or [self.input_topic]

    def outlined(self, classes: ClassMap) -> list[str]:
        """Returns the names of the classes whose outlines are wanted.

        Raises:
            ValueError: the parameter `outline_classes` has a name that is not a class.
        """
        chosen = [name for name in self.outline_classes if name]
        if not set(classes.names) >= set(chosen):
            names = ", ".join(repr(name) for name in classes.names)
            raise ValueError(f"parameter 'outline_classes': got {chosen}, allowed: {names}; [''] is all countable ones")
        return chosen or [classes.names[i] for i in sorted(classes.things)] or list(classes.names)

    def check_formats(self, classes: ClassMap) -> None:
        """Checks what the parameters say of the classes in `~/outlines` and `~/mask_rle`.

        Raises:
            ValueError: `outline_classes` or `autoware_classes` has a name that is not there.
        """
        self.outlined(classes)
        autoware.ids(classes.names, self.autoware_classes)

    def mask_classes(self, name: str) -> tuple[str, ...]:
        """Returns the names of the classes of the mask `name`."""
        return dict(self.masks)[name]

    def check_masks(self, allowed: Sequence[str]) -> None:
        """Checks that every mask has classes, and only such as `allowed` names.

        Raises:
            ValueError: names the mask's parameter, and what is allowed.
        """
        for name, classes in self.masks:
            if not classes or not set(allowed) >= set(classes):
                names = ", ".join(repr(each) for each in allowed)
                raise ValueError(f"parameter 'masks.{name}': got {list(classes)}, allowed: one or more of {names}")

    def selection(self, classes: ClassMap, least_score: float = 0.0) -> Selection:
        """Returns which objects count, for a network that finds the thing classes of `classes`.

        Args:
            least_score: below which the network itself drops an object, 0..1.

        Raises:
            ValueError: the parameter `classes` has a name that is not a thing class, `score_threshold` is too low, or a
                mask has a class whose objects do not count.
        """
        if self.score_threshold < least_score:
            raise ValueError(
                f"parameter 'score_threshold': got {self.score_threshold}, allowed: {least_score} to 1.0: the network "
                f"itself drops what scores less"
            )
        ids = {classes.names[i]: i for i in sorted(classes.things)}
        chosen = [name for name in self.classes if name]
        if not ids.keys() >= set(chosen):
            names = ", ".join(repr(name) for name in ids)
            raise ValueError(f"parameter 'classes': got {list(self.classes)}, allowed: {names}; [''] is all")
        self.check_masks(chosen or list(ids))
        self.check_formats(classes)
        wanted = frozenset(ids[name] for name in chosen) if chosen else None
        return Selection(self.score_threshold, self.mask_threshold, wanted, self.max_detections)


def _no_selection(parameters: Parameters, classes: ClassMap, least_score: float) -> Selection:
    parameters.check_masks(classes.names)
    parameters.check_formats(classes)
    return Selection(score_threshold=0.0)


SELECTIONS: dict[str, Callable[..., Selection]] = {SEMANTIC: _no_selection, INSTANCES: Parameters.selection}
"""By task of the network, which objects count; a network that gives every pixel a class takes any values."""
