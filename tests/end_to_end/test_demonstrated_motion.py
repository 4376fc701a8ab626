"""A motion that was shown goes through recording, import, actions, executor and trajectories, and is done as it was
shown."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spirl_msgs", reason="definitions of our messages come from the workspace: make setup")

from spirl_ros.arms.joint_trajectory import JointTrajectory
from spirl_ros.arms.robot_configuration import read_robot, read_urdf
from spirl_ros.arms.stand_in_arm import StandInArm, StandInSettings
from spirl_ros.control.control_loop import ControlLoop, LoopState
from spirl_ros.control.observation_fields import Observation
from spirl_ros.control.skill_model import RunnableSkills
from spirl_ros.control.skill_sequence import SkillRequest
from spirl_ros.control.trajectory_knots import trajectory_knots
from spirl_ros.control.velocity_action import COMMANDED
from spirl_ros.demonstrations.arm_recording import import_arm_recordings
from spirl_ros.shipped import shipped
from spirl_ros.teleoperation.urdf_kinematics import UrdfKinematics
from tests.demonstrations.test_arm_recording import record

ROBOT = read_robot("ur5e")
PERIOD_S = 1.0 / ROBOT.control_rate_hz
STATE_S = 0.002


class Recorded:
    """Decodes the actions of an episode, one after another."""

    def __init__(self, actions: np.ndarray) -> None:
        self.actions = actions

    def decode(self, state: np.ndarray, latent: np.ndarray, step: int) -> np.ndarray:
        return self.actions[step]

    def sample(self, observation: Observation, generator: np.random.Generator) -> np.ndarray:
        return np.zeros(1, np.float32)


def carry_out(actions: np.ndarray, start: np.ndarray, settings: StandInSettings, reference: str) -> np.ndarray:
    """Measured joints (N, Da) of the stand-in every STATE_S, from the skill's beginning to 1 s after its end."""
    limits, recorded = ROBOT.limits, Recorded(actions)
    model = RunnableSkills(
        name="recorded",
        decoder=recorded,
        prior=recorded,
        skill_horizon=len(actions),
        latent_size=1,
        observation_names=limits.joint_names,
        limits=limits,
        velocity_scale=ROBOT.velocity_scale,
        control_period_s=PERIOD_S,
        action_reference=reference,
    )
    loop = ControlLoop(model, ROBOT.max_age_s, np.random.default_rng(0), has_braking_tail=True)
    arm, measured = StandInArm(limits, start, settings), []
    while len(measured) < (len(actions) * PERIOD_S + 1.0) / STATE_S:
        loop.update_joint_state(arm.joint_names, arm.positions.tolist(), round(arm.time_s * 1e9), arm.time_s)
        if loop.arm.last is not None and loop.skills.current is None and not measured:
            loop.execute(SkillRequest(None), arm.time_s)
        command = loop.step(arm.time_s).command
        assert loop.state in (LoopState.IDLE, LoopState.EXECUTING) and not arm.fault, (loop.step(arm.time_s), arm.fault)
        if command is not None:
            knots = trajectory_knots(
                command.joint_positions, command.joint_velocities, limits, PERIOD_S, command.arrives_s
            )
            times_s, places, speeds = (list(part) for part in knots)
            arm.command_trajectory(
                JointTrajectory.from_points(arm.joint_names, times_s, places, speeds, arm.joint_names)
            )
        for _ in range(round(PERIOD_S / STATE_S)):
            arm.advance(arm.time_s + STATE_S)
            loop.update_joint_state(arm.joint_names, arm.positions.tolist(), round(arm.time_s * 1e9), arm.time_s)
            if loop.skills.current is not None or measured:
                measured.append(arm.positions.copy())
    return np.array(measured)


def duration_s(joints: np.ndarray, step_s: float) -> float:
    """From when 1 % of the way in joint space is done until 99 % are [s]."""
    way = np.concatenate(([0.0], np.abs(np.diff(joints, axis=0)).sum(axis=1).cumsum()))
    return (
        float(np.interp(0.99 * way[-1], way, np.arange(len(way))) - np.interp(0.01 * way[-1], way, np.arange(len(way))))
        * step_s
    )


@pytest.mark.parametrize(("lag_s", "delay_s"), [(0.0, 0.0), (0.02, 0.0), (0.1, 0.0), (0.05, 0.05)])
def test_demonstrated_motion_is_done_at_its_speed_whatever_the_arms_lag(tmp_path: Path, lag_s: float, delay_s: float):
    """Actions were velocities from the measured position: the arm moved at 0.29 to 0.67 of what had been shown."""
    shown_s = np.arange(0.0, 4.0, STATE_S)
    # From rest to rest: 1 rad and less per joint, each over the same 4 s.
    way = 0.5 - 0.5 * np.cos(np.pi * shown_s / shown_s[-1])
    shown = ROBOT.home + way[:, None] * np.array([1.0, -0.5, 0.6, 0.4, -0.8, 0.9])
    record(tmp_path / "episode_000001", shown_s, shown)
    (episode,) = import_arm_recordings([tmp_path], ROBOT).episodes
    settings = StandInSettings(servo_lag_s=lag_s, servo_delay_s=delay_s, path_tolerance=ROBOT.path_tolerance)
    done = carry_out(episode.actions, shown[0], settings, COMMANDED)

    assert duration_s(done, STATE_S) == pytest.approx(duration_s(shown, STATE_S), rel=0.03)
    # The velocity that was asked for against the one that was done, over all joints and moments.
    # A knot is half a period behind its command, and the controller an update.
    late = round((0.5 * PERIOD_S + lag_s + delay_s) / STATE_S) + 1
    moving = slice(100, len(shown_s) - 100)
    asked = np.diff(shown, axis=0)[moving]
    got = np.diff(done[late : late + len(shown_s)], axis=0)[moving]
    assert float((asked * got).sum() / (asked * asked).sum()) == pytest.approx(1.0, abs=0.03)
    kinematics = UrdfKinematics(read_urdf(shipped("config/urdf/ur5e.urdf")), ROBOT.limits, ROBOT.tool_link)
    errors = [
        np.linalg.norm(
            kinematics.tool_position(done[min(step + late, len(done) - 1)]) - kinematics.tool_position(shown[step])
        )
        for step in range(0, len(shown_s), 25)
    ]
    assert max(errors) < 0.005
