"""YAML and files from outside, in bounded time and memory."""

import os
import time
from pathlib import Path

import pytest

from spirl_ros.errors import ConfigError
from spirl_ros.files.plain_yaml import parse_yaml, read_regular_file, read_yaml_file

LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
)


def test_plain_values_are_read(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text("name: ur5e\nlimits: {shoulder: [-6.28, 6.28]}\ncount: 3\nlong: " + "x" * 200 + "\n")
    assert read_yaml_file(path) == {
        "name": "ur5e",
        "limits": {"shoulder": [-6.28, 6.28]},
        "count": 3,
        "long": "x" * 200,
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LAUGHS, "anchor &a0 is not allowed"),
        ("a: *b", "alias \\*b is not allowed"),
        ("&a [*a]", "anchor &a"),
        ("[" * 100_000, "nested more than 50"),
        ("- " * 100_000, "nested more than 50"),
        ("{a: " * 100_000, "nested more than 50"),
        ("[" + "1," * 400_000 + "]", "more than 50000 values"),
        ("1:" * 400_000 + "1", "more than 1000 characters"),
        ("a: " + "9" * 900_000, "more than 1000 characters"),
        ("a: !!int '" + "1:" * 400_000 + "1'", "more than 1000 characters"),
        ("a: !!float '" + "1:" * 400_000 + "1'", "more than 1000 characters"),
        ("a: 1\nb: 2\na: 3", "key 'a' is there twice"),
        ("on: 1", "key True is not a text"),
        ("? [a, b]\n: 1", "is not a text"),
        ("a: !!python/object/apply:os.system [true]", "is not YAML"),
        ("a: 2020-99-99", "is not YAML"),
        ("a: [1", "is not YAML"),
        ("a: \x1b[31m", "is not YAML"),
        ("a: !!binary ü", "is not YAML"),
        ("a: !<" + "x" * 100_000 + "> b", "is not YAML"),
        ("--- 1\n--- 2", "is not YAML"),
    ],
)
def test_hostile_yaml_is_refused_at_once_in_one_line(text: str, reason: str) -> None:
    """Aliases in a few lines took 1.4 GB and hung, and the message about them as well."""
    begin_s = time.monotonic()
    with pytest.raises(ConfigError, match=reason) as refusal:
        parse_yaml(text, "robot.yaml")
    assert time.monotonic() - begin_s < 5.0
    message = str(refusal.value)
    assert message.startswith("robot.yaml") and message.isprintable() and len(message) < 400


def test_a_pipe_a_device_and_a_large_file_are_refused_at_once(tmp_path: Path) -> None:
    """A FIFO was waited for, and a link to /dev/zero was read without end."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "large").write_bytes(bytes(1001))
    (tmp_path / "latin").write_bytes(b"a: \xe4\n")
    for name, reason in (
        ("pipe", "is a pipe, expected a regular file"),
        ("device", "is a device, expected a regular file"),
        (".", "is a folder"),
        ("large", "more than 1000 bytes"),
        ("absent", "No such file"),
        ("nul\0", "cannot be read"),
        ("latin", "not UTF-8"),
    ):
        with pytest.raises(ConfigError, match=reason):
            read_yaml_file(tmp_path / name, limit_bytes=1000)
    (tmp_path / "link").symlink_to(tmp_path / "large")
    assert read_regular_file(tmp_path / "link", 1001) == bytes(1001)
