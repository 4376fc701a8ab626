"""Reads YAML and files that came from outside, in bounded time and memory."""

import os
import stat
from pathlib import Path
from typing import Any

import yaml

from spirl_ros.errors import ConfigError
from spirl_ros.files.outside_text import printable, shortened

MOST_VALUES = 50_000
"""Far more than any file of ours has; read without libyaml they take 4 s."""
DEEPEST = 50
LONGEST_NUMBER = 1000
"""Characters of a number: PyYAML takes minutes for one of a megabyte such as 1:1:1:1…"""

_Fast: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml_file(path: Path, *, limit_bytes: int = 1_000_000) -> Any:
    """What a YAML file holds; see `parse_yaml`.

    Raises:
        ConfigError: it is no regular file, too large, not UTF-8, or not the YAML that `parse_yaml` reads.
    """
    content = read_regular_file(path, limit_bytes)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}.") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, source: str) -> Any:
    """Lists, dicts with texts as keys, numbers and texts of one YAML document.

    Anchors, aliases and repeated keys hide what a file says, and aliases let a few lines stand for gigabytes.

    Args:
        text: the YAML.
        source: names it in messages.

    Raises:
        ConfigError: it is not YAML, has any of these, or is too large or too deep; the message is one line.
    """
    try:
        _check_events(text)
        return yaml.load(text, _StrictLoader)  # noqa: S506 - a SafeLoader
    except _Refusal as error:
        raise ConfigError(f"{source}: {error}") from None
    except (yaml.YAMLError, ValueError, OverflowError, TypeError, RecursionError) as error:
        raise ConfigError(f"{source} is not YAML: {printable(str(error), limit=300)}.") from error


def read_regular_file(path: Path, limit_bytes: int) -> bytes:
    """The bytes of a file that is one: a pipe or a device, also behind a link, might never end.

    Raises:
        ConfigError: it is another kind of file, has more bytes, or cannot be read.
    """
    try:
        _refuse_irregular(path, os.stat(path).st_mode)
        # Another file may have taken its place since: opening that does not wait for whoever would write to it.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            _refuse_irregular(path, os.fstat(file.fileno()).st_mode)
            content = file.read(limit_bytes + 1)
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"{printable(str(path))} cannot be read ({reason}).") from error
    if len(content) > limit_bytes:
        raise ConfigError(f"{printable(str(path))} has more than {limit_bytes} bytes, the most that is read.")
    return content


class _Refusal(ValueError):
    """Why it is not read, without the name of the source."""


class _StrictLoader(_Fast):
    """Safe YAML whose keys are texts that come once each."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if not isinstance(key, str):
                    raise _Refusal(f"key {shortened(key)} is not a text. Put it in quotes.")
                if key in seen:
                    raise _Refusal(f"key {shortened(key)} is there twice.")
                seen.add(key)
        return super().construct_mapping(node, deep)


def _check_events(text: str) -> None:
    depth = values = 0
    for event in yaml.parse(text, Loader=_Fast):
        if getattr(event, "anchor", None) is not None:
            what = "alias *" if isinstance(event, yaml.AliasEvent) else "anchor &"
            raise _Refusal(f"YAML {what}{printable(event.anchor, limit=40)} is not allowed. Write the value itself.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        values += isinstance(event, yaml.NodeEvent)
        if depth > DEEPEST:
            raise _Refusal(f"it is nested more than {DEEPEST} deep.")
        if values > MOST_VALUES:
            raise _Refusal(f"it has more than {MOST_VALUES} values.")
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > LONGEST_NUMBER:
            is_plain_number = event.implicit[0] and (event.value[0].isdigit() or event.value[0] in "+-.")
            if is_plain_number or (event.tag or "").endswith((":int", ":float")):
                raise _Refusal(f"number {shortened(event.value)} has more than {LONGEST_NUMBER} characters.")


def _refuse_irregular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
        kind = next((name for is_kind, name in kinds if is_kind(mode)), "a device")
        raise ConfigError(f"{printable(str(path))} is {kind}, expected a regular file.")
