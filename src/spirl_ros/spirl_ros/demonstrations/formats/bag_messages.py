"""Reads what an episode needs from a bag: by topic and type, decoded and checked. Without ROS."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mcap.records import Channel, Message, Schema
from mcap.well_known import SchemaEncoding
from mcap_ros2.decoder import DecoderFactory

from spirl_ros.demonstrations.sender_clocks import sending_times
from spirl_ros.errors import ConfigError, DatasetError, RecordingError
from spirl_ros.files.plain_yaml import printable, shortened
from spirl_ros.recording.bag_compression import DECOMPRESSION_ERRORS, decompress_message
from spirl_ros.recording.bag_metadata import METADATA_FILE, bag_files
from spirl_ros.recording.bag_reader import BagFile
from spirl_ros.recording.bag_writer import EPISODE_METADATA
from spirl_ros.recording.message_definitions import message_definition

ROLES = {
    "joint_states": "sensor_msgs/msg/JointState",
    "scene_state": "spirl_msgs/msg/SceneState",
    "task_status": "spirl_msgs/msg/TaskStatus",
    "operator_action": "std_msgs/msg/Float64MultiArray",
    "commands": "std_msgs/msg/Float64MultiArray",
    "executed_action": "std_msgs/msg/Float64MultiArray",
}
"""End of a topic's name, and its type; `commands` belongs to the controller before it, `executed_action` to exports."""

NEEDED = ("joint_states", "scene_state", "task_status")
"""What an episode of the kitchen cannot be without."""

SEED, UNKNOWN = "seed", "unknown"
"""What an exported bag's details say of an episode without a seed."""

_LARGEST_MESSAGE_BYTES = 2**18
"""Far more than the state of 2,000 joints has."""

_LARGEST_DEFINITION_BYTES = 65_536
"""The longest of the roles' has 3,000."""

_BYTES, _BYTES_PER_BYTE = 8 * 2**20, 250
"""Messages that are kept may have so many bytes, and so many more for each of their files'. See bag_reader."""


class Received(NamedTuple):
    """A message."""

    sent_ns: int
    """When it was sent [ns since 1970]; on the receiver's clock where the senders' clocks do not agree with it."""
    content: Any
    """Its fields as attributes."""
    received_ns: int
    """When the recorder received it [ns since 1970]."""


class Recorded(NamedTuple):
    """What is on a topic."""

    type_name: str
    """Full name of the type."""
    count: int
    """Messages."""


@dataclass(frozen=True)
class BagMessages:
    """The messages of one recording, each topic in the order in which it was sent, whatever was done to clocks."""

    path: Path
    by_role: dict[str, list[Received]]
    """For each role that was asked for, ROLES in the kitchen; empty where nothing was recorded."""
    details: dict[str, str] = field(default_factory=dict)
    """What the recorder noted: `operator`, `is_success`, `note`, …; empty for a bag of another recorder."""
    topics: dict[str, Recorded] = field(default_factory=dict)
    """Every topic of the recording by its full name, those of no role too."""

    @property
    def is_success(self) -> bool:
        """Whether the episode was finished as success."""
        return self.verdict is True

    @property
    def verdict(self) -> bool | None:
        """Whether the episode was finished as success; None when nobody said so."""
        return {"true": True, "false": False}.get(self.details.get("is_success", ""))


def read_bag_messages(
    path: Path,
    keep_truncated: bool = False,
    roles: Mapping[str, str] = ROLES,
    needed: Sequence[str] = NEEDED,
) -> BagMessages:
    """Read a bag, of which nothing but the topics of these roles is kept in memory.

    Args:
        path: its folder or its .mcap file.
        keep_truncated: take what is whole of a file that is truncated or damaged.
        roles: name of each topic that is read, or its end, and its type. A topic of exactly that name wins over others
            which end so.
        needed: those of which there must be a message.

    Raises:
        DatasetError: no bag, truncated, a topic is missing, or of another type; the message names the file.
    """
    encoded = _Encoded(roles)
    details: dict[str, str] = {}
    topics: dict[str, Recorded] = {}
    for file in mcap_files(path):
        bag = BagFile(file)
        try:
            encoded.take_in(bag)
        except OSError as error:
            raise DatasetError(f"{file} cannot be read: {error}.") from error
        _require_whole(bag, keep_truncated)
        for record in bag.metadata:
            if record.name == EPISODE_METADATA:
                details |= record.metadata
        for channel, count in zip(bag.channels.values(), bag.counts_by_channel, strict=True):
            type_name = Source(file, channel, bag.schemas.get(channel.schema_id)).type_name
            before = topics[channel.topic].count if channel.topic in topics else 0
            topics[channel.topic] = Recorded(type_name, before + count)
    by_role = {role: encoded.decoded(role, path) for role in roles}
    missing = [role for role in needed if not by_role[role]]
    if missing:
        expected = ", ".join(f"{role} ({roles[role]})" for role in needed)
        other = " Recordings of an arm without a scene are imported with --robot." if "scene_state" in missing else ""
        raise DatasetError(f"{path} has no message on {', '.join(missing)}, expected some: {expected}.{other}")
    return BagMessages(path, _in_sending_order(path, by_role), details, topics)


def _in_sending_order(path: Path, by_role: Mapping[str, list[Received]]) -> dict[str, list[Received]]:
    told = {
        role: ([one.sent_ns for one in received], [one.received_ns for one in received])
        for role, received in by_role.items()
    }
    try:
        times = sending_times(told)
    except DatasetError as error:
        raise DatasetError(f"{path}: {error}") from error
    return {
        role: sorted(
            (one._replace(sent_ns=int(sent_ns)) for one, sent_ns in zip(received, times[role], strict=True)),
            key=lambda one: one.sent_ns,
        )
        for role, received in by_role.items()
    }


def mcap_files(path: Path) -> list[Path]:
    """The MCAP files of a bag, which is a folder with metadata.yaml or one file."""
    if path.is_file():
        return [path]
    metadata = path / METADATA_FILE
    if not metadata.is_file():
        raise DatasetError(
            f"{path} is not a bag: there is no {metadata}. Expected a folder that the recorder or `ros2 bag record -s "
            "mcap` wrote, one .mcap file, or a folder that contains them."
        )
    try:
        storage, names = bag_files(metadata)
    except ConfigError as error:
        raise DatasetError(str(error)) from error
    if storage != "mcap":
        raise DatasetError(
            f"{path} is stored as {printable(storage, limit=40)}, expected mcap. "
            f"Convert it: ros2 bag convert -i {path} -o OPTIONS.yaml."
        )
    files = [path / name for name in names]
    for file in files:
        try:
            is_regular = file.is_file()
        except OSError:  # a name that is too long, or a folder that is closed to us
            is_regular = False
        if not is_regular:
            raise DatasetError(f"{printable(str(file), limit=300)} cannot be read: it is missing, or no regular file.")
    return files


def _require_whole(bag: BagFile, keep_truncated: bool) -> None:
    problem = printable(bag.problem, limit=300)
    if bag.profile is None:
        raise DatasetError(f"{bag.path} is not an MCAP file: {problem}. Expected a bag that rosbag2 can read.")
    if not bag.is_bag:
        raise DatasetError(f"{bag.path} is an MCAP file of profile {shortened(bag.profile)}, expected 'ros2'.")
    if problem and not (keep_truncated and any(bag.counts.values())):
        raise DatasetError(
            f"{bag.path} is truncated or damaged: {problem}. Copy it again, or import its readable part with "
            "--keep-truncated."
        )


class Source(NamedTuple):
    """A channel in one of a bag's files."""

    path: Path
    channel: Channel
    schema: Schema | None

    @property
    def type_name(self) -> str:
        """Full name of the type; other writers leave its middle out."""
        package, slash, name = ("nothing" if self.schema is None else self.schema.name).partition("/")
        return f"{package}/msg/{name}" if slash and "/" not in name else f"{package}{slash}{name}"


class _Raw(NamedTuple):
    """A message as it stands in a file."""

    sent_ns: int
    received_ns: int
    data: bytes
    source: Source


class _Encoded:
    """Messages of the topics that may be the ones of a role, as they stand in the files."""

    def __init__(self, roles: Mapping[str, str]) -> None:
        self._roles = roles
        self._topics: dict[str, dict[str, list[_Raw]]] = {role: {} for role in roles}
        self._bytes = self._largest = 0

    def take_in(self, bag: BagFile) -> None:
        """Read a file. Raises OSError; what else is wrong with it as a file stands in `bag.problem`."""
        self._largest += _BYTES_PER_BYTE * bag.path.stat().st_size
        sources: dict[int, tuple[str, Source]] = {}
        for message in bag.messages(lambda channel: self._role(channel.topic) is not None):
            number = message.channel_id
            if number not in sources:
                channel = bag.channels[number]
                role = self._role(channel.topic)
                assert role is not None
                sources[number] = role, Source(bag.path, channel, bag.schemas.get(channel.schema_id))
            self._add(message, *sources[number])

    def _role(self, topic: str) -> str | None:
        return next((role for role in self._roles if f"/{topic}".endswith(f"/{role}")), None)

    def _add(self, message: Message, role: str, source: Source) -> None:
        messages = self._topics[role].setdefault(source.channel.topic, [])
        try:
            data = decompress_message(message.data, _LARGEST_MESSAGE_BYTES)
        except DECOMPRESSION_ERRORS as error:
            raise misfit(source.path, len(messages), role, error) from error
        self._bytes += len(data)
        if len(data) > _LARGEST_MESSAGE_BYTES:
            raise DatasetError(
                f"{source.path}: message {len(messages)} on {role} has more than {_LARGEST_MESSAGE_BYTES} bytes, "
                "far more than an arm's can have."
            )
        if self._bytes > _BYTES + self._largest:
            raise DatasetError(
                f"{source.path} has far more messages on {role} than a recording of its size has. Was it made by hand?"
            )
        messages.append(_Raw(message.publish_time or message.log_time, message.log_time, data, source))

    def decoded(self, role: str, path: Path) -> list[Received]:
        """The messages of a role, in the order of the files. Only once: what is decoded is kept no longer."""
        topic = self._chosen(role, path)
        if topic is None:
            return []
        encoded, decoders, received = self._topics[role].pop(topic), {}, []
        names: dict[tuple[str, ...], tuple[str, ...]] = {}
        encoded.reverse()
        while encoded:
            sent_ns, received_ns, data, source = encoded.pop()
            decode = decoders.get(id(source)) or decoders.setdefault(id(source), decoder_of(source, self._roles[role]))
            try:
                content = decode(data)
            except Exception as error:  # A definition from outside leads anywhere, also to endless recursion.
                raise misfit(source.path, len(received), role, error) from error
            received.append(Received(sent_ns, _smaller(content, names), received_ns))
        return received

    def _chosen(self, role: str, path: Path) -> str | None:
        """The topic of a role; None when there is no message on any that could be it."""
        expected, sources = self._roles[role], {}
        for topic, messages in self._topics[role].items():
            sources[topic] = messages[0].source
        fitting = [topic for topic, source in sources.items() if source.type_name == expected]
        if sources and not fitting:
            topic, source = next(iter(sources.items()))
            raise DatasetError(
                f"{source.path}: {printable(topic, limit=100)} is a {printable(source.type_name, limit=100)}, "
                f"expected {expected}."
            )
        exact = [topic for topic in fitting if topic.strip("/") == role]
        several = " and ".join(printable(topic, limit=100) for topic in fitting[:3])
        if not exact and len(fitting) > 1:
            raise DatasetError(
                f"{path} has both {several}, expected one arm in a recording. Say which one in full as "
                "joint_state_topic in the robot's file, or record only one."
            )
        return next(iter(exact or fitting), None)


def decoder_of(source: Source, expected: str) -> Callable[[bytes], Any]:
    """What decodes the messages of a channel, by the definition in the file, or else by the one that is installed.

    Raises:
        DatasetError: another type than expected, or no definition that can be read.
    """
    channel, schema = source.channel, source.schema
    if schema is None or source.type_name != expected:
        raise DatasetError(
            f"{source.path}: {printable(channel.topic, limit=100)} is a {printable(source.type_name, limit=100)}, "
            f"expected {expected}."
        )
    definition = schema.data
    if schema.encoding != SchemaEncoding.ROS2 or not definition.strip():
        try:
            definition = message_definition(expected).text.encode()
        except RecordingError as error:
            raise DatasetError(
                f"{source.path} has no definition of {expected} that can be read, and {error}"
            ) from error
    if len(definition) > _LARGEST_DEFINITION_BYTES:
        raise DatasetError(
            f"{source.path}: the definition of {expected} has {len(definition)} bytes, expected at most "
            f"{_LARGEST_DEFINITION_BYTES}."
        )
    try:
        decoder = DecoderFactory().decoder_for(
            channel.message_encoding, Schema(schema.id, definition, SchemaEncoding.ROS2, expected)
        )
    except Exception as error:  # The parser of definitions raises whatever it stumbles over.
        raise DatasetError(
            f"{source.path}: the definition of {expected} cannot be read: {printable(str(error), limit=200)}."
        ) from error
    if decoder is None:
        raise DatasetError(
            f"{source.path}: {printable(channel.topic, limit=100)} is encoded as "
            f"{shortened(channel.message_encoding)}, expected cdr."
        )
    return decoder


def _smaller(content: Any, names: dict[tuple[str, ...], tuple[str, ...]]) -> Any:
    """A state with the memory of what episodes are made of: its names are in every message, and kept once."""
    if hasattr(content, "name") and hasattr(content, "position"):
        found = tuple(content.name)
        content.name = names.setdefault(found, found)
        content.position = np.array(content.position, dtype=float)
        content.velocity = content.effort = ()
    return content


def misfit(path: Path, number: int, role: str, error: Exception) -> DatasetError:
    """What to tell about a message that cannot be decoded."""
    reason = printable(str(error), limit=200) or type(error).__name__
    return DatasetError(f"{path}: message {number} on {role} does not fit its definition: {reason}.")


def stamp_ns(content: Any) -> int:
    """When a message says that it was measured [ns]."""
    return content.header.stamp.sec * 1_000_000_000 + content.header.stamp.nanosec


def states_of(names: Sequence[str], received: Sequence[Received]) -> list[tuple[int, Received]]:
    """Those joint or scene states that tell of any of these names, each with its number among all.

    A gripper's states on the arm's topic are not for us. Before all of these names were measured once, drivers send
    NaN. Where nothing is left, all are returned: looked at one by one, they say why they cannot be used.
    """
    wanted = frozenset(names)
    ours = [(number, one) for number, one in enumerate(received) if not wanted.isdisjoint(one.content.name)]
    return list(itertools.dropwhile(lambda entry: not _is_measured(wanted, entry[1].content), ours)) or list(
        enumerate(received)
    )


def _is_measured(wanted: frozenset[str], content: Any) -> bool:
    pairs = zip(content.name, content.position, strict=False)
    return all(np.isfinite(position) for name, position in pairs if name in wanted)


def other_definition(path: Path, error: AttributeError) -> DatasetError:
    """What to tell about a message that has no field where one was looked for."""
    return DatasetError(
        f"{path}: a message has other fields than expected ({error}). It was recorded with another version of its "
        "package, or the file is damaged."
    )
