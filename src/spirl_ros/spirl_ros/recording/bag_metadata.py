"""The metadata.yaml of a bag, as rosbag2 of ROS 2 Jazzy writes it (version 9)."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from spirl_ros.errors import ConfigError
from spirl_ros.files.plain_yaml import DEEPEST, parse_yaml, printable, read_regular_file, shortened

METADATA_FILE = "metadata.yaml"
VERSION = 9
DAMAGED = ".damaged"
"""In the name of a folder in which a recorder found nothing to repair."""

_FILE_ENDS = (".mcap", ".mcap.zstd", ".mcap.lz4")
_DEEPEST_FOLDER = 6
"""Folders below the one that was named in which bags are looked for."""

_LARGEST_METADATA_BYTES = 2_000_000
"""That of a bag with 500 topics in 500 files has half of it."""

_YAML: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

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
    """The bags that a path stands for: itself, an .mcap file, or all in a folder and below; else none.

    Loose .mcap files are a bag each. What a recorder has not completed or could not repair is not among them.
    """
    if path.name.endswith(_FILE_ENDS) or (path / METADATA_FILE).is_file():
        return [path]
    bags: list[Path] = []
    for name, folders, files in os.walk(path):
        folder = Path(name)
        bags += [folder / file for file in files if file.endswith(_FILE_ENDS) and not file.startswith(".")]
        folders[:] = [one for one in folders if not one.startswith(".") and DAMAGED not in one]
        whole = [one for one in folders if (folder / one / METADATA_FILE).is_file()]
        bags += [folder / one for one in whole]
        is_deepest = len(folder.relative_to(path).parts) >= _DEEPEST_FOLDER
        folders[:] = [] if is_deepest else [one for one in folders if one not in whole]
    return sorted(bags)


def bag_files(metadata: Path) -> tuple[str, list[str]]:
    """How a bag is stored, `mcap` or `sqlite3`, and the names of its files, of all that its metadata.yaml says.

    That file is not ours alone: rosbag2 of any version writes it, and aliases among its qualities of service do no harm
    as long as nobody looks at them.

    Raises:
        ConfigError: it is not the metadata of a bag; the message names it.
    """
    content = read_regular_file(metadata, _LARGEST_METADATA_BYTES)
    try:
        text = content.decode()
        depth = 0
        for event in yaml.parse(text, Loader=_YAML):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise ValueError(f"it is nested more than {DEEPEST} deep")
        information = _value(yaml.compose(text, Loader=_YAML), "rosbag2_bagfile_information")
        storage, files = (_value(information, key) for key in ("storage_identifier", "relative_file_paths"))
        names = [_text(node) for node in files.value] if isinstance(files, yaml.SequenceNode) else []
        if not names or len(set(names)) < len(names):
            raise ValueError(f"relative_file_paths is {shortened(names)}, expected a list of file names")
        return _text(storage), names
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{metadata} is not the metadata of a bag: {printable(str(error), limit=300)}.") from error


def _value(node: Any, key: str) -> Any:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    for name, value in pairs:
        if name.value == key:
            return value
    raise ValueError(f"it lacks {key}")


def _text(node: Any) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise ValueError("a list or mapping stands where a name was expected")
    return node.value


def qos_text(profiles: Sequence[QosProfile]) -> str:
    """Profiles as they stand in a channel of the MCAP file."""
    return yaml.dump([dict(profile) for profile in profiles], Dumper=_WithoutAliases, sort_keys=False)


def qos_from_text(text: str) -> tuple[QosProfile, ...]:
    """Profiles from a channel of the MCAP file; none when the text is of another version."""
    try:
        profiles = parse_yaml(text, "offered_qos_profiles")
    except ConfigError:
        return ()
    return tuple(profiles) if isinstance(profiles, list) else ()


class _WithoutAliases(yaml.SafeDumper):
    """Writes whatever stands in several places several times: readers need not, and some do not, take aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


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
    return yaml.dump(
        dict(metadata), Dumper=_WithoutAliases, sort_keys=False, default_flow_style=False, allow_unicode=True
    )


def write_metadata(folder: Path, metadata: Mapping[str, Any]) -> None:
    """Write metadata.yaml under a temporary name, then rename it."""
    temporary = folder / f".{METADATA_FILE}.writing"
    with temporary.open("w", encoding="utf-8") as file:
        file.write(metadata_text({"rosbag2_bagfile_information": metadata}))
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(folder / METADATA_FILE)
