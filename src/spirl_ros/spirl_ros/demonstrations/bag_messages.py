"""Reads what an episode needs from a bag: by topic and type, decoded and checked. Without ROS."""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from mcap.exceptions import McapError
from mcap.records import Channel, Message, Schema
from mcap_ros2.decoder import DecoderFactory

from spirl_ros.errors import DatasetError
from spirl_ros.recording.bag_metadata import METADATA_FILE
from spirl_ros.recording.bag_reader import BagFile
from spirl_ros.recording.bag_writer import EPISODE_METADATA

ROLES = {
    "joint_states": "sensor_msgs/msg/JointState",
    "scene_state": "spirl_msgs/msg/SceneState",
    "task_status": "spirl_msgs/msg/TaskStatus",
    "operator_action": "std_msgs/msg/Float64MultiArray",
    "commands": "std_msgs/msg/Float64MultiArray",
}
"""End of a topic's name, and its type; `commands` belongs to the controller before it."""

NEEDED = ("joint_states", "scene_state", "task_status")
"""What an episode of the kitchen cannot be without."""


class Received(NamedTuple):
    """A message."""

    sent_ns: int
    """When it was sent [ns since 1970]."""
    content: Any
    """Its fields as attributes."""


@dataclass(frozen=True)
class BagMessages:
    """The messages of one recording, each topic in the order it was sent."""

    path: Path
    by_role: dict[str, list[Received]]
    """For each role that was asked for, ROLES in the kitchen; empty where nothing was recorded."""
    details: dict[str, str] = field(default_factory=dict)
    """What the recorder noted: `operator`, `is_success`, `note`, …; empty for a bag of another recorder."""

    @property
    def is_success(self) -> bool:
        """Was the episode finished as success."""
        return self.details.get("is_success") == "true"


def bag_files(path: Path) -> list[Path]:
    """The MCAP files of a bag, which is a folder with metadata.yaml or one file.

    Raises:
        DatasetError: neither, or a bag in another storage format.
    """
    if path.is_file():
        return [path]
    metadata = path / METADATA_FILE
    if not metadata.is_file():
        raise DatasetError(
            f"{path} is no bag: there is no {metadata}. Expected a folder as the recorder or `ros2 bag record -s mcap` "
            "writes it, or one .mcap file."
        )
    try:
        information = yaml.safe_load(metadata.read_text(encoding="utf-8"))["rosbag2_bagfile_information"]
        storage, names = information["storage_identifier"], information["relative_file_paths"]
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise TypeError(f"relative_file_paths is {names!r:.200}, expected a list of file names")
    except (OSError, yaml.YAMLError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(f"{metadata} is not the metadata of a bag: {error}.") from error
    if storage != "mcap":
        raise DatasetError(
            f"{path} is stored as {storage}, expected mcap. Convert it: ros2 bag convert -i {path} -o OPTIONS.yaml."
        )
    return [path / name for name in names]


def read_bag_messages(
    path: Path,
    keep_truncated: bool = False,
    roles: Mapping[str, str] = ROLES,
    needed: Sequence[str] = NEEDED,
) -> BagMessages:
    """Read a bag.

    Args:
        path: its folder or its .mcap file.
        keep_truncated: take what is whole of a file that is truncated or damaged.
        roles: end of each topic's name that is read, and its type.
        needed: those of which there must be a message.

    Raises:
        DatasetError: no bag, truncated, a topic is missing, or of another type; the message names the file.
    """
    by_role: dict[str, list[Received]] = {role: [] for role in roles}
    details: dict[str, str] = {}
    for file in bag_files(path):
        bag = BagFile(file)
        try:
            messages = bag.read_all()
        except OSError as error:
            raise DatasetError(f"{file} cannot be read: {error}.") from error
        _require_whole(bag, len(messages), keep_truncated)
        decoders = _Decoders(bag, roles)
        for message in messages:
            decoders.decode(message, by_role)
        for record in bag.metadata:
            if record.name == EPISODE_METADATA:
                details |= record.metadata
    missing = [role for role in needed if not by_role[role]]
    if missing:
        expected = ", ".join(f"{role} ({roles[role]})" for role in needed)
        other = " Recordings of an arm without a scene are imported with --robot." if "scene_state" in missing else ""
        raise DatasetError(f"{path} has no message on {', '.join(missing)}, expected some: {expected}.{other}")
    for received in by_role.values():
        received.sort(key=lambda entry: entry.sent_ns)
    return BagMessages(path, by_role, details)


def _require_whole(bag: BagFile, messages: int, keep_truncated: bool) -> None:
    if bag.profile is None:
        raise DatasetError(f"{bag.path} is not an MCAP file: {bag.problem}. Expected a bag that rosbag2 can read.")
    if not bag.is_bag:
        raise DatasetError(f"{bag.path} is an MCAP file of profile '{bag.profile}', expected 'ros2'.")
    if bag.problem and not (keep_truncated and messages):
        raise DatasetError(
            f"{bag.path} is truncated or damaged: {bag.problem}. Copy it again, or take what is whole in it with "
            "--keep-truncated."
        )


class _Decoders:
    """Decodes a file's messages by channel."""

    def __init__(self, bag: BagFile, roles: Mapping[str, str]) -> None:
        self._path = bag.path
        self._factory = DecoderFactory()
        self._by_channel: dict[int, tuple[str, Callable[[bytes], Any]]] = {}
        topics: dict[str, str] = {}
        for number, channel in bag.channels.items():
            role = next((role for role in roles if f"/{channel.topic}".endswith(f"/{role}")), None)
            if role is None or not bag.counts[channel.topic]:
                continue
            if topics.setdefault(role, channel.topic) != channel.topic:
                raise DatasetError(
                    f"{bag.path} has both {topics[role]} and {channel.topic}, expected one arm in a recording."
                )
            decoder = self._decoder(channel, bag.schemas.get(channel.schema_id), roles[role])
            self._by_channel[number] = (role, decoder)

    def _decoder(self, channel: Channel, schema: Schema | None, expected: str) -> Callable[[bytes], Any]:
        found = "nothing" if schema is None else schema.name
        if schema is None or found != expected:
            raise DatasetError(f"{self._path}: {channel.topic} is a {found}, expected {expected}.")
        try:
            decoder = self._factory.decoder_for(channel.message_encoding, schema)
        except Exception as error:  # The parser of definitions raises whatever it stumbles over.
            raise DatasetError(f"{self._path}: the definition of {found} cannot be understood: {error}.") from error
        if decoder is None:
            raise DatasetError(
                f"{self._path}: {channel.topic} is encoded as {channel.message_encoding} with a definition in "
                f"{schema.encoding}, expected cdr and ros2msg."
            )
        return decoder

    def decode(self, message: Message, by_role: dict[str, list[Received]]) -> None:
        """Add a message to its role's; others are left out."""
        if message.channel_id not in self._by_channel:
            return
        role, decoder = self._by_channel[message.channel_id]
        try:
            content = decoder(message.data)
        except (McapError, struct.error, ValueError, IndexError, EOFError, TypeError, MemoryError) as error:
            raise DatasetError(
                f"{self._path}: message {len(by_role[role])} on {role} does not fit its definition: {error}."
            ) from error
        by_role[role].append(Received(message.publish_time or message.log_time, content))


def stamp_ns(content: Any) -> int:
    """When a message says that it was measured [ns]."""
    return content.header.stamp.sec * 1_000_000_000 + content.header.stamp.nanosec


def other_definition(path: Path, error: AttributeError) -> DatasetError:
    """What to tell about a message that has no field where one was looked for."""
    return DatasetError(
        f"{path}: a message has other fields than expected ({error}). It was recorded with another version of its package, "
        "or the file is damaged."
    )
