"""Definitions of message types as they stand in a bag: found where ROS 2 keeps them, without ROS."""

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from spirl_ros.errors import RecordingError

_SEPARATOR = "=" * 80
_BUILT_IN = frozenset(
    "bool byte char float32 float64 int8 uint8 int16 uint16 int32 uint32 int64 uint64 string wstring".split()
)
_FIELD = re.compile(r"^\s*([A-Za-z][\w/]*)(?:<=\d+)?(?:\[[^\]]*\])?\s+[A-Za-z]\w*")


@dataclass(frozen=True)
class MessageDefinition:
    """What a reader needs to understand the messages of a type."""

    type_name: str
    """Full name, `std_msgs/msg/String`."""
    text: str
    """The .msg file and those of all types in it, separated as the MCAP specification of `ros2msg` says."""
    type_hash: str
    """Hash of the type (REP 2011), `RIHS01_…`; empty when ROS 2 did not store it."""


@cache
def message_definition(type_name: str) -> MessageDefinition:
    """Look a type up in the folders of AMENT_PREFIX_PATH.

    Raises:
        RecordingError: no such type there.
    """
    path = _definition_file(type_name)
    texts = {type_name: path.read_text(encoding="utf-8")}
    open_names = _types_in(texts[type_name], type_name)
    while open_names:
        name = open_names.pop(0)
        if name not in texts:
            texts[name] = _definition_file(name).read_text(encoding="utf-8")
            open_names += _types_in(texts[name], name)
    first, *nested = texts.items()
    parts = [first[1]] + [f"{_SEPARATOR}\nMSG: {_short(name)}\n{text}" for name, text in nested]
    return MessageDefinition(type_name, "\n".join(part.rstrip("\n") for part in parts) + "\n", _type_hash(path))


def _definition_file(type_name: str) -> Path:
    package, _, name = type_name.partition("/msg/")
    prefixes = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    for prefix in prefixes:
        path = prefix / "share" / package / "msg" / f"{name}.msg"
        if name and path.is_file():
            return path
    raise RecordingError(
        f"message type '{type_name}' is not found in {', '.join(map(str, prefixes)) or 'an empty AMENT_PREFIX_PATH'}. "
        "Expected a type such as std_msgs/msg/String whose package is installed: source the workspace, or `make shell`."
    )


def _type_hash(path: Path) -> str:
    description = path.with_suffix(".json")
    if not description.is_file():
        return ""
    hashes = json.loads(description.read_text(encoding="utf-8")).get("type_hashes", [])
    name = f"{path.parent.parent.name}/msg/{path.stem}"
    return next((entry["hash_string"] for entry in hashes if entry["type_name"] == name), "")


def _types_in(text: str, type_name: str) -> list[str]:
    """Full names of the message types that a definition's fields have."""
    names = []
    for line in text.splitlines():
        field = _FIELD.match(line.partition("#")[0])
        if field is None or field[1] in _BUILT_IN:
            continue
        *package, name = field[1].split("/")
        names.append(f"{package[0] if package else type_name.partition('/')[0]}/msg/{name}")
    return names


def _short(type_name: str) -> str:
    return type_name.replace("/msg/", "/")
