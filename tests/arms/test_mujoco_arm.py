import numpy as np
import pytest

from spirl_ros.arms.joint_trajectory import JointTrajectory
from spirl_ros.arms.mujoco_arm import MujocoArm
from spirl_ros.errors import CommandError, ConfigError
from spirl_ros.kitchen.environment import KitchenConfig, KitchenEnvironment
from spirl_ros.tasks.task import NO_NOISE


def make_arm(**config) -> MujocoArm:
    return MujocoArm(KitchenEnvironment(KitchenConfig(noise=NO_NOISE, **config)))


def trajectory_to(arm: MujocoArm, target: np.ndarray, duration_s: float = 0.4) -> JointTrajectory:
    return JointTrajectory.from_points(arm.joint_names, [duration_s], [target], [np.zeros(9)], arm.joint_names)


def test_position_command_gives_the_environments_own_episode() -> None:
    arm, environment = MujocoArm(KitchenEnvironment()), KitchenEnvironment()
    for action in np.random.default_rng(0).uniform(-1.0, 1.0, (10, 9)):
        command = environment.action_meaning.joint_command(action, environment.measurement.joint_positions)
        arm.command_positions(command)
        tick = arm.advance_control_step()
        assert tick.step is not None
        np.testing.assert_array_equal(tick.step.observation, environment.step(action).observation)


def test_control_step_ends_every_80_ms_however_time_is_cut() -> None:
    arm = make_arm()
    steps = [arm.advance(5).step is not None for _ in range(16)]
    assert steps == ([False] * 7 + [True]) * 2
    assert arm.time_ns == 160_000_000


def test_state_rate_divides_the_control_step_into_whole_physics_steps() -> None:
    arm = make_arm()
    assert [arm.physics_steps_per_tick(rate) for rate in (12.5, 62.5, 100.0, 500.0)] == [40, 8, 5, 1]
    for rate in (90.0, 20.0, 7.0, 1000.0):
        with pytest.raises(ConfigError, match="12.5, 25, 50, 62.5, 100, 125, 250, 500"):
            arm.physics_steps_per_tick(rate)


def test_trajectory_brings_the_arm_to_its_end_and_holds_there() -> None:
    arm = make_arm()
    target = arm.environment.simulation.data.ctrl.copy()
    target[:3] += [0.2, 0.15, -0.2]
    arm.command_trajectory(trajectory_to(arm, target))
    ctrl = []
    for _ in range(40):
        arm.advance(5)
        ctrl.append(arm.environment.simulation.data.ctrl.copy())
    # 0.2 rad in 0.4 s from rest to rest: a cubic's top speed is 1.5 x the mean, 0.75 rad/s, 7.5 mrad per 10 ms.
    assert 0.0073 < np.abs(np.diff(ctrl, axis=0)).max() < 0.0076
    np.testing.assert_allclose(ctrl[-1], target)


def test_new_trajectory_replaces_the_old_one_without_a_step_of_the_command() -> None:
    arm = make_arm()
    start = arm.environment.simulation.data.ctrl.copy()
    arm.command_trajectory(trajectory_to(arm, start + 0.2))
    ctrl = [start]
    for tick in range(60):
        if tick == 20:
            arm.command_trajectory(trajectory_to(arm, start - 0.1))
        arm.advance(5)
        ctrl.append(arm.environment.simulation.data.ctrl.copy())
    velocity = np.diff(ctrl, axis=0)[:, 0] / 0.01
    assert np.abs(np.diff(velocity)).max() < 0.35, "the velocity went on from where it was"
    np.testing.assert_allclose(ctrl[-1][0], start[0] - 0.1)


def test_trajectory_that_ends_in_the_past_is_refused() -> None:
    arm = make_arm()
    for _ in range(20):
        arm.advance_control_step()
    with pytest.raises(CommandError, match="ends at 0.500 s"):
        arm.command_trajectory(trajectory_to(arm, np.zeros(9)), start_s=0.1)


def test_position_command_ends_a_trajectory() -> None:
    arm = make_arm()
    held = arm.environment.simulation.data.ctrl.copy()
    arm.command_trajectory(trajectory_to(arm, held + 0.2))
    arm.command_positions(held)
    arm.advance_control_step()
    np.testing.assert_array_equal(arm.environment.simulation.data.ctrl, held)


def test_refused_command_leaves_the_old_one_in_force() -> None:
    arm = make_arm()
    held = arm.environment.simulation.data.ctrl.copy()
    for bad in (np.full(9, np.nan), np.zeros(7)):
        with pytest.raises(CommandError):
            arm.command_positions(bad)
    np.testing.assert_array_equal(arm.environment.simulation.data.ctrl, held)


def test_arm_holds_its_initial_position_until_commanded() -> None:
    arm = make_arm()
    before = arm.environment.measurement.joint_positions[:7]
    for _ in range(25):
        tick = arm.advance_control_step()
    assert np.abs(tick.measurement.joint_positions[:7] - before).max() < 0.05


def test_reset_begins_an_episode_and_time_goes_on() -> None:
    arm = make_arm()
    arm.advance_control_step()
    before_ns = arm.time_ns
    tick = arm.reset(seed=9)
    assert (arm.episode, arm.environment.seed, arm.environment.step_count) == (2, 9, 0)
    assert arm.time_ns == before_ns + 80_000_000
    assert tick.step is None


def test_reset_in_the_middle_of_a_control_step_begins_a_whole_one() -> None:
    arm = make_arm()
    arm.advance(5)
    arm.reset(seed=0)
    assert [arm.advance(5).step is not None for _ in range(8)] == [False] * 7 + [True]


def test_task_changes_at_the_next_reset() -> None:
    arm = make_arm()
    assert arm.set_task("kettle") == ("kettle",)
    assert arm.environment.progress.targets[0] == "microwave"
    arm.reset(seed=0)
    assert arm.environment.progress.targets == ("kettle",)
    with pytest.raises(ConfigError):
        arm.set_task("dance")
