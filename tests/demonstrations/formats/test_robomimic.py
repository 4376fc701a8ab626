import json

import h5py
import numpy as np
import pytest

from spirl_ros.arms.robot_configuration import find_robot
from spirl_ros.commands.main import main
from spirl_ros.demonstrations.formats.robomimic import read_robomimic
from spirl_ros.demonstrations.sources import ROBOMIMIC, find_source, read_source
from spirl_ros.demonstrations.storage import read_dataset
from spirl_ros.errors import DatasetError

HOME = np.array([0.0, -0.8, 0.0, -2.4, 0.0, 1.6, 0.8])


def arm_positions(steps, velocity):
    """Joint 2 moves at a steady velocity [rad/s], at 20 Hz."""
    positions = np.tile(HOME, (steps, 1))
    positions[:, 1] += 0.05 * velocity * np.arange(steps)
    return positions


def write_file(path, velocities=(0.5, -0.25), steps=4, next_obs=False, env_args=None, fingers=True):
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps(
            env_args or {"env_name": "Lift", "type": 1, "env_kwargs": {"control_freq": 20}}
        )
        for number, velocity in enumerate(velocities):
            demo = data.create_group(f"demo_{number}")
            positions = arm_positions(steps + 1, velocity)
            for name, rows in (("obs", slice(0, steps)), *((("next_obs", slice(1, steps + 1)),) if next_obs else ())):
                demo[f"{name}/robot0_joint_pos"] = positions[rows]
                demo[f"{name}/object"] = np.zeros((steps, 10))
                if fingers:
                    demo[f"{name}/robot0_gripper_qpos"] = np.full((steps, 2), 0.02)
            demo["actions"] = np.zeros((steps, 7))
            demo["rewards"] = np.arange(steps, dtype=float)
            demo["dones"] = np.zeros(steps)
    return path


def test_positions_become_velocities(tmp_path):
    """There was no import. Four positions have three actions between them; the fastest motion is an action of 1."""
    dataset = read_robomimic(write_file(tmp_path / "a.hdf5"))
    first, second = dataset.episodes
    np.testing.assert_allclose(first.observations[:, :7], arm_positions(4, 0.5))
    np.testing.assert_allclose(first.actions[:, 1], 1.0)
    np.testing.assert_allclose(second.actions[:, 1], -0.5)
    np.testing.assert_array_equal(first.actions[:, [0, *range(2, 9)]], 0.0)
    np.testing.assert_array_equal(first.rewards, [0.0, 1.0, 2.0])
    metadata = first.metadata
    assert metadata.joint_names == (*(f"robot0_joint{n}" for n in range(1, 8)), "robot0_finger1", "robot0_finger2")
    assert metadata.joint_units == ("rad",) * 7 + ("m",) * 2
    assert (metadata.control_rate_hz, metadata.action_scale, metadata.is_success) == (20.0, 0.5, None)
    assert (dataset.task, dataset.origin["environment"]) == ("Lift", "Lift")


def test_next_observation_keeps_the_last_action(tmp_path):
    first, _ = read_robomimic(write_file(tmp_path / "a.hdf5", next_obs=True)).episodes
    assert first.steps == 4
    np.testing.assert_allclose(first.observations[:, :7], arm_positions(5, 0.5))


def test_rate_is_that_of_the_environment_else_robosuites(tmp_path):
    for kwargs, rate_hz in (({"control_freq": 50}, 50.0), ({}, 20.0)):
        path = write_file(tmp_path / f"{rate_hz}.hdf5", env_args={"env_name": "Lift", "env_kwargs": kwargs})
        assert read_robomimic(path).episodes[0].metadata.control_rate_hz == rate_hz


def test_more_than_ten_episodes_keep_their_order(tmp_path):
    dataset = read_robomimic(write_file(tmp_path / "a.hdf5", velocities=np.linspace(0.1, 1.0, 12)))
    assert [round(episode.actions[0, 1], 2) for episode in dataset.episodes[-3:]] == [0.84, 0.92, 1.0]


def test_robot_gives_names_and_the_gripper_is_left_out(tmp_path):
    robot = find_robot("fr3")
    path = write_file(tmp_path / "a.hdf5")
    episode = read_robomimic(path, robot=robot).episodes[0]
    assert episode.metadata.joint_names == robot.limits.joint_names
    np.testing.assert_allclose(episode.actions[:, 1] * robot.velocity_scale, 0.5)
    assert main(["demos", "import", str(path), "--robot", "fr3", "--out", str(tmp_path / "data")]) == 0
    assert read_dataset(tmp_path / "data").origin["robot"] == "fr3"
    with pytest.raises(
        DatasetError, match="robot0_joint_pos with 7, .* joints, but ur5e has 6. Choose another --robot"
    ):
        read_robomimic(path, robot=find_robot("ur5e"))


def test_motion_that_the_robot_cannot_do_is_refused(tmp_path):
    robot = find_robot("fr3")
    for velocity, message in (
        (50.0, "leaps from -0.800 to 1.700 rad"),
        (5.0, "leaps from -0.300 to -0.050 rad"),
    ):
        path = write_file(tmp_path / f"{velocity}.hdf5", velocities=[velocity])
        with pytest.raises(DatasetError, match=f"{path}: data/demo_0: fr3_joint2 {message}"):
            read_robomimic(path, robot=robot)


def test_layout_is_told_from_d4rls(tmp_path):
    path = write_file(tmp_path / "a.hdf5", fingers=False)
    assert find_source(str(path)) == (path, ROBOMIMIC)
    assert read_source(str(path)).steps == 6
    with h5py.File(path, "r+") as file:
        del file["data/demo_0/obs/robot0_joint_pos"]
    with pytest.raises(DatasetError, match=f"{path}: data/demo_0/obs has object. Expected robomimic's groups"):
        read_source(str(path))


def test_positions_of_another_file_are_not_read(tmp_path):
    path = write_file(tmp_path / "a.hdf5")
    write_file(tmp_path / "b.hdf5")
    with h5py.File(path, "r+") as file:
        del file["data/demo_1"]
        file["data/demo_1"] = h5py.ExternalLink(str(tmp_path / "b.hdf5"), "/data/demo_1")
    with pytest.raises(DatasetError, match="data/demo_1 is a link to something in another file"):
        read_source(str(path))
