"""Bags in and out: the same numbers, and every bad bag told."""

import json
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import mujoco
import numpy as np
import pytest
import yaml
from mcap.writer import Writer

pytest.importorskip("spirl_msgs", reason="definitions of our messages come from the workspace: make setup")

from spirl_ros.demonstrations.dataset import Dataset, dataset_digest
from spirl_ros.demonstrations.formats.bag_export import write_bags
from spirl_ros.demonstrations.formats.bag_import import import_bags
from spirl_ros.demonstrations.layout import robot_metadata
from spirl_ros.demonstrations.operator_style import DEFAULT_STYLE, OperatorStyle
from spirl_ros.demonstrations.self_descriptions import describe_simulator, describe_style
from spirl_ros.demonstrations.sources import read_source
from spirl_ros.errors import DatasetError
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.scene import load_kitchen_scene
from spirl_ros.recording.bag_metadata import BagTopic
from spirl_ros.recording.bag_reader import BagFile
from spirl_ros.recording.bag_writer import BagWriter, RawMessage
from spirl_ros.tasks.task import MeasurementNoise
from tests.demonstrations.small_dataset import assert_same_episode, make_dataset, make_episode
from tests.recording.hostile_bags import joint_state

METADATA = replace(
    robot_metadata(KITCHEN.robot),
    task=("kettle", "microwave"),
    operator="anna",
    completed_at_step={"kettle": 2, "hinge_cabinet": 3},
)


def kitchen_dataset(lengths=(4, 6), metadata=METADATA, **changes) -> Dataset:
    """Around the middle of every joint's range, where no command is cut short by a limit."""
    scene = load_kitchen_scene()
    middle = (scene.position_lower + scene.position_upper) / 2
    episodes = []
    for seed, steps in enumerate(lengths):
        generator = np.random.default_rng(seed)
        observations = generator.standard_normal((steps + 1, 30))
        observations[:, :9] = middle + 0.001 * observations[:, :9]
        actions = generator.uniform(-1.0, 1.0, (2, steps, 9))
        actions[:, :, 7:] *= 0.01  # The fingers' range is a quarter of what an action of 1 moves them.
        arrays = {"observations": observations, "actions": actions[0], "executed_actions": actions[1]}
        episodes.append(make_episode(steps, seed, metadata, **{**arrays, **changes}))
    return Dataset(tuple(episodes), "kitchen", {})


@pytest.fixture
def bag(tmp_path) -> Path:
    """One good bag with five control steps."""
    write_bags(tmp_path / "bags", kitchen_dataset([5]))
    return tmp_path / "bags" / "episode_000001"


def rewrite(
    bag: Path, change=lambda topic, number, data: data, define=lambda topic, text: text, added=(), task: str = ""
) -> Path:
    """The same bag, changed: `change(topic, number, data)` gives new data, several or None, `define(topic, text)` a
    definition.

    `added` are texts as (time [s], topic, text); `task` is what the recorder noted.
    """
    source = BagFile(bag / f"{bag.name}_0.mcap")
    messages = source.read_all()
    said = {name for _, name, _ in added}  # the bag has no message on these
    topics, numbers = [], [number for number, channel in source.channels.items() if channel.topic not in said]
    for number in numbers:
        channel = source.channels[number]
        schema = source.schemas[channel.schema_id]
        topics.append(BagTopic(channel.topic, schema.name, define(channel.topic, schema.data.decode())))
    topics += [BagTopic(name, "std_msgs/msg/String", "string data\n") for _, name, _ in added]
    target = bag.with_name("changed")
    writer = BagWriter(target, topics, {"task": task} if task else {})
    for index, (time_s, _, text) in enumerate(added, start=len(numbers)):
        time_ns, data = round(time_s * 1e9), text.encode() + b"\0"
        writer.write(RawMessage(index, time_ns, time_ns, 0, b"\0\1\0\0" + len(data).to_bytes(4, "little") + data))
    counts = dict.fromkeys(numbers, 0)
    for message in messages:
        topic = topics[numbers.index(message.channel_id)].name
        data = change(topic, counts[message.channel_id], message.data)
        counts[message.channel_id] += 1
        for one in [] if data is None else data if isinstance(data, list) else [data]:
            index = numbers.index(message.channel_id)
            writer.write(RawMessage(index, message.log_time, message.publish_time, 0, one))
    writer.finish({})
    return target


def recorded(bag: Path, *without: str, change=lambda topic, number, data: data) -> Path:
    """The same bag as the recorder would have written it, changed, and without some topics."""
    left_out = ("/executed_action", *without)
    return rewrite(bag, lambda topic, number, data: None if topic in left_out else change(topic, number, data))


def with_last_double(data: bytes, value: float, behind: int = 0) -> bytes:
    """A message with another number in its last double, behind which so many bytes follow."""
    end = len(data) - behind
    return data[: end - 8] + np.float64(value).tobytes() + data[end:]


def test_exported_bags_give_the_same_dataset_again(tmp_path) -> None:
    """The executed actions came back from the commands, up to 1e-12 other ones, and cut short at the joints' limits."""
    noise = asdict(MeasurementNoise())
    described = replace(METADATA, mujoco_version="3.8.1", measurement_noise=noise, operator_style=DEFAULT_STYLE)
    pushed = np.random.default_rng(5).uniform(-1.0, 1.0, (6, 9))
    without_end = {"terminated": False, "truncated": True}
    episodes = (
        *kitchen_dataset(metadata=described).episodes,
        *kitchen_dataset([6], metadata=described, executed_actions=pushed, **without_end).episodes,
    )
    unseeded = replace(episodes[1], metadata=replace(episodes[1].metadata, seed=None, operator_style=None))
    dataset = Dataset((*episodes, unseeded), "kitchen", {})
    write_bags(tmp_path / "bags", dataset)
    again = import_bags([tmp_path / "bags"])
    for found, expected in zip(again.episodes, dataset.episodes, strict=True):
        assert_same_episode(found, expected)
    assert dataset_digest(again.episodes) == dataset_digest(dataset.episodes)
    assert again.task == "kitchen"


def test_executed_actions_follow_from_recorded_commands(bag) -> None:
    """No recorder writes `executed_action`."""
    (found,), (expected,) = import_bags([recorded(bag)]).episodes, import_bags([bag]).episodes
    np.testing.assert_allclose(found.executed_actions, expected.executed_actions, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found.actions, expected.actions)


def test_action_that_a_limit_cut_short_is_the_intended_one_if_that_gives_the_same_command(tmp_path) -> None:
    """The fingers close with an action of -1, of which a command shows only the way to the limit."""
    closing = np.zeros((3, 9))
    closing[:, 7:] = -1.0
    pushed = closing.copy()
    pushed[:, 0] = 0.25
    dataset = kitchen_dataset([3], actions=closing, executed_actions=pushed)
    write_bags(tmp_path / "bags", dataset)
    (episode,) = import_bags([recorded(tmp_path / "bags" / "episode_000001")]).episodes
    np.testing.assert_allclose(episode.executed_actions, pushed, rtol=0, atol=1e-12)


def test_without_operator_action_the_executed_one_counts_as_intended(bag) -> None:
    changed = recorded(bag, "/operator_action")
    (episode,), (original,) = import_bags([changed]).episodes, import_bags([bag]).episodes
    np.testing.assert_array_equal(episode.actions, episode.executed_actions)
    np.testing.assert_allclose(episode.actions, original.executed_actions, rtol=0, atol=1e-12)


def test_without_commands_the_intended_action_counts_as_executed_and_without_both_there_is_none(bag) -> None:
    changed = recorded(bag, "/forward_position_controller/commands")
    (episode,), (original,) = import_bags([changed]).episodes, import_bags([bag]).episodes
    np.testing.assert_array_equal(episode.executed_actions, original.actions)
    shutil.rmtree(changed)
    changed = recorded(bag, "/operator_action", "/forward_position_controller/commands")
    with pytest.raises(DatasetError, match="neither an operator_action nor a command"):
        import_bags([changed])


def test_command_stays_in_force_until_the_next_one(bag) -> None:
    def drop_second(topic: str, number: int, data: bytes):
        return None if "commands" in topic and number == 1 else data

    (episode,), (original,) = import_bags([recorded(bag, change=drop_second)]).episodes, import_bags([bag]).episodes
    held = original.observations[0, :7] + 0.16 * original.executed_actions[0, :7] - original.observations[1, :7]
    np.testing.assert_allclose(episode.executed_actions[1, :7], np.clip(held / 0.16, -1, 1), rtol=0, atol=1e-12)


def test_mcap_file_and_folders_are_recognised(bag) -> None:
    expected = import_bags([bag]).episodes[0].observations
    for source in (bag, bag / f"{bag.name}_0.mcap", bag.parent):
        np.testing.assert_array_equal(read_source(str(source)).episodes[0].observations, expected)


def test_truncated_file_is_told_and_its_whole_part_can_be_taken(bag, tmp_path) -> None:
    path = tmp_path / "cut.mcap"
    write_bags(tmp_path / "long", kitchen_dataset([500]))
    data = (tmp_path / "long" / "episode_000001" / "episode_000001_0.mcap").read_bytes()
    path.write_bytes(data[: int(len(data) * 0.8)])
    with pytest.raises(DatasetError, match=r"cut.mcap is truncated or damaged: .* --keep-truncated"):
        import_bags([path])
    (episode,) = import_bags([path], keep_truncated=True).episodes
    assert 100 < episode.steps < 500 and episode.truncated and not episode.terminated


@pytest.mark.parametrize("content", [b"hello", b"", b"\x89MCAP0\r\n"])
def test_file_that_is_no_bag_is_told(tmp_path, content: bytes) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="a.mcap is not an MCAP file"):
        import_bags([path])


def test_mcap_file_of_another_profile_is_told(tmp_path) -> None:
    with (tmp_path / "a.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start(profile="protobuf")
        writer.finish()
    with pytest.raises(DatasetError, match="profile 'protobuf', expected 'ros2'"):
        import_bags([tmp_path / "a.mcap"])


def test_folder_that_is_no_bag_is_told(tmp_path) -> None:
    with pytest.raises(DatasetError, match="is not a bag"):
        import_bags([tmp_path])
    (tmp_path / "metadata.yaml").write_text("a: [")
    with pytest.raises(DatasetError, match="is not the metadata of a bag"):
        import_bags([tmp_path])


def test_bag_in_another_storage_is_told_with_the_way_out(bag) -> None:
    metadata = bag / "metadata.yaml"
    text = metadata.read_text().replace("storage_identifier: mcap", "storage_identifier: sqlite3")
    metadata.write_text(text)
    assert yaml.safe_load(text)["rosbag2_bagfile_information"]["storage_identifier"] == "sqlite3"
    with pytest.raises(DatasetError, match="sqlite3, expected mcap.*ros2 bag convert"):
        import_bags([bag])


def test_missing_file_of_a_bag_is_told(bag) -> None:
    (bag / f"{bag.name}_0.mcap").unlink()
    with pytest.raises(DatasetError, match="cannot be read"):
        import_bags([bag])


def test_wrong_schema_is_told_with_what_was_expected(tmp_path) -> None:
    topics = [BagTopic("/joint_states", "std_msgs/msg/Int32", "int32 data\n")]
    writer = BagWriter(tmp_path / "bag", topics, {})
    writer.write(RawMessage(0, 1, 1, 0, b"\x00\x01\x00\x00\x07\x00\x00\x00"))
    writer.finish({})
    with pytest.raises(
        DatasetError, match="/joint_states is a std_msgs/msg/Int32, expected sensor_msgs/msg/JointState"
    ):
        import_bags([tmp_path / "bag"])


def test_message_that_does_not_fit_its_definition_is_told(bag) -> None:
    changed = rewrite(bag, lambda topic, number, data: data[:20] if topic == "/scene_state" and number == 2 else data)
    with pytest.raises(DatasetError, match="changed_0.mcap: message 2 on scene_state does not fit"):
        import_bags([changed])


def test_topic_that_is_missing_is_named(bag) -> None:
    changed = rewrite(bag, lambda topic, number, data: None if topic == "/task_status" else data)
    with pytest.raises(DatasetError, match="changed has no message on task_status, expected some"):
        import_bags([changed])


@pytest.mark.parametrize(
    ("topic", "behind", "message"),
    [
        # Velocities and efforts are two empty arrays of 4 bytes each.
        (
            "/joint_states",
            8,
            "of 1.240 s: panda0_finger_joint2 is not finite. Expected a finite position for every name",
        ),
        ("/scene_state", 0, "of 1.240 s: kettle_qz is not finite. Expected a finite position for every name"),
        ("/operator_action", 0, "has .*nan.*, expected 9 finite values"),
        ("/forward_position_controller/commands", 0, "has .*nan.*, expected 9 finite values"),
    ],
)
def test_nan_is_told_with_its_channel(bag, topic: str, behind: int, message: str) -> None:
    def spoil(name: str, number: int, data: bytes) -> bytes:
        return with_last_double(data, np.nan, behind) if name == topic and number == 3 else data

    with pytest.raises(DatasetError, match=rf"changed: {topic.rpartition('/')[2]} {message}"):
        import_bags([rewrite(bag, spoil)])


@pytest.mark.parametrize(
    ("topic", "field"),
    [("/joint_states", "position"), ("/scene_state", "name"), ("/task_status", "step"), ("/operator_action", "data")],
)
def test_renamed_field_is_told(bag, topic: str, field: str) -> None:
    """As a bag has it that was recorded with another version of the package: the bytes fit, the name does not."""

    def rename(name: str, text: str) -> str:
        return re.sub(rf"^(\S+\s+){field}\b", r"\1other", text, count=1, flags=re.MULTILINE) if name == topic else text

    changed = rewrite(bag, lambda topic, number, data: data, rename)
    with pytest.raises(DatasetError, match=f"changed: a message has other fields .*'{field}'.* another version"):
        import_bags([changed])


def test_states_of_others_on_the_arms_topic_are_left_out(bag) -> None:
    """They were told as joints that are lacking."""
    other = joint_state(("finger_joint",), bytes(8), 1_000_000_000)
    twice = rewrite(bag, lambda topic, number, data: [other, data] if topic == "/joint_states" else data)
    (expected,), (found,) = import_bags([bag]).episodes, import_bags([twice]).episodes
    np.testing.assert_array_equal(found.observations, expected.observations)


def test_other_joints_are_told(bag) -> None:
    changed = rewrite(bag, lambda topic, number, data: data.replace(b"panda0_joint1", b"my_arm_joint1"))
    with pytest.raises(DatasetError, match=r"measurement lacks .*panda0_joint1"):
        import_bags([changed])


def test_other_rate_is_told(tmp_path) -> None:
    dataset = kitchen_dataset([4])
    slow = [replace(e, metadata=replace(e.metadata, control_rate_hz=10.0)) for e in dataset.episodes]
    write_bags(tmp_path / "slow", Dataset(tuple(slow), "kitchen", {}))
    with pytest.raises(DatasetError, match=r"lasted 0.1000 s, expected 0.0800 s \(12.5 Hz\)"):
        import_bags([tmp_path / "slow"])


def test_lost_control_steps_are_told(bag) -> None:
    changed = rewrite(bag, lambda topic, number, data: None if topic == "/task_status" and number == 2 else data)
    with pytest.raises(DatasetError, match="lacks the control steps between 1 and 3"):
        import_bags([changed])
    shutil.rmtree(changed)
    changed = rewrite(bag, lambda topic, number, data: None if topic == "/joint_states" and number == 2 else data)
    with pytest.raises(DatasetError, match="no joint state and scene state of 1.160 s, when control step 2"):
        import_bags([changed])


def test_dataset_of_another_robot_is_not_exported_as_kitchen_bags(tmp_path) -> None:
    with pytest.raises(DatasetError, match="bags of the kitchen need"):
        write_bags(tmp_path / "bags", make_dataset())
    assert list(tmp_path.iterdir()) == []


def test_existing_folder_is_left_alone(bag) -> None:
    before = sorted(bag.parent.rglob("*"))
    with pytest.raises(DatasetError, match="exists already"):
        write_bags(bag.parent, kitchen_dataset([3]))
    assert sorted(bag.parent.rglob("*")) == before


def test_task_is_the_recorded_one_and_failures_can_be_left_out(tmp_path) -> None:
    good, bad = kitchen_dataset([4]).episodes[0], replace(kitchen_dataset([6]).episodes[0], terminated=False)
    told = [
        replace(episode, metadata=replace(episode.metadata, is_success=is_success))
        for episode, is_success in ((good, True), (replace(bad, truncated=True), False))
    ]
    write_bags(tmp_path / "some", Dataset(tuple(told), "slide_cabinet", {}))
    write_bags(tmp_path / "others", kitchen_dataset([4]))
    both = [tmp_path / "some", tmp_path / "others"]
    assert import_bags(both[:1]).task == "slide_cabinet"
    chosen = import_bags(both[:1], only_successful=True)
    assert [episode.steps for episode in chosen.episodes] == [4]
    assert chosen.origin["dropped"] == {"joined late": 0, "not successful": 1}
    with pytest.raises(DatasetError, match="different tasks: 'slide_cabinet' .*, 'kitchen' .*Choose .* --task"):
        import_bags(both)
    assert import_bags(both, "kitchen").task == "kitchen"


STYLE = OperatorStyle(action_noise=0.25, speed_range=(0.5, 2.0))
SIMULATOR = (0.5, "/left/simulator_description", describe_simulator(asdict(MeasurementNoise(0.1, 0.0))))
"""Sent half a second before the episode begins, which is at 1 s."""


def test_what_simulator_and_operator_said_is_in_the_metadata(bag) -> None:
    (before,) = import_bags([bag]).episodes
    assert (before.metadata.measurement_noise, before.metadata.mujoco_version) == ({}, "")
    assert before.metadata.operator_style is None
    changed = rewrite(bag, added=[SIMULATOR, (1.001, "/left/operator_style", describe_style(STYLE))])
    (episode,) = import_bags([changed]).episodes
    assert episode.metadata.measurement_noise == {"robot_ratio": 0.1, "scene_ratio": 0.0}
    assert episode.metadata.mujoco_version == mujoco.__version__
    assert episode.metadata.operator_style == STYLE


def test_style_of_an_operator_that_acted_before_is_not_the_episodes(bag) -> None:
    """The recorder keeps the last style, also when a person has taken over."""
    changed = rewrite(bag, added=[SIMULATOR, (0.9, "/operator_style", describe_style(STYLE))])
    (episode,) = import_bags([changed]).episodes
    assert episode.metadata.operator_style is None
    assert episode.metadata.measurement_noise


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        "7",
        "{}",
        "[" * 100_000,
        '{"mujoco_version": "3", "measurement_noise": 1}',
        '{"mujoco_version": "3", "measurement_noise": {"robot_ratio": NaN}}',
        '{"mujoco_version": "3", "measurement_noise": {"robot_ratio": 1%s}}' % ("0" * 400),
        '{"mujoco_version": "3", "measurement_noise": {"loudness": 1}}',
    ],
)
def test_description_that_is_not_understood_is_told(bag, text: str) -> None:
    with pytest.raises(DatasetError, match="changed: simulator_description is .*, which cannot be read"):
        import_bags([rewrite(bag, added=[(0.5, "/simulator_description", text)])])


@pytest.mark.parametrize(
    "change", [{"action_noise": -1.0}, {"speed_range": 1}, {"mood": 1}, {"speed_range": ["a", "b"]}]
)
def test_style_that_is_not_understood_is_told(bag, change: dict) -> None:
    text = json.dumps({**json.loads(describe_style(STYLE)), **change})
    with pytest.raises(DatasetError, match="changed: operator_style is .*, which cannot be read"):
        import_bags([rewrite(bag, added=[(1.001, "/operator_style", text)])])
