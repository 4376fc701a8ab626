"""A configured arm under teleoperation, on the stand-in, in a time without jitter."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mujoco")

from spirl_ros.arms.joint_trajectory import JointTrajectory
from spirl_ros.arms.robot_configuration import RobotConfiguration, read_robot, read_urdf
from spirl_ros.arms.stand_in_arm import StandInArm, StandInSettings
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.safety_filter import FilteredCommand, SafetyState
from spirl_ros.control.trajectory_knots import OverlappingKnots
from spirl_ros.errors import ConfigError, ObservationError
from spirl_ros.shipped import shipped
from spirl_ros.teleoperation.arm_teleoperation import ArmTeleoperation, TeleoperationConfig, TeleoperationStep
from spirl_ros.teleoperation.configured_arm import ConfiguredArm
from spirl_ros.teleoperation.differential_ik import DifferentialIK

AHEAD, LEFT, UP = np.eye(3)
"""In the base's axes, REP 103."""
POSTURE = {"ur5e": [0.3, -1.8, 1.9, -1.7, -1.5, 0.2], "fr3": [0.2, -0.6, 0.1, -2.2, 0.1, 1.7, 0.6]}


class Person:
    """Runs control steps, asking for one direction in each of them. The stand-in stops for good above a limit."""

    def __init__(self, name: str, **config: float) -> None:
        robot = read_robot(name)
        configured = ConfiguredArm(robot, shipped(f"config/urdf/{name}.urdf").read_text())
        self.kinematics = configured.kinematics
        self.teleoperation = ArmTeleoperation(configured, TeleoperationConfig(**config))
        self.limits, self.period_s = robot.limits, 1.0 / robot.control_rate_hz
        self.velocity_scale = robot.velocity_scale
        exact = StandInSettings(acceleration_tolerance=1.0 + 1e-4, position_tolerance=1e-9)
        self.arm = StandInArm(robot.limits, np.array(POSTURE[name]), exact)
        self.path = OverlappingKnots(self.limits, self.period_s, exact.update_period_s)
        self.steps: list[TeleoperationStep] = []
        self.send(self.teleoperation.begin(self.arm.positions))

    def send(self, command: FilteredCommand, braked_s: float = 0.0) -> None:
        names = self.arm.joint_names
        due_ns = round(self.arm.time_s * 1e9)
        start_ns, knots = self.path.next(command.joint_positions, command.joint_velocities, due_ns, braked_s=braked_s)
        times_s, places, speeds = (list(part) for part in knots)
        self.arm.command_trajectory(JointTrajectory.from_points(names, times_s, places, speeds, names), start_ns * 1e-9)
        self.wait(1)

    def wait(self, periods: int) -> None:
        self.arm.advance(self.arm.time_s + periods * self.period_s)
        assert self.arm.is_ready, self.arm.fault

    def steer(self, direction: list[float] | None, steps: int) -> None:
        for _ in range(steps):
            braked_s = self.path.braked_s(round(self.arm.time_s * 1e9))
            if braked_s:
                self.teleoperation.miss(braked_s / self.period_s)
            if direction is not None:
                velocity = self.teleoperation.velocity_along(np.array(direction), is_in_tool_frame=False)
                self.teleoperation.dead_man.ask(velocity, self.arm.time_s, timeout_s=0.1)
            step = self.teleoperation.step(self.arm.positions, 0.0, self.arm.time_s)
            self.steps.append(step)
            self.send(step.command, braked_s)

    @property
    def tool(self) -> np.ndarray:
        return self.kinematics.tool_position(self.arm.positions)


@pytest.mark.parametrize("name", ["ur5e", "fr3"])
@pytest.mark.parametrize(("key", "along"), [(1, AHEAD), (0, -LEFT), (2, UP)])
def test_tool_moves_as_the_person_sees_it_within_the_limits(name: str, key: int, along: np.ndarray) -> None:
    person = Person(name)
    before, rotation = person.tool, person.teleoperation.arm.tool_rotation(person.arm.positions)
    person.steer(list(np.eye(6)[key]), 12)
    person.steer(None, 12)
    moved = person.tool - before
    # 12 steps of 0.05 s at 0.2 m/s and two more of the dead-man are 0.14 m.
    assert moved @ along == pytest.approx(0.14, abs=0.015)
    assert np.linalg.norm(moved - (moved @ along) * along) < 0.01
    np.testing.assert_allclose(person.teleoperation.arm.tool_rotation(person.arm.positions), rotation, atol=0.05)
    assert not person.steps[-1].command.joint_velocities.any()
    person.steer(None, 1)
    np.testing.assert_array_equal(person.steps[-1].command.joint_positions, person.steps[-2].command.joint_positions)


def test_person_who_stands_before_the_arm_sees_it_the_other_way_round() -> None:
    person = Person("ur5e", facing_rad=np.pi)
    velocity = person.teleoperation.velocity_along(np.array([0.0, 1.0, 0.0, 0.0, 0.0, 1.0]), is_in_tool_frame=False)
    np.testing.assert_allclose(velocity.linear, [-0.2, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(velocity.angular, [0.0, 0.0, 0.8], atol=1e-12)


def test_actions_are_the_joint_velocities_that_are_sent_and_never_more_than_can_be_imported() -> None:
    person = Person("ur5e", linear_speed_m_s=1.0)
    person.steer([0.0, 0.0, 1.0, 0.0, 0.0, 0.0], 25)
    person.steer([0.0, 0.0, 1.0, 1.0, 1.0, 1.0], 25)
    actions = np.array([step.action for step in person.steps])
    assert np.abs(actions).max() == pytest.approx(0.8)
    passed = [step for step in person.steps if step.command.state is SafetyState.PASSED]
    assert len(passed) > 25
    for step in passed:
        np.testing.assert_allclose(step.action * person.velocity_scale, step.command.joint_velocities, atol=1e-9)


def test_periods_without_a_command_brake_the_arm_and_motion_goes_on_from_there() -> None:
    """The stand-in would stop for good if the next command made up for them."""
    person = Person("ur5e")
    person.steer([0.0, 1.0, 0.0, 0.0, 0.0, 0.0], 10)
    for missed in (1, 2, 20):
        person.wait(missed)
        person.steer([0.0, 1.0, 0.0, 0.0, 0.0, 0.0], 3)
    person.steer(None, 15)
    np.testing.assert_allclose(person.arm.positions, person.teleoperation.joint_positions_sent, atol=1e-3)


def test_arm_that_is_held_back_is_not_led_further_ahead() -> None:
    person = Person("ur5e")
    held = person.arm.positions.copy()
    for _ in range(60):
        velocity = person.teleoperation.velocity_along(np.eye(6)[1], is_in_tool_frame=False)
        person.teleoperation.dead_man.ask(velocity, 0.0, timeout_s=0.1)
        person.teleoperation.step(held, 0.0, 0.0)
    assert 0.09 < np.abs(person.teleoperation.joint_positions_sent - held).max() < 0.15


def test_bad_or_old_measurements_stop_the_arm() -> None:
    person = Person("ur5e")
    person.steer([0.0, 1.0, 0.0, 0.0, 0.0, 0.0], 10)
    with pytest.raises(ObservationError, match="expected 6 finite ones"):
        person.teleoperation.step(np.full(6, np.nan), 0.0, 0.0)
    states = []
    for _ in range(12):
        step = person.teleoperation.step(person.arm.positions, 1.0, person.arm.time_s)
        states.append(step.command.state)
        person.send(step.command)
    assert states[0] is SafetyState.HOLDING and states[-1] is SafetyState.LATCHED


def test_configuration_without_the_tools_link_is_told() -> None:
    robot = replace(read_robot("ur5e"), tool_link="")
    with pytest.raises(ConfigError, match="tool_link is missing"):
        ConfiguredArm(robot, shipped("config/urdf/ur5e.urdf").read_text())


def test_arm_with_three_joints_goes_where_it_is_asked_and_turns_as_it_must() -> None:
    """It turns about z and has two joints about y, each 0.3 m from the next."""
    names = ("base", "shoulder", "elbow")
    ones = np.ones(3)
    limits = JointLimits(names, -3.0 * ones, 3.0 * ones, 2.0 * ones, 4.0 * ones, 40.0 * ones)
    robot = replace(read_robot("ur5e"), limits=limits, home=np.array([0.0, -0.8, 1.2]), tool_link="hand")
    joints = "".join(
        f'<link name="{name}_link"/><joint name="{name}" type="continuous"><parent link="{parent}"/>'
        f'<child link="{name}_link"/><origin xyz="{origin}"/><axis xyz="{axis}"/></joint>'
        for name, parent, origin, axis in (
            ("base", "root", "0 0 0.1", "0 0 1"),
            ("shoulder", "base_link", "0 0 0.1", "0 1 0"),
            ("elbow", "shoulder_link", "0.3 0 0", "0 1 0"),
        )
    )
    hand = (
        '<link name="hand"/><joint name="hand_joint" type="fixed"><parent link="elbow_link"/><child link="hand"/>'
        '<origin xyz="0.3 0 0"/></joint>'
    )
    arm = ConfiguredArm(robot, f'<robot name="small"><link name="root"/>{joints}{hand}</robot>')
    for key, along in ((0, -LEFT), (2, UP)):
        teleoperation, q = ArmTeleoperation(arm), robot.home
        before = arm.kinematics.tool_position(q)
        teleoperation.begin(q)
        for _ in range(12):
            teleoperation.dead_man.ask(teleoperation.velocity_along(np.eye(6)[key], is_in_tool_frame=False), 0.0, 0.1)
            q = teleoperation.step(q, 0.0, 0.0).command.joint_positions
        moved = arm.kinematics.tool_position(q) - before
        assert moved @ along > 0.07
        assert np.linalg.norm(moved - (moved @ along) * along) < 0.15 * (moved @ along)


def test_limits_beyond_the_urdf_of_the_driver_are_refused() -> None:
    """A file with limits in degrees moved an arm whose driver publishes 3.14 rad/s beside it."""
    urdf = shipped("config/urdf/ur5e.urdf").read_text().replace('velocity="3.141592653589793"', 'velocity="1.0"')
    with pytest.raises(ConfigError, match="velocity of shoulder_pan_joint is 3.14, but the arm's URDF allows 1 only"):
        ConfiguredArm(read_robot("ur5e"), urdf)


def on_rail_with_finger() -> tuple[RobotConfiguration, str]:
    """The UR5e on a slide of 0.1 m/s along y, with a finger of 0.05 m/s after its tool."""
    robot = read_robot("ur5e")
    limits = robot.limits

    def with_slides(values: np.ndarray, rail: float, finger: float) -> np.ndarray:
        return np.concatenate(([rail], values, [finger]))

    wider = JointLimits(
        ("rail_joint", *limits.joint_names, "finger_joint"),
        with_slides(limits.position_lower, 0.0, 0.0),
        with_slides(limits.position_upper, 1.0, 0.04),
        with_slides(limits.velocity, 0.1, 0.05),
        with_slides(limits.acceleration, 0.5, 0.5),
        with_slides(limits.jerk, 5.0, 5.0),
    )
    slide = (
        '<joint name="{0}_joint" type="prismatic"><parent link="{1}"/><child link="{2}"/><axis xyz="0 1 0"/>'
        '<limit lower="0" upper="1" effort="1" velocity="1"/></joint>'
    )
    added = '<link name="rail"/><link name="finger"/>' + slide.format("rail", "rail", "base_link")
    added += slide.format("finger", "tool0", "finger") + "</robot>"
    urdf = read_urdf(shipped("config/urdf/ur5e.urdf")).replace("</robot>", added)
    return replace(robot, limits=wider, home=np.array([0.5, *POSTURE["ur5e"], 0.02])), urdf


@pytest.mark.parametrize("axis", range(3))
def test_slow_joint_does_not_slow_the_tool(axis: int) -> None:
    """A finger of 0.05 m/s, which does not even move the tool, let it move at 0.021 of the 0.2 m/s that were asked
    for."""
    robot, urdf = on_rail_with_finger()
    arm = ConfiguredArm(robot, urdf)
    kinematics = DifferentialIK(arm.kinematics, arm.ik_config)
    velocity = 0.2 * np.eye(6)[axis]
    motion = kinematics.joint_motion(robot.home, velocity, arm.control_period_s)
    np.testing.assert_allclose(arm.kinematics.jacobian(robot.home) @ motion.velocities, velocity, atol=1e-6)
    assert motion.scale == 1.0 and motion.velocities[-1] == 0.0
    assert (np.abs(motion.velocities) <= np.minimum(robot.limits.velocity, 0.8)).all()


def test_motion_that_is_too_fast_for_one_joint_is_slowed_as_a_whole() -> None:
    robot, urdf = on_rail_with_finger()
    arm = ConfiguredArm(robot, urdf)
    velocity = np.array([0.0, 2.0, 0.0, 0.0, 0.0, 0.0])
    motion = DifferentialIK(arm.kinematics, arm.ik_config).joint_motion(robot.home, velocity, 1e-4)
    reached = arm.kinematics.jacobian(robot.home) @ motion.velocities
    np.testing.assert_allclose(reached, motion.scale * velocity, atol=1e-6)
    assert (np.abs(motion.velocities) / np.minimum(robot.limits.velocity, 0.8)).max() == pytest.approx(1.0)
