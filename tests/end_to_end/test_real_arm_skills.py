"""From demonstrations on an arm without a scene to skills that move it: the whole chain with tiny sizes, without
ROS."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

from spirl_ros.arms.joint_trajectory import JointTrajectory
from spirl_ros.arms.robot_configuration import RobotConfiguration, read_robot
from spirl_ros.arms.stand_in_arm import StandInArm, StandInSettings
from spirl_ros.commands.main import main
from spirl_ros.control.control_loop import ControlLoop
from spirl_ros.control.safety_filter import SafetyFilter
from spirl_ros.control.skill_model import RunnableSkills
from spirl_ros.control.skill_sequence import SkillRequest
from spirl_ros.control.trajectory_knots import OverlappingKnots
from spirl_ros.control.velocity_action import VelocityAction
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode, EpisodeMetadata
from spirl_ros.demonstrations.storage import write_dataset
from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.skills.run import SkillRun

STEPS, REACH = 60, 0.5


class CommandedArm:
    """A stand-in arm that is commanded as the skill executor does it."""

    def __init__(self, robot: RobotConfiguration) -> None:
        self.robot, self.period_s = robot, 1.0 / robot.control_rate_hz
        settings = StandInSettings(acceleration_tolerance=1.0 + 1e-3, position_tolerance=1e-9)
        self.arm = StandInArm(robot.limits, robot.home, settings)
        self.path = OverlappingKnots(robot.limits, self.period_s, settings.update_period_s)
        self.send(robot.home, np.zeros_like(robot.home))

    def send(self, positions: np.ndarray, velocities: np.ndarray) -> None:
        names = self.arm.joint_names
        start_ns, knots = self.path.next(positions, velocities, round(self.arm.time_s * 1e9))
        times_s, places, speeds = (list(part) for part in knots)
        self.arm.command_trajectory(JointTrajectory.from_points(names, times_s, places, speeds, names), start_ns * 1e-9)
        self.arm.advance(self.arm.time_s + self.period_s)


def demonstrate(robot: RobotConfiguration, seed: int) -> Episode:
    """From place to place around home, as a person would guide the arm: fast far away, slow near the goal."""
    generator, commanded = np.random.default_rng(seed), CommandedArm(robot)
    limits, arm, period_s = robot.limits, commanded.arm, commanded.period_s
    meaning = VelocityAction(limits.position_lower, limits.position_upper, period_s, robot.velocity_scale)
    safety = SafetyFilter(limits, period_s, max_age_s=1.0)
    safety.activate(arm.positions)
    observations, actions = [arm.positions], []
    for step in range(STEPS):
        if step % 20 == 0:
            goal = robot.home + generator.uniform(-REACH, REACH, robot.home.shape)
        actions.append(np.clip(2.0 * (goal - arm.positions) / robot.velocity_scale, -1.0, 1.0))
        command = safety.filter(meaning.joint_command(actions[-1], arm.positions), age_s=0.0)
        commanded.send(command.joint_positions, command.joint_velocities)
        observations.append(arm.positions)
    metadata = EpisodeMetadata(
        task=(),
        operator="scripted",
        control_rate_hz=robot.control_rate_hz,
        observation_names=limits.joint_names,
        joint_names=limits.joint_names,
        joint_units=("rad",) * len(limits.joint_names),
        action_scale=robot.velocity_scale,
        seed=seed,
    )
    return Episode(np.array(observations), np.array(actions), np.array(actions), np.zeros(STEPS), False, True, metadata)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ur5e", "fr3"])
def test_skills_learned_on_an_arm_move_it_about_within_its_limits(tmp_path: Path, name: str) -> None:
    robot = read_robot(name)
    episodes = tuple(demonstrate(robot, seed) for seed in range(30))
    write_dataset(tmp_path / "data", Dataset(episodes, "reach", {}))
    sizes = ("latent_size=4", "encoder_hidden=32", "encoder_layers=1", "decoder_hidden=64", "decoder_layers=2")
    changes = [
        argument
        for size in (*sizes, "prior_hidden=32", "prior_layers=1", "averaging=0.98")
        for argument in ("--set", size)
    ]
    train = ["skills", "train", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--steps", "400"]
    assert main([*train, "--set", "validation_every=100", *changes]) == 0
    held_out = [
        row["reconstruction"] for row in SkillRun.open(tmp_path / "run").metrics() if row["part"] == "validation"
    ]
    assert held_out[-1] < 0.5 * np.concatenate([episode.actions for episode in episodes]).var()
    export = ["export", str(tmp_path / "run"), "--out", str(tmp_path / "bundle"), "--robot", name]
    assert main(export) == 0
    bundle = load_bundle(tmp_path / "bundle", "cpu")
    description = bundle.description
    description.check_fits_robot(robot)

    model = RunnableSkills(
        name=description.name,
        decoder=bundle.decoder,
        prior=bundle.prior,
        skill_horizon=description.skill_horizon,
        latent_size=description.latent_size,
        observation_names=description.state.names,
        limits=description.joint_limits(),
        velocity_scale=description.action.scale,
        control_period_s=1.0 / description.control_rate_hz,
        action_reference=description.action.reference,
    )
    loop, commanded = ControlLoop(model, 1.0, np.random.default_rng(0)), CommandedArm(robot)
    arm, ends = commanded.arm, []
    while loop.arm.last is None:  # it looks on for a moment before it takes the arm over
        stamp_ns = round(arm.time_s * 1e9)
        loop.update_joint_state(arm.joint_names, arm.positions.tolist(), stamp_ns, arm.time_s)
        loop.step(arm.time_s)
        arm.advance(arm.time_s + model.control_period_s)
    for tick in range(30 * description.skill_horizon):
        stamp_ns = round(arm.time_s * 1e9)
        loop.update_joint_state(arm.joint_names, arm.positions.tolist(), stamp_ns, arm.time_s)
        if tick % description.skill_horizon == 0:
            loop.execute(SkillRequest(None), arm.time_s)
            ends.append(arm.positions)
        command = loop.step(arm.time_s).command
        assert command is not None
        commanded.send(command.joint_positions, command.joint_velocities)
        assert arm.is_ready, arm.fault  # it stops for good above a limit
    away = np.array(ends) - robot.home
    assert np.abs(away).max() > 0.15
    arm.advance(arm.time_s + 3.0)
    assert np.abs(arm.velocities).max() < 1e-6
