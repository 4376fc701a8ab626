"""Recordings of an arm without a scene: the motion becomes episodes, and what does not fit is told."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spirl_msgs", reason="definitions of our messages come from the workspace: make setup")

from mcap_ros2._dynamic import serialize_dynamic

from spirl_ros.arms.robot_configuration import RobotConfiguration, read_robot
from spirl_ros.commands.main import main
from spirl_ros.control.velocity_action import VelocityAction
from spirl_ros.demonstrations.arm_recording import import_arm_recordings
from spirl_ros.demonstrations.storage import read_dataset
from spirl_ros.errors import DatasetError
from spirl_ros.recording.bag_metadata import BagTopic
from spirl_ros.recording.bag_reader import BagFile
from spirl_ros.recording.bag_writer import BagWriter, RawMessage
from spirl_ros.recording.message_definitions import message_definition
from tests.recording import hostile_bags
from tests.recording.hostile_bags import joint_state

ROBOT = read_robot("ur5e")
TYPE = "sensor_msgs/msg/JointState"


def record(
    folder: Path,
    times_s,
    positions,
    robot: RobotConfiguration = ROBOT,
    names=None,
    end=("true", "press"),
    stamps_s=None,
    sent_s=None,
) -> Path:
    """A bag of joint states (N, Da) with one more joint, in another order than the arm's.

    Stamped and sent at `times_s` unless something else is given; received then."""
    definition = message_definition(TYPE)
    encode = serialize_dynamic(TYPE, definition.text)[TYPE]
    writer = BagWriter(
        folder, [BagTopic(f"/{robot.joint_state_topic}", TYPE, definition.text)], {"task": end[1], "operator": "ann"}
    )
    names = ["gripper", *reversed(robot.limits.joint_names if names is None else names)]
    stamps_s, sent_s = times_s if stamps_s is None else stamps_s, times_s if sent_s is None else sent_s
    for time_s, stamp_s, sending_s, row in zip(times_s, stamps_s, sent_s, positions, strict=True):
        stamp_ns, sent_ns, received_ns = (
            5_000_000_000 + round(moment * 1e9) for moment in (stamp_s, sending_s, time_s)
        )
        content = {
            "header": {"stamp": {"sec": stamp_ns // 10**9, "nanosec": stamp_ns % 10**9}, "frame_id": ""},
            "name": names,
            "position": [0.3, *row[::-1]],
            "velocity": [],
            "effort": [],
        }
        writer.write(RawMessage(0, received_ns, sent_ns, 0, encode(content)))
    writer.finish({} if end[0] is None else {"is_success": end[0], "note": ""})
    return folder


def of_joint_states(bag: Path, change) -> Path:
    """The bag's messages again in a loose file: `change(number, data)` gives those that stand in place of each."""
    source = BagFile(bag / f"{bag.name}_0.mcap")
    content = [
        hostile_bags.message(data, time_ns=one.log_time)
        for number, one in enumerate(source.messages())
        for data in change(number, one.data)
    ]
    path = bag.with_name(f"{bag.name}_changed.mcap")
    channel = hostile_bags.channel(f"/{ROBOT.joint_state_topic}")
    path.write_bytes(hostile_bags.file_of(hostile_bags.header(), hostile_bags.schema(), channel, *content))
    return path


def swing(times_s: np.ndarray, robot: RobotConfiguration = ROBOT, speed: float = 0.8) -> np.ndarray:
    """Positions (N, Da) about home, each joint with its own phase, at most `speed` [rad/s]."""
    return robot.home + 0.5 * speed * np.sin(2.0 * times_s[:, None] + np.arange(robot.home.size))


@pytest.mark.parametrize("name", ["ur5e", "fr3"])
def test_motion_of_an_arm_becomes_actions_that_repeat_it(tmp_path, name: str) -> None:
    """At 500 Hz for 2.03 s: 40 control steps of 0.05 s."""
    robot = read_robot(name)
    times_s = np.arange(0.0, 2.03, 0.002)
    bag = record(tmp_path / "episode_000001", times_s, swing(times_s, robot), robot)
    dataset = import_arm_recordings([tmp_path], robot)
    (episode,) = dataset.episodes
    assert (dataset.task, episode.metadata.operator, episode.steps) == ("press", "ann", 40)
    assert (episode.terminated, episode.truncated) == (True, False)
    moments_s = 0.05 * np.arange(41)
    # A straight line between two measurements misses the swing by at most 0.4 * 2^2 * 0.002^2 / 8.
    np.testing.assert_allclose(episode.observations, swing(moments_s, robot), rtol=0.0, atol=8e-7)
    meaning = VelocityAction(robot.limits.position_lower, robot.limits.position_upper, 0.05, robot.velocity_scale)
    for step, action in enumerate(episode.actions):
        reached = meaning.joint_command(action, episode.observations[step])
        np.testing.assert_allclose(reached, episode.observations[step + 1], rtol=0.0, atol=1e-12)
    assert bag.is_dir()


def test_slides_and_scales_of_their_own_become_part_of_the_dataset(tmp_path) -> None:
    """A rail was in rad, and its actions a tenth of the others."""
    robot = replace(ROBOT, slides=("shoulder_pan_joint",), velocity_scale=(0.1, *(1.0,) * 5))
    times_s = np.arange(0.0, 1.0, 0.01)
    positions = swing(times_s)
    positions[:, 0] = 0.3 + 0.08 * times_s
    record(tmp_path / "episode_000001", times_s, positions)
    (episode,) = import_arm_recordings([tmp_path], robot).episodes
    assert episode.metadata.joint_units == ("m",) + ("rad",) * 5
    assert episode.metadata.action_scale == (0.1, *(1.0,) * 5)
    np.testing.assert_allclose(episode.actions[:, 0], 0.8)  # 0.08 m/s of 0.1 m/s


def test_recording_of_a_joint_that_turns_without_end_passes_half_a_turn(tmp_path) -> None:
    robot = replace(ROBOT, continuous=("wrist_3_joint",))
    times_s = np.arange(0.0, 1.0, 0.01)
    positions = swing(times_s)
    positions[:, 5] = (2.9 + 0.5 * times_s + np.pi) % (2.0 * np.pi) - np.pi
    record(tmp_path / "episode_000001", times_s, positions)
    (episode,) = import_arm_recordings([tmp_path], robot).episodes
    np.testing.assert_allclose(episode.actions[:, 5], 0.5)
    with pytest.raises(DatasetError, match="episode_000001: wrist_3_joint leaps .*whole turn"):
        import_arm_recordings([tmp_path], ROBOT)


def test_recordings_of_an_arm_are_imported_and_described_by_the_command(tmp_path, capsys) -> None:
    times_s = np.arange(0.0, 1.0, 0.01)
    for number, success in ((1, "true"), (2, "false"), (3, "true")):
        record(tmp_path / f"bags/episode_{number:06d}", times_s, swing(times_s), end=(success, "press"))
    command = ["demos", "import", str(tmp_path / "bags"), "--robot", "ur5e", "--out"]
    assert main([*command, str(tmp_path / "all")]) == 0
    assert main([*command, str(tmp_path / "good"), "--only-successful"]) == 0
    assert [len(read_dataset(tmp_path / name).episodes) for name in ("all", "good")] == [3, 2]
    capsys.readouterr()
    assert main(["demos", "info", str(tmp_path / "good")]) == 0
    assert "2, 38 steps at 20 Hz" in capsys.readouterr().out


def test_what_does_not_fit_the_arm_is_told(tmp_path) -> None:
    times_s = np.arange(0.0, 1.0, 0.01)
    positions = swing(times_s)
    gap = np.abs(times_s - 0.5) > 0.1
    unmeasured = positions.copy()
    unmeasured[7, 2] = np.nan
    for name, bag, message in (
        (
            "joints",
            {"names": [f"other_{n}" for n in ROBOT.limits.joint_names]},
            "message 0 on joint_states: .* lacks .*another arm",
        ),
        (
            "nan",
            {"positions": unmeasured},
            "message 7 on joint_states: elbow_joint is not finite. Expected a finite position of every joint",
        ),
        ("gap", {"times_s": times_s[gap], "positions": positions[gap]}, "no message on joint_states for 0.2.0 s, 0.3"),
        ("short", {"times_s": times_s[:3], "positions": positions[:3]}, "lasts 0.020 s, expected at least 0.050 s"),
        (
            "fast",
            {"positions": swing(times_s, speed=1.5)},
            r"moves at 1\.\d+ rad/s .*than an action of 1, .*velocity_scale 1",
        ),
    ):
        record(tmp_path / name, **{"times_s": times_s, "positions": positions, **bag})
        with pytest.raises(DatasetError, match=f"{name}: .*{message}"):
            import_arm_recordings([tmp_path / name], ROBOT)
    record(tmp_path / "failed", times_s, positions, end=("false", ""))
    with pytest.raises(DatasetError, match="none of 1 recordings was finished as success"):
        import_arm_recordings([tmp_path / "failed"], ROBOT, only_successful=True)


def test_states_of_a_gripper_on_the_arms_topic_are_left_out(tmp_path) -> None:
    """Its first one was refused: "measurement lacks shoulder_pan_joint, …; it has finger_joint"."""
    times_s = np.arange(0.0, 1.0, 0.01)
    bag = record(tmp_path / "bag", times_s, swing(times_s))
    finger = joint_state(("finger_joint",), np.array([0.3]).tobytes(), 5_000_000_001)
    mixed = of_joint_states(bag, lambda number, data: [finger, data] if number % 3 == 0 else [data])
    (expected,), (found,) = (import_arm_recordings([path], ROBOT).episodes for path in (bag, mixed))
    np.testing.assert_array_equal(found.observations, expected.observations)
    only_finger = of_joint_states(bag, lambda number, data: [finger])
    with pytest.raises(DatasetError, match="message 0 .* lacks shoulder_pan_joint.*finger_joint.*another arm"):
        import_arm_recordings([only_finger], ROBOT)
    some = joint_state(ROBOT.limits.joint_names[:3], bytes(24), 5_300_000_000)
    with pytest.raises(DatasetError, match="message 30 on joint_states: measurement lacks wrist_1_joint"):
        import_arm_recordings([of_joint_states(bag, lambda n, data: [some if n == 30 else data])], ROBOT)


def test_states_before_every_joint_was_measured_once_are_left_out(tmp_path) -> None:
    """Drivers that are not connected yet send NaN; the recording was refused for its first message.

    From 0.2 s on to 0.99 s there are 15 control steps of 0.05 s.
    """
    times_s = np.arange(0.0, 1.0, 0.01)
    positions = swing(times_s)
    positions[:10] = np.nan
    positions[10:20, 4] = np.inf
    (episode,) = import_arm_recordings([record(tmp_path / "late", times_s, positions)], ROBOT).episodes
    assert episode.steps == 15
    np.testing.assert_allclose(episode.observations[0], positions[20], rtol=0.0, atol=1e-12)
    never = record(tmp_path / "never", times_s, np.full_like(positions, np.nan))
    with pytest.raises(DatasetError, match="message 0 on joint_states: shoulder_pan_joint is not finite"):
        import_arm_recordings([never], ROBOT)


def test_every_bad_recording_is_listed_and_skipped_where_that_is_asked(tmp_path, capsys) -> None:
    """Only the first bad one was named, and nothing went on without it."""
    times_s = np.arange(0.0, 1.0, 0.01)
    record(tmp_path / "all/monday/good", times_s, swing(times_s))
    record(tmp_path / "all/short", times_s[:3], swing(times_s)[:3])
    fast = record(tmp_path / "all/fast", times_s, swing(times_s, speed=1.5))
    (tmp_path / "all/loose.mcap").write_bytes(b"hello")
    command = ["demos", "import", str(tmp_path / "all"), "--robot", "ur5e", "--out", str(tmp_path / "out")]
    assert main(command) == 2
    first, *listed = capsys.readouterr().err.splitlines()
    assert first == "error: 3 of 4 recordings cannot be used. Import the rest with --skip-bad."
    for line, (name, reason) in zip(
        listed,
        (("fast", "moves at"), ("loose.mcap", "is not an MCAP file"), ("short", "it lasts 0.020 s")),
        strict=True,
    ):
        assert line.startswith(f"  {tmp_path / 'all' / name}") and reason in line
    assert not (tmp_path / "out").exists()
    assert main([*command, "--skip-bad", "--json"]) == 0
    *lines, figures = capsys.readouterr().out.splitlines()
    assert [line[:10] for line in lines[:3]] == ["left out: "] * 3
    assert len(json.loads(figures)["left_out"]) == 3 and json.loads(figures)["steps"] == 19
    origin = read_dataset(tmp_path / "out").origin
    assert origin["imported_from"] == ["good"] and str(fast) in origin["left_out"][0]
    with pytest.raises(DatasetError, match="2 of 2 recordings cannot be used.\n  .*short.*\n  .*fast"):
        import_arm_recordings([tmp_path / "all/short", fast, fast], ROBOT, skip_bad=True)


@pytest.mark.parametrize("moved_s", [-1.5, -0.2, 0.4, 10.0])
@pytest.mark.parametrize("sends_by_the_same_clock", [False, True])
def test_clock_that_is_set_while_recording_changes_no_motion(tmp_path, moved_s: float, sends_by_the_same_clock) -> None:
    """150 of 1,000 states vanished and the motion was spliced: a joint at 0.02 rad/s got an action of 0.62."""
    times_s = np.arange(0.0, 4.03, 0.01)
    stamps_s = times_s + np.where(times_s > 1.995, moved_s, 0.0)
    sent_s = stamps_s if sends_by_the_same_clock else None
    record(tmp_path / "true", times_s, swing(times_s))
    record(tmp_path / "set", times_s, swing(times_s), stamps_s=stamps_s, sent_s=sent_s)
    (true,) = import_arm_recordings([tmp_path / "true"], ROBOT).episodes
    dataset = import_arm_recordings([tmp_path / "set"], ROBOT)
    (episode,) = dataset.episodes
    assert episode.steps == true.steps == 80
    np.testing.assert_allclose(episode.actions, true.actions, rtol=0.0, atol=1e-9)
    (note,) = dataset.origin["clocks"]
    direction = "forward" if moved_s > 0.0 else "back"
    assert note == f"set: the clock of the stamps was set {direction} by {abs(moved_s):.3f} s, 2.000 s after the first"


@pytest.mark.parametrize(
    ("stamp", "note"),
    [
        (lambda times_s: np.full_like(times_s, -5.0), "header.stamp is 0"),
        (lambda times_s: np.full_like(times_s, 7.0), "header.stamp stands still at 12.000 s"),
        (np.floor, "header.stamp stands still for 1.000 s while the arm moves"),
        (lambda times_s: np.where(times_s < 0.5, -5.0, times_s), "header.stamp is 0"),
    ],
    ids=["zero", "constant", "whole seconds", "zero at first"],
)
def test_stamps_that_stand_still_are_replaced_by_the_times_of_sending(tmp_path, stamp, note: str) -> None:
    """A driver that never fills in the stamp gave "it lasts 0.000 s", a stamp of whole seconds a gap."""
    times_s = np.arange(0.0, 4.03, 0.01)
    record(tmp_path / "true", times_s, swing(times_s))
    record(tmp_path / "still", times_s, swing(times_s), stamps_s=stamp(times_s))
    (true,) = import_arm_recordings([tmp_path / "true"], ROBOT).episodes
    dataset = import_arm_recordings([tmp_path / "still"], ROBOT)
    np.testing.assert_allclose(dataset.episodes[0].actions, true.actions, rtol=0.0, atol=1e-9)
    assert dataset.origin["clocks"] == [f"still: {note}: measured when it was sent"]


def test_states_that_a_driver_repeats_are_no_motion(tmp_path) -> None:
    """It lost its arm for 0.3 s and went on with the last state: where the arm was meanwhile is not known."""
    times_s = np.arange(0.0, 2.0, 0.01)
    lost = (times_s > 0.995) & (times_s < 1.295)
    known_s = np.where(lost, 0.99, times_s)
    record(tmp_path / "lost", times_s, swing(known_s), stamps_s=known_s)
    with pytest.raises(DatasetError, match=r"no message on joint_states for 0\.310 s, 0\.990 s after the first"):
        import_arm_recordings([tmp_path / "lost"], ROBOT)


def test_stamps_of_a_slow_simulation_are_its_time(tmp_path) -> None:
    """At half speed for 4 s, with a second of pause: 2 s of motion."""
    times_s = np.arange(0.0, 2.03, 0.01)
    wall_s = 2.0 * times_s + np.where(times_s > 1.0, 1.0, 0.0)
    record(tmp_path / "true", times_s, swing(times_s))
    record(tmp_path / "slow", wall_s + 1.7e9, swing(times_s), stamps_s=times_s)
    (true,) = import_arm_recordings([tmp_path / "true"], ROBOT).episodes
    (episode,) = import_arm_recordings([tmp_path / "slow"], ROBOT).episodes
    np.testing.assert_allclose(episode.actions, true.actions, rtol=0.0, atol=1e-9)


def test_verdict_of_a_recording_stays_with_its_episode(tmp_path, capsys) -> None:
    """Whether a recording was finished as success or failure was lost in the dataset."""
    times_s = np.arange(0.0, 1.0, 0.01)
    for number, said in enumerate(("true", "false", None)):
        record(tmp_path / f"bags/episode_{number}", times_s, swing(times_s), end=(said, "press"))
    assert main(["demos", "import", str(tmp_path / "bags"), "--robot", "ur5e", "--out", str(tmp_path / "data")]) == 0
    read = read_dataset(tmp_path / "data")
    assert [episode.metadata.is_success for episode in read.episodes] == [True, False, None]
    capsys.readouterr()
    assert main(["demos", "info", str(tmp_path / "data")]) == 0
    assert "success 1, failure 1, unknown 1" in capsys.readouterr().out
