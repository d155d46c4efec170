"""Labels a bag: a bag of the labels of its images, beside all that it holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from seg_ros.errors import FrameError, RecordingError
from seg_ros.offline import messages
from seg_ros.offline.bags import IMAGES, Bag, BagWriter, Message, open_bag
from seg_ros.offline.flow import in_background, mapped
from seg_ros.offline.labels import Memories, Segmentation, Shot, Wish, labels, overlaid, recorded_frame, segmented
from seg_ros.offline.pieces import Piece, Ready, Span, with_labels
from seg_ros.offline.review import Review
from seg_ros.offline.tally import Tally
from seg_ros.results import Frame, Instances, SemanticMap
from seg_ros.ros.cdr import OtherLayoutError, read_compressed, read_image, write_compressed, write_image
from seg_ros.ros.names import camera_names

NODE = "/segmentation"
"""What the topics of labels are below, as those of the live node."""
_AHEAD = 16
"""Frames that are read and decoded before their turn."""
_WAITING = 4
"""Labelled frames that wait to be written."""
_DECODERS = 2
_DEPTH = {"16UC1", "32FC1"}
"""Encodings of images that hold distances: REP 118."""


class Topics(NamedTuple):
    """The topics of a bag that carry images.

    Attributes:
        chosen: those that are labelled.
        depth: those that hold distances, and are therefore not.
    """

    chosen: list[str]
    depth: list[str]


def label_bag(
    source: Path, target: Path, segmentation: Segmentation, wish: Wish, step: Callable, pieces: Sequence[Piece] = ()
) -> Tally:
    """Writes a bag of the labels of a bag's images, with their stamps and log times, beside all that the bag holds.

    Args:
        target: folder to make.
        step: called after each frame.
        pieces: whose labels are there; they are taken instead of made again.

    Raises:
        RecordingError: if the bag cannot be read at all, has no images, or lacks one of the topics.
        EngineError: if the device is lost.
    """
    tally = Tally()
    with open_bag(source) as bag:
        chosen, tally.depth = image_topics(bag, wish.topics)
        names = output_names(source, chosen)
        with BagWriter(target, bag) as writer:
            messages_of = with_labels(bag.messages(None if wish.copy else chosen), names, pieces)
            review = Review(target, segmentation.classes, wish, "s")
            first = True
            try:
                for message, made in _made(messages_of, names, segmentation):
                    if first:
                        info = messages.label_info(bag.types, segmentation.classes.names, message.time)
                        writer.write(f"{NODE}/label_info", messages.LABEL_INFO, message.time, info, latched=True)
                        first = False
                    if wish.copy and not message.topic.startswith(f"{NODE}/"):  # of an earlier labelling
                        writer.copy(message)
                    if made is None:
                        continue
                    tally.frames += 1
                    if isinstance(made, Exception):
                        tally.lose(message.topic, message.time, made)
                    else:
                        if isinstance(made, tuple):
                            shot = Shot(message.topic, str(message.time), message.time / 1e9, *made)
                            # Several have one log time where a simulated clock stood still.
                            review.add(shot, f"{names[message.topic].replace('/', '_')}{message.time}_{tally.frames}")
                            made = _serialized(bag, shot, segmentation, wish, names[message.topic])
                        for topic, kind, data in made:
                            writer.write(topic, kind, message.time, data)
                        tally.labelled += 1
                    step()
            except RecordingError as error:  # what came before it is labelled
                tally.damage = str(error)
    review.finish(source, tally)
    return tally


def label_piece(
    source: Path, target: Path, segmentation: Segmentation, wish: Wish, step: Callable, span: Span
) -> Tally:
    """Writes a bag of nothing but the labels of a piece of a bag: their log times are the numbers of its images.

    Raises:
        RecordingError, EngineError: as `label_bag`; also if the bag is damaged there.
    """
    tally = Tally()
    with open_bag(source) as bag:
        chosen, _ = image_topics(bag, wish.topics)
        names = output_names(source, chosen)
        images = ((message, None) for message in bag.messages(chosen, *span))
        with BagWriter(target, bag) as writer:
            for number, (message, made) in enumerate(_made(images, names, segmentation)):
                tally.frames += 1
                if isinstance(made, tuple):
                    shot = Shot(message.topic, str(message.time), message.time / 1e9, *made)
                    for topic, kind, data in _serialized(bag, shot, segmentation, wish, names[message.topic]):
                        writer.write(topic, kind, number, data)
                    tally.labelled += 1
                step()
    return tally


def _made(
    messages: Iterable[tuple[Message, Ready | None]], names: Collection[str], segmentation: Segmentation
) -> Iterator[tuple[Message, tuple[Frame, SemanticMap | Instances] | Exception | Ready | None]]:
    """Yields each message with its frame and what the network made of it, or why there is none; None for others.

    Args:
        messages: with labels that are there, which are yielded as they are.
        names: topics that are labelled.
    """
    memories = Memories()

    def decoded(item: tuple[Message, Ready | None]) -> tuple[Message, Frame | FrameError | Ready | None]:
        message, ready = item
        if ready or message.topic not in names or message.kind not in IMAGES:
            return item
        try:
            return message, recorded_frame(message.kind, message.data)
        except FrameError as error:
            return message, error

    def segment(message: Message, frame: Frame) -> SemanticMap | Instances:
        sec, nanosec = frame.stamp if any(frame.stamp) else divmod(message.time, 10**9)
        return segmentation.follow(frame, sec + 1e-9 * nanosec, memories.of(message.topic))

    frames = in_background(mapped(decoded, messages, _DECODERS, _AHEAD), _AHEAD)
    # The network runs on a thread of its own, so that writing does not hold it up.
    return in_background(segmented(frames, segment), _WAITING)


def _serialized(
    bag: Bag, shot: Shot, segmentation: Segmentation, wish: Wish, name: str
) -> Iterator[tuple[str, str, bytes]]:
    """Yields each topic that a frame gives, its type, and the message. `name` is what its camera is called."""
    below = f"{NODE}/{name}"
    frame, output = shot.frame, shot.output
    for each in labels(shot, wish.confidence):
        yield f"{below}{each.name}", IMAGES[0], write_image(frame.stamp, frame.frame_id, each.pixels, each.encoding)
    if isinstance(output, Instances):
        yield (
            f"{below}instances",
            messages.INSTANCES,
            messages.instances(bag.types, frame, output, segmentation.classes),
        )
    if wish.overlay:
        stream = overlaid(frame, output, segmentation.classes)
        data = write_compressed(frame.stamp, frame.frame_id, "bgr8; jpeg compressed bgr8", stream)
        yield f"{below}overlay/compressed", IMAGES[1], data


def frames_of(source: Path, topics: list[str]) -> int:
    """Returns how many images a bag says that it has to be labelled; 0 where that cannot be told."""
    try:
        with open_bag(source) as bag:
            return bag.count(image_topics(bag, topics).chosen)
    except RecordingError:  # said when it is its turn
        return 0


def image_topics(bag: Bag, topics: list[str]) -> Topics:
    """Returns the topics of a bag that are to be labelled: `topics`, or all pictures of cameras.

    Raises:
        RecordingError: if there are none, or one that was asked for is not there or carries no images.
    """
    found = sorted({c.topic for c in bag.connections if c.msgtype in IMAGES and c.msgcount})
    if missing := [topic for topic in topics if topic not in found]:
        there = ", ".join(found) or "no topic"
        raise RecordingError(f"{bag.path}: it has no images on {', '.join(missing)}, it has on {there}")
    if topics:
        return Topics(topics, [])
    # Of a camera that was recorded raw and compressed the raw images are the better ones.
    raw = {topic for topic in found if not topic.endswith("/compressed")}
    usual = [topic for topic in found if topic in raw or topic.removesuffix("/compressed") not in raw]
    usual = [topic for topic in usual if not topic.startswith(f"{NODE}/")]
    depth = [topic for topic in usual if _is_depth(bag.first(topic))]
    chosen = [topic for topic in usual if topic not in depth]
    if not chosen:
        got = f"only distances, on {', '.join(depth)}" if depth else "none"
        raise RecordingError(f"{bag.path}: expected a topic with images, got {got}; give another recording")
    return Topics(chosen, depth)


def _is_depth(message: Message | None) -> bool:
    """Returns whether an image holds distances."""
    if message is None:
        return False
    try:
        if message.kind == IMAGES[0]:
            return read_image(message.data).encoding in _DEPTH
        form = read_compressed(message.data).format
        return "compressedDepth" in form or form.partition(";")[0] in _DEPTH
    except (FrameError, OtherLayoutError):  # such frames are named one by one
        return False


def output_names(source: Path, topics: list[str]) -> dict[str, str]:
    """Returns what the labels of each topic of a bag are below, as the live node names cameras; one alone has no name.

    Raises:
        RecordingError: if two of them would have one name, as `/a/b` and `/a_b` have.
    """
    if len(topics) == 1:
        return {topics[0]: ""}
    try:
        return {topic: f"{name}/" for topic, name in zip(topics, camera_names(topics), strict=True)}
    except ValueError as error:
        raise RecordingError(
            f"{source}: of {', '.join(topics)} the labels of two would have one name; choose with --topics"
        ) from error
