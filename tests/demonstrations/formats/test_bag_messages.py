"""What an import reads from a bag: the right topic, by the right definition, and nothing else in memory."""

import tracemalloc
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
import zstandard

pytest.importorskip("spirl_msgs", reason="definitions of our messages come from the workspace: make setup")

from spirl_ros.demonstrations.formats.bag_messages import BagMessages, read_bag_messages
from spirl_ros.errors import DatasetError
from tests.recording.hostile_bags import TYPE, channel, chunk, file_of, header, joint_state, message, record, schema

NAMES = ("a", "b")
STATE = joint_state(NAMES, np.array([0.5, -2.0]).tobytes(), 3_000_000_000)
OTHER = joint_state(("finger",), np.array([0.1]).tobytes(), 3_000_000_000)


def read(path: Path, *records: bytes, role: str = "joint_states") -> BagMessages:
    path.write_bytes(file_of(*records))
    return read_bag_messages(path, roles={role: TYPE}, needed=(role,))


def positions(messages: BagMessages, role: str = "joint_states") -> list[list[float]]:
    return [one.content.position.tolist() for one in messages.by_role[role]]


def test_message_has_its_times_names_and_positions(tmp_path) -> None:
    (one,) = read(tmp_path / "a.mcap", header(), schema(), channel(), message(STATE, time_ns=7)).by_role["joint_states"]
    assert (one.sent_ns, one.received_ns, one.content.header.stamp.sec) == (7, 7, 3)
    assert (one.content.name, one.content.position.tolist()) == (NAMES, [0.5, -2.0])


def test_topic_of_exactly_the_name_wins_over_one_that_ends_so(tmp_path) -> None:
    """`/joint_states` beside `/gripper/joint_states` was refused, whatever the robot's file said."""
    both = (header(), schema(), channel("/gripper/joint_states", 1), channel("/joint_states", 2))
    content = (*both, message(OTHER, 1), message(STATE, 2))
    assert positions(read(tmp_path / "a.mcap", *content)) == [[0.5, -2.0]]
    role = "gripper/joint_states"
    assert positions(read(tmp_path / "a.mcap", *content, role=role), role) == [[0.1]]


def test_two_topics_that_end_so_are_told_and_one_without_messages_or_of_another_type_is_none(tmp_path) -> None:
    two = (header(), schema(), channel("/left/joint_states", 1), channel("/right/joint_states", 2))
    with pytest.raises(DatasetError, match="has both /left/joint_states and /right/joint_states, .* joint_state_topic"):
        read(tmp_path / "a.mcap", *two, message(STATE, 1), message(STATE, 2))
    assert positions(read(tmp_path / "a.mcap", *two, message(STATE, 2))) == [[0.5, -2.0]]
    text = record(3, b"\2\0" + b"\x13\0\0\0std_msgs/msg/String" + b"\x07\0\0\0ros2msg" + b"\x0c\0\0\0string data\n")
    other = record(4, b"\1\0\2\0" + b"\x12\0\0\0/left/joint_states" + b"\3\0\0\0cdr" + bytes(4))
    mixed = (header(), schema(), text, other, channel("/right/joint_states", 2))
    assert positions(read(tmp_path / "a.mcap", *mixed, message(b"x", 1), message(STATE, 2))) == [[0.5, -2.0]]
    with pytest.raises(DatasetError, match="/left/joint_states is a std_msgs/msg/String, expected sensor_msgs/msg/J"):
        read(tmp_path / "a.mcap", *mixed, message(b"x", 1))


@pytest.mark.parametrize(
    "described",
    [
        schema(""),
        schema(" \n"),
        schema("", encoding=""),
        schema("module sensor_msgs { module msg { struct JointState { }; }; };", encoding="ros2idl"),
        schema(name="sensor_msgs/JointState"),
    ],
)
def test_installed_definition_is_taken_where_the_file_has_none(tmp_path, described: bytes) -> None:
    """Refused as "encoded as cdr with a definition in", or as a definition that cannot be read."""
    assert positions(read(tmp_path / "a.mcap", header(), described, channel(), message(STATE))) == [[0.5, -2.0]]


def test_definition_that_is_nowhere_is_told(tmp_path, monkeypatch) -> None:
    (tmp_path / "a.mcap").write_bytes(
        file_of(header(), schema("", name="my_msgs/msg/State"), channel(), message(STATE))
    )
    with pytest.raises(DatasetError, match="no definition of my_msgs/msg/State .*, and message type .* is not found"):
        read_bag_messages(tmp_path / "a.mcap", roles={"joint_states": "my_msgs/msg/State"}, needed=())


def test_file_without_a_profile_is_read(tmp_path) -> None:
    """Converters write none; "an MCAP file of profile ''" was refused."""
    assert positions(read(tmp_path / "a.mcap", header(""), schema(), channel(), message(STATE))) == [[0.5, -2.0]]


@pytest.mark.parametrize("compress", [zstandard.compress, lz4.frame.compress])
def test_messages_that_were_compressed_each_by_itself_are_read(tmp_path, compress) -> None:
    """rosbag2's compression mode MESSAGE."""
    content = (header(), schema(), channel())
    assert positions(read(tmp_path / "a.mcap", *content, message(compress(STATE)))) == [[0.5, -2.0]]
    with pytest.raises(DatasetError, match="message 0 on joint_states does not fit its definition"):
        read(tmp_path / "a.mcap", *content, message(compress(STATE)[:-8]))


@pytest.mark.parametrize(("end", "compress"), [("zstd", zstandard.compress), ("lz4", lz4.frame.compress)])
def test_bag_whose_file_is_compressed_is_read_by_its_folder_and_its_name(tmp_path, end: str, compress) -> None:
    """It was "not an MCAP file: invalid magic"."""
    path = tmp_path / "bag" / f"bag_0.mcap.{end}"
    path.parent.mkdir()
    path.write_bytes(compress(file_of(header(), schema(), channel(), message(STATE))))
    files = f"storage_identifier: mcap\n  compression_mode: FILE\n  relative_file_paths: [{path.name}]"
    (path.parent / "metadata.yaml").write_text(f"rosbag2_bagfile_information:\n  {files}\n")
    for bag in (path, path.parent):
        found = read_bag_messages(bag, roles={"joint_states": TYPE}, needed=("joint_states",))
        assert positions(found) == [[0.5, -2.0]]


def test_only_what_is_used_is_in_memory(tmp_path) -> None:
    """200 MB of pictures and 2,000 states, of which less than 2 MB are kept; all messages were."""
    picture = message(bytes(2**20), 2)
    pictures = chunk(picture, len(picture), "")
    states = b"".join(message(STATE, 1, number) for number in range(10))
    with (tmp_path / "a.mcap").open("wb") as file:
        content = (header(), schema(), channel("/joint_states", 1), channel("/camera", 2), *[pictures, states] * 200)
        file.write(file_of(*content))
    del content, picture, pictures
    tracemalloc.start()
    messages = read_bag_messages(tmp_path / "a.mcap", roles={"joint_states": TYPE}, needed=("joint_states",))
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(messages.by_role["joint_states"]) == 2000
    assert kept < 2e6 and peak < 6e6
