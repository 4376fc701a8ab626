"""The metadata.yaml of a bag, as rosbag2 of ROS 2 Jazzy writes it (version 9)."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

METADATA_FILE = "metadata.yaml"
VERSION = 9

QosProfile = Mapping[str, Any]
"""A publisher's quality of service, in rosbag2's words."""

_INFINITE = {"sec": 9223372036, "nsec": 854775807}


def qos_profile(
    reliability: str = "reliable", durability: str = "volatile", history: str = "keep_last", depth: int = 10
) -> QosProfile:
    """A quality of service without deadlines, in rosbag2's words."""
    return {
        "history": history,
        "depth": depth,
        "reliability": reliability,
        "durability": durability,
        "deadline": dict(_INFINITE),
        "lifespan": dict(_INFINITE),
        "liveliness": "automatic",
        "liveliness_lease_duration": dict(_INFINITE),
        "avoid_ros_namespace_conventions": False,
    }


@dataclass(frozen=True)
class BagTopic:
    """A topic of a bag."""

    name: str
    """Full name, `/joint_states`."""
    type_name: str
    """`sensor_msgs/msg/JointState`."""
    definition: str
    """The type's definition, encoding `ros2msg`."""
    type_hash: str = ""
    """Hash of the type, `RIHS01_…`."""
    offered_qos: tuple[QosProfile, ...] = ()
    """Quality of service of each publisher."""


@dataclass(frozen=True)
class BagContent:
    """What a bag's one file holds."""

    topics: tuple[BagTopic, ...]
    counts: tuple[int, ...]
    """Messages of each topic."""
    first_ns: int
    """Receive time of the earliest message [ns]; 0 when there is none."""
    last_ns: int
    """Receive time of the latest message [ns]."""

    @property
    def messages(self) -> int:
        """Messages of all topics."""
        return sum(self.counts)


def find_bags(path: Path) -> list[Path]:
    """The bags that a path stands for: itself, an .mcap file, or those in a folder; none when it is something else.

    What a recorder has not completed or could not repair is not among them.
    """
    if path.suffix == ".mcap" or (path / METADATA_FILE).is_file():
        return [path]
    return sorted(entry.parent for entry in path.glob(f"*/{METADATA_FILE}") if not entry.parent.name.startswith("."))


def qos_text(profiles: Sequence[QosProfile]) -> str:
    """Profiles as they stand in a channel of the MCAP file."""
    return yaml.safe_dump([dict(profile) for profile in profiles], sort_keys=False)


def qos_from_text(text: str) -> tuple[QosProfile, ...]:
    """Profiles from a channel of the MCAP file; none when the text is of another version."""
    try:
        profiles = yaml.safe_load(text)
    except yaml.YAMLError:
        return ()
    return tuple(profiles) if isinstance(profiles, list) else ()


def bag_metadata(content: BagContent, file_name: str, custom: Mapping[str, str]) -> dict[str, Any]:
    """What stands below `rosbag2_bagfile_information`."""
    duration = {"nanoseconds": content.last_ns - content.first_ns}
    start = {"nanoseconds_since_epoch": content.first_ns}
    return {
        "version": VERSION,
        "storage_identifier": "mcap",
        "duration": dict(duration),
        "starting_time": dict(start),
        "message_count": content.messages,
        "topics_with_message_count": [
            {
                "topic_metadata": {
                    "name": topic.name,
                    "type": topic.type_name,
                    "serialization_format": "cdr",
                    "offered_qos_profiles": [dict(profile) for profile in topic.offered_qos],
                    "type_description_hash": topic.type_hash,
                },
                "message_count": count,
            }
            for topic, count in zip(content.topics, content.counts, strict=True)
        ],
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [file_name],
        "files": [
            {
                "path": file_name,
                "starting_time": dict(start),
                "duration": dict(duration),
                "message_count": content.messages,
            }
        ],
        "custom_data": dict(custom) or None,
        "ros_distro": os.environ.get("ROS_DISTRO", "jazzy"),
    }


def metadata_text(metadata: Mapping[str, Any]) -> str:
    """YAML of bag_metadata."""
    return yaml.safe_dump(dict(metadata), sort_keys=False, default_flow_style=False, allow_unicode=True)


def write_metadata(folder: Path, metadata: Mapping[str, Any]) -> None:
    """Write metadata.yaml under a temporary name, then rename it."""
    temporary = folder / f".{METADATA_FILE}.writing"
    with temporary.open("w", encoding="utf-8") as file:
        file.write(metadata_text({"rosbag2_bagfile_information": metadata}))
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(folder / METADATA_FILE)
