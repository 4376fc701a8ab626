"""The arm in the simulated kitchen, in process, with time as the steps go by."""

import numpy as np
import pytest

from spirl_ros.control.safety_filter import SafetyState
from spirl_ros.errors import CommandError, ConfigError, ObservationError
from spirl_ros.kitchen.environment import KitchenEnvironment
from spirl_ros.kitchen.hand_orientation import rotation_between
from spirl_ros.kitchen.kinematics import KitchenKinematics
from spirl_ros.kitchen.scene import CONTROL_PERIOD_S, load_kitchen_scene
from spirl_ros.kitchen.teleoperated_arm import KitchenArm
from spirl_ros.tasks.tool_point import ToolPose
from spirl_ros.teleoperation.arm_teleoperation import ArmTeleoperation, TeleoperationConfig, TeleoperationStep
from spirl_ros.teleoperation.tool_velocity import DeadMan, ToolVelocity

SCENE = load_kitchen_scene()


class Person:
    """Runs control steps, asking for one direction in each of them."""

    def __init__(self) -> None:
        self.teleoperation = ArmTeleoperation(KitchenArm(SCENE))
        self.environment = KitchenEnvironment(scene=SCENE)
        self.kinematics = KitchenKinematics(SCENE)
        self.now_s = 100.0
        self.teleoperation.begin(self.environment.measurement.joint_positions)
        self.steer(None, 15)

    def steer(self, direction: list[float] | None, steps: int, *, is_in_tool_frame: bool = False) -> TeleoperationStep:
        for _ in range(steps):
            if direction is not None:
                velocity = self.teleoperation.velocity_along(np.array(direction), is_in_tool_frame=is_in_tool_frame)
                self.teleoperation.dead_man.ask(velocity, self.now_s, timeout_s=0.1)
            step = self.teleoperation.step(self.environment.measurement.joint_positions, 0.0, self.now_s)
            self.environment.step_command(step.command.joint_positions)
            self.now_s += CONTROL_PERIOD_S
        return step

    @property
    def tool(self) -> ToolPose:
        return self.kinematics.forward(self.environment.simulation.data.qpos[:7])

    @property
    def joint_speed(self) -> float:
        return float(np.abs(self.environment.simulation.data.qvel[:7]).max())


@pytest.fixture
def person() -> Person:
    return Person()


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_tool_moves_along_the_axis_that_is_asked_for(person: Person, axis: int, sign: float) -> None:
    before = person.tool
    person.steer(list(sign * np.eye(6)[axis]), 12)
    person.steer(None, 5)
    moved = person.tool.position - before.position
    # 12 steps of 0.08 s at 0.2 m/s are 0.19 m; the dead-man of 0.1 s makes it 13 steps, 0.21 m.
    assert sign * moved[axis] == pytest.approx(0.208, abs=0.015)
    assert np.abs(np.delete(moved, axis)).max() < 0.015
    assert np.abs(rotation_between(before.rotation, person.tool.rotation)).max() < 0.05


@pytest.mark.parametrize("axis", range(3))
def test_tool_turns_in_place(person: Person, axis: int) -> None:
    before = person.tool
    person.steer([0.0] * 3 + list(np.eye(3)[axis]), 8)
    person.steer(None, 5)
    turned = rotation_between(before.rotation, person.tool.rotation)
    assert turned[axis] == pytest.approx(0.8 * 9 * CONTROL_PERIOD_S, abs=0.08)
    assert np.linalg.norm(person.tool.position - before.position) < 0.03


def test_letting_go_brakes(person: Person) -> None:
    person.steer([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 10)
    assert person.joint_speed > 0.2
    person.steer(None, 4)  # one that the dead-man still allows, two to slow down, one for the servos
    assert person.joint_speed < 0.06


def test_arm_holds_its_place_against_gravity_when_nobody_asks(person: Person) -> None:
    before = person.tool.position
    person.steer(None, 60)
    assert np.linalg.norm(person.tool.position - before) < 0.004


def test_tool_frame_moves_along_the_fingers(person: Person) -> None:
    before = person.tool
    person.steer([0.0, 0.0, 1.0, 0.0, 0.0, 0.0], 10, is_in_tool_frame=True)
    moved = person.tool.position - before.position
    assert moved @ before.pointing / np.linalg.norm(moved) > 0.99


def test_speed_scale_changes_the_speed_within_bounds(person: Person) -> None:
    person.teleoperation.change_speed(-1)
    velocity = person.teleoperation.velocity_along(np.array([0.0, 2.0, 0.0, 0.0, 0.0, 0.5]), is_in_tool_frame=False)
    np.testing.assert_allclose(velocity.linear, [0.0, 0.16, 0.0])
    np.testing.assert_allclose(velocity.angular, [0.0, 0.0, 0.32])
    for steps, scale in ((-100, 0.1), (+100, 2.0)):
        person.teleoperation.change_speed(steps)
        assert person.teleoperation.speed_scale == scale


@pytest.mark.parametrize("speed_scale", [0.5, 1.0, 2.0])
def test_device_that_asks_for_too_much_gets_the_speed_that_is_set(person: Person, speed_scale: float) -> None:
    """Twists once moved a real arm, which begins at a quarter of the speed, at twice the full one."""
    person.teleoperation.speed_scale = speed_scale
    before = person.tool.position
    for _ in range(5):
        person.teleoperation.dead_man.ask(ToolVelocity(np.array([0.0, 50.0, 0.0]), np.zeros(3)), person.now_s, 0.1)
        person.steer(None, 1)
    full = speed_scale * 0.2 * 5 * CONTROL_PERIOD_S
    assert 0.5 * full < person.tool.position[1] - before[1] < 1.1 * full


def test_velocity_is_acted_on_until_it_is_too_old_and_no_longer() -> None:
    dead_man = DeadMan()
    velocity = ToolVelocity(np.array([0.1, 0.0, 0.0]), np.zeros(3))
    assert dead_man.velocity(0.0) is None
    dead_man.ask(velocity, now_s=5.0, timeout_s=0.1)
    assert dead_man.velocity(5.0999) is velocity
    assert dead_man.velocity(5.1001) is None
    dead_man.ask(velocity, now_s=6.0, timeout_s=0.1)
    dead_man.release()
    assert dead_man.velocity(6.0) is None


def test_gripper_follows(person: Person) -> None:
    person.teleoperation.is_gripper_open = False
    step = person.steer(None, 8)
    assert step.action[7:].tolist() == [-1.0, -1.0]
    assert person.environment.simulation.data.qpos[7] < 0.005


def test_action_says_what_the_command_does(person: Person) -> None:
    """A dataset's action, given to the environment, commands what the arm was sent."""
    person.steer([0.0, 1.0, 0.0, 0.0, 0.0, 0.0], 3)
    measured = person.environment.measurement.joint_positions
    step = person.teleoperation.step(measured, 0.0, person.now_s)
    command = person.environment.action_meaning.joint_command(step.action, measured)
    assert step.command.interventions == ()
    np.testing.assert_array_equal(step.command.joint_positions, command)


def test_pressing_on_something_does_not_wind_up(person: Person) -> None:
    """However long the tool is pushed down on the stove, going up begins soon."""
    person.steer([0.0, 0.0, -1.0, 0.0, 0.0, 0.0], 50)
    stuck = person.tool.position[2]
    person.steer([0.0, 0.0, -1.0, 0.0, 0.0, 0.0], 20)
    assert person.tool.position[2] == pytest.approx(stuck, abs=0.02)
    person.steer([0.0, 0.0, 1.0, 0.0, 0.0, 0.0], 15)
    assert person.tool.position[2] > stuck + 0.05


def test_stretched_arm_comes_back_when_asked(person: Person) -> None:
    """At full stretch the arm cannot go on, and damping must not keep it there."""
    person.steer([0.0, 1.0, 0.0, 0.0, 0.0, 0.0], 60)
    step = person.steer([0.0, 1.0, 0.0, 0.0, 0.0, 0.0], 1)
    assert step.motion.is_singular
    stretched = person.tool.position[1]
    person.steer([0.0, -1.0, 0.0, 0.0, 0.0, 0.0], 25)
    assert person.tool.position[1] < stretched - 0.08


def test_stale_measurements_brake_and_latch_until_released(person: Person) -> None:
    person.steer([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 10)
    states = [person.teleoperation.without_measurement(age_s=1.0).state for _ in range(6)]
    assert states[0] is SafetyState.HOLDING and states[-1] is SafetyState.LATCHED
    measured = person.environment.measurement.joint_positions
    assert person.steer([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 1).command.state is SafetyState.LATCHED
    person.teleoperation.release_latch(measured)
    assert person.steer(None, 1).command.state is SafetyState.PASSED


def test_brake_ends_in_the_latch(person: Person) -> None:
    person.steer([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 10)
    with pytest.raises(CommandError, match="moving"):
        person.teleoperation.release_latch(person.environment.measurement.joint_positions)
    states = [person.teleoperation.brake().state for _ in range(5)]
    assert states[-1] is SafetyState.LATCHED


@pytest.mark.parametrize("bad", [np.full(9, np.nan), np.zeros(7)])
def test_bad_measurement_is_refused(person: Person, bad: np.ndarray) -> None:
    with pytest.raises(ObservationError):
        person.teleoperation.step(bad, 0.0, person.now_s)


def test_bad_configuration_is_refused() -> None:
    with pytest.raises(ConfigError, match="linear_speed_m_s is 0.0"):
        TeleoperationConfig(linear_speed_m_s=0.0)
