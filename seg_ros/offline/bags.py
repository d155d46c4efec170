"""Reads and writes ROS bags as serialised messages: rosbag2 in MCAP and SQLite, and ROS 1. `rosbags` does the files."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from seg_ros.errors import RecordingError
from seg_ros.offline.messages import types

try:
    from rosbags.convert.converter import generate_message_converter
    from rosbags.highlevel import AnyReader
    from rosbags.interfaces import (
        Connection,
        MessageDefinitionFormat,
        QosDurability,
        QosHistory,
        QosLiveliness,
        QosReliability,
        QosTime,
    )
    from rosbags.interfaces import Qos as Profile
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import get_types_from_msg
    from rosbags.typesys.store import Typestore
except ImportError as error:
    raise RecordingError(f"bags need rosbags: {error}; pip install -r requirements/bags.txt") from error

IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
"""Types of the topics that can be labelled."""
_VERSION = 9
_NO_LIMIT = QosTime(0, 0)


class Message(NamedTuple):
    """One recorded message.

    Attributes:
        connection: `rosbags`' description of its topic.
        time: of the log, ns.
        data: in CDR, as ROS 2 has it.
    """

    connection: Connection
    time: int
    data: bytes

    @property
    def topic(self) -> str:
        return self.connection.topic

    @property
    def kind(self) -> str:
        return self.connection.msgtype


class Bag:
    """An open bag.

    Attributes:
        path: of the bag.
        connections: descriptions of its topics.
        types: those of `types()`, and of the bag's own those that had to be converted.
    """

    def __init__(self, path: Path, reader: AnyReader, store: Typestore) -> None:
        self.path, self.types, self._reader = path, store, reader
        self._convert = functools.cache(self._converter)
        self.connections: list[Connection] = list(reader.connections)

    @property
    def storage(self) -> StoragePlugin:
        """Returns what a copy is stored as: SQLite if the bag is, else MCAP."""
        files = [self.path] if self.path.is_file() else list(self.path.iterdir())
        lite = any(".db3" in file.suffixes for file in files)
        return StoragePlugin.SQLITE3 if lite else StoragePlugin.MCAP

    def count(self, topics: list[str]) -> int:
        """Returns how many messages these topics have."""
        return sum(connection.msgcount for connection in self.connections if connection.topic in topics)

    @property
    def times(self) -> tuple[int, int]:
        """Returns the log times of the first message and just after the last one, ns."""
        return self._reader.start_time, self._reader.end_time

    def messages(
        self, topics: list[str] | None = None, start: int | None = None, stop: int | None = None
    ) -> Iterator[Message]:
        """Yields all messages, or those of these topics, in the order of the log.

        Args:
            start, stop: log times in ns, from which and before which they are yielded.

        Raises:
            RecordingError: where the bag is damaged; what is before it has been yielded.
        """
        chosen = [c for c in self.connections if topics is None or c.topic in topics]
        try:
            for connection, time, data in self._reader.messages(chosen, start, stop) if chosen else ():
                if not self._reader.is2:
                    data = self._convert(connection.msgtype)(data)
                yield Message(connection, time, bytes(data))
        except Exception as error:  # of the file format, of the data base below it, of decompressing
            raise RecordingError(f"{self.path}: it is damaged here: {type(error).__name__}: {error}") from error

    def first(self, topic: str) -> Message | None:
        """Returns the first message of a topic; None if it has none, or none that can be read."""
        try:
            return next(self.messages([topic]), None)
        except RecordingError:  # said when the bag is read
            return None

    def definition(self, connection: Connection) -> dict[str, Any]:
        """Returns the definition of a topic's type, as `Writer.add_connection` takes it.

        Raises:
            RecordingError: if neither the bag nor the store of types has it.
        """
        known = connection.msgdef
        if self._reader.is2 and known.format != MessageDefinitionFormat.NONE and connection.digest:
            return {"msgdef": known.data, "rihs01": connection.digest}
        for store in (self.types, self._reader.typestore):
            if connection.msgtype in store.fielddefs:
                return {"typestore": store}
        raise RecordingError(
            f"{self.path}: {connection.topic} is of type {connection.msgtype}, whose definition the bag does not hold; "
            "go without copying: --only-labels"
        )

    def _converter(self, kind: str) -> Callable[[bytes], memoryview]:
        """Returns what turns ROS 1 messages of a type into CDR of the type that ROS 2 has of that name."""
        own, other = self._reader.typestore, self.types
        if kind not in other.fielddefs:
            found = get_types_from_msg(own.generate_msgdef(kind, ros_version=2)[0], kind)
            other.register({name: fields for name, fields in found.items() if name not in other.fielddefs})
        with contextlib.redirect_stdout(sys.stderr):  # it says which types differ
            return generate_message_converter(own, other, kind, kind, {}, src_is2=False, dst_is2=True)


@contextlib.contextmanager
def open_bag(path: Path) -> Iterator[Bag]:
    """Opens a rosbag2 folder, one of its files, or a ROS 1 bag.

    Raises:
        RecordingError: if it is none, or damaged from the start.
    """
    with contextlib.ExitStack() as stack:
        store = types()
        try:
            reader = stack.enter_context(AnyReader([path], default_typestore=store))
        except Exception as error:  # as above
            why = " ".join(str(error).split())  # of YAML it is several lines
            raise RecordingError(
                f"{path}: it cannot be read as a bag: {type(error).__name__}: {why}; if its recording was cut off, "
                "'mcap recover', 'ros2 bag reindex' or, of ROS 1, 'rosbag reindex' may mend it"
            ) from error
        yield Bag(path, reader, store)


class BagWriter:
    """Writes a rosbag2 folder that holds topics of a bag and topics of one's own.

    Args:
        path: of the folder, which must not be there.
        bag: whose storage format is taken.
    """

    def __init__(self, path: Path, bag: Bag) -> None:
        self._path, self._bag, self._types = path, bag, bag.types
        self._writer = Writer(path, version=_VERSION, storage_plugin=bag.storage)
        self._copies: dict[tuple, Connection] = {}
        self._own: dict[str, Connection] = {}

    def __enter__(self) -> BagWriter:
        self._writer.open()
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        with self._errors():
            self._writer.abort() if kind else self._writer.close()

    def copy(self, message: Message) -> None:
        """Writes a message of the bag as it is."""
        connection = message.connection
        latched = [_profile(latched=True)] if getattr(connection.ext, "latching", 0) else []
        profiles = getattr(connection.ext, "offered_qos_profiles", latched)
        key = connection.topic, connection.msgtype, str(profiles)
        if key not in self._copies:
            self._copies[key] = self._writer.add_connection(
                connection.topic, connection.msgtype, offered_qos_profiles=profiles, **self._bag.definition(connection)
            )
        with self._errors():
            self._writer.write(self._copies[key], message.time, message.data)

    def write(self, topic: str, kind: str, time: int, data: bytes, latched: bool = False) -> None:
        """Writes a message of one's own; of a latched topic `ros2 bag play` gives the last one to late subscribers."""
        if topic not in self._own:
            self._own[topic] = self._writer.add_connection(
                topic, kind, typestore=self._types, offered_qos_profiles=[_profile(latched)]
            )
        with self._errors():
            self._writer.write(self._own[topic], time, data)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Makes an error of the data base the OSError that it is."""
        try:
            yield
        except sqlite3.Error as error:
            raise OSError(f"{self._path}: SQLite cannot write it: {error}; is there room on the disk?") from error


def _profile(latched: bool) -> Profile:
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    liveliness = QosLiveliness.AUTOMATIC
    return Profile(
        QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, durability, _NO_LIMIT, _NO_LIMIT, liveliness, _NO_LIMIT, False
    )
