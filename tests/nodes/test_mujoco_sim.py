"""The simulator as a process, spoken to over DDS."""

import math
import time

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")

from builtin_interfaces.msg import Duration
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from spirl_msgs.msg import SceneState, TaskStatus
from spirl_msgs.srv import ResetScene, SetTask
from spirl_ros.kitchen.environment import KitchenEnvironment
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.scene import load_kitchen_scene
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS, stamp_ns

SCENE = load_kitchen_scene()
INITIAL_COMMAND = [0.148, -1.7628, 1.844, -2.4769, 0.26, 0.7125, 1.595, 0.04, 0.037]


class Arm:
    """A controller's view of the simulated arm."""

    def __init__(self, client, namespace: str = "") -> None:
        self.client = client
        self.clocks = client.collect(Clock, f"{namespace}/clock")
        self.joint_states = client.collect(JointState, f"{namespace}/joint_states")
        self.scene_states = client.collect(SceneState, f"{namespace}/scene_state")
        self.statuses = client.collect(TaskStatus, f"{namespace}/task_status", LATCHED_QOS)
        self.positions = client.create_publisher(
            Float64MultiArray, f"{namespace}/forward_position_controller/commands", COMMAND_QOS
        )
        self.trajectories = client.create_publisher(
            JointTrajectory, f"{namespace}/joint_trajectory_controller/joint_trajectory", COMMAND_QOS
        )
        client.wait_for(lambda: self.positions.get_subscription_count() == 1, "the simulator's subscription")
        client.wait_for(lambda: self.trajectories.get_subscription_count() == 1, "the simulator's subscription")
        client.wait_for(lambda: self.joint_states and self.statuses, "the first state")

    def reset(self, seed: int) -> ResetScene.Response:
        response = self.client.call(ResetScene, "reset_scene", ResetScene.Request(use_seed=True, seed=seed))
        self.client.wait_for(lambda: self.statuses[-1].episode == response.episode, "the new episode's status")
        self.wait_for_state_of(self.statuses[-1])
        return response

    def wait_for_state_of(self, status: TaskStatus) -> None:
        both = self.joint_states, self.scene_states
        self.client.wait_for(
            lambda: all(any(state.header.stamp == status.header.stamp for state in states) for states in both),
            "the state that belongs to the status",
        )

    def command_in_lockstep(self, positions) -> TaskStatus:
        before = self.statuses[-1].step
        self.positions.publish(Float64MultiArray(data=list(positions)))
        self.client.wait_for(lambda: self.statuses[-1].step == before + 1, "the next control step")
        self.wait_for_state_of(self.statuses[-1])
        return self.statuses[-1]

    def observation(self) -> np.ndarray:
        return np.concatenate((self.joint_states[-1].position, self.scene_states[-1].position))


def trajectory(positions, duration_s: float, names=SCENE.joint_names, velocities=None) -> JointTrajectory:
    point = JointTrajectoryPoint(positions=list(positions), velocities=velocities or [0.0] * len(positions))
    point.time_from_start = Duration(sec=int(duration_s), nanosec=int(duration_s % 1 * 1e9))
    return JointTrajectory(joint_names=list(names), points=[point])


def test_lockstep_episode_is_the_in_process_episode(client, start_here) -> None:
    start_here("mujoco_sim", rate="lockstep")
    arm, environment = Arm(client), KitchenEnvironment()
    meaning = KITCHEN.robot.action_meaning
    assert arm.reset(seed=11).success
    np.testing.assert_array_equal(arm.observation(), environment.reset(11))
    stamps = [stamp_ns(arm.joint_states[-1].header.stamp)]
    for action in np.random.default_rng(0).uniform(-1.0, 1.0, (40, 9)):
        status = arm.command_in_lockstep(meaning.joint_command(action, np.array(arm.joint_states[-1].position)))
        result = environment.step(action)
        np.testing.assert_array_equal(arm.observation(), result.observation)
        np.testing.assert_array_equal(arm.joint_states[-1].velocity, environment.measurement.joint_velocities)
        assert (status.reward, status.terminated, status.truncated) == result[1:]
        stamps.append(stamp_ns(arm.joint_states[-1].header.stamp))
    assert set(np.diff(stamps)) == {80_000_000}
    assert list(arm.joint_states[-1].name) == list(SCENE.joint_names)
    assert list(arm.scene_states[-1].name) == list(SCENE.scene_names)


def test_lockstep_stands_still_without_commands_and_repeats_its_state(client, start_here) -> None:
    start_here("mujoco_sim", rate="lockstep")
    arm = Arm(client)
    count, first = len(arm.joint_states), arm.joint_states[-1]
    client.spin_for(1.3)
    repeated = arm.joint_states[count:]
    assert 1 <= len(repeated) <= 4
    assert all(state == first for state in repeated)


def test_realtime_follows_the_wall_clock_and_reports_its_factor(client, start_node) -> None:
    """How fast it is is for benchmarks; here, that it never runs ahead and that the factor it reports is true."""
    start_node("mujoco_sim")
    arm = Arm(client)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    begin_ns, begin_s = stamp_ns(arm.clocks[-1].clock), time.monotonic()
    count = len(arm.joint_states)
    client.spin_for(4.0)
    wall_s = time.monotonic() - begin_s
    simulated_s = (stamp_ns(arm.clocks[-1].clock) - begin_ns) * 1e-9
    assert 0.3 * wall_s < simulated_s < 1.1 * wall_s
    assert len(arm.joint_states) - count <= 100 * simulated_s + 5
    factors = [
        float(value.value) for array in diagnostics[1:] for value in array.status[0].values if "factor" in value.key
    ]
    assert np.mean(factors) == pytest.approx(simulated_s / wall_s, abs=0.25)
    assert arm.statuses[-1].step == pytest.approx(stamp_ns(arm.clocks[-1].clock) / 80e6, abs=3)


@pytest.mark.parametrize("rate", ["realtime", "lockstep"])
def test_bad_commands_are_refused_told_and_the_arm_holds(client, start_here, rate: str) -> None:
    process = start_here("mujoco_sim", rate=rate, observation_noise=False)
    arm = Arm(client)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    before = np.array(arm.joint_states[-1].position)
    moved = [position + 0.3 for position in INITIAL_COMMAND]
    for bad in ([math.nan] * 9, [math.inf] + moved[1:], moved[:8], moved + [0.0], []):
        arm.positions.publish(Float64MultiArray(data=bad))
        client.spin_for(0.2)  # the queue is one command deep
    other_names = [name.replace("panda0", "arm") for name in SCENE.joint_names]
    for bad in (
        trajectory(moved, 0.1, names=other_names),
        trajectory(moved[:8], 0.1),
        trajectory([math.nan] * 9, 0.1),
        trajectory(moved, 0.1, velocities=[0.5] * 9),
        JointTrajectory(joint_names=list(SCENE.joint_names)),
    ):
        arm.trajectories.publish(bad)
        client.spin_for(0.2)  # the queue is one command deep
    client.wait_for(
        lambda: any(
            value.key == "refused commands" and value.value == "10"
            for array in diagnostics
            for value in array.status[0].values
        ),
        "ten refusals in the diagnostics",
    )
    levels = {array.status[0].level for array in diagnostics}
    assert levels & {DiagnosticStatus.WARN, DiagnosticStatus.ERROR}  # the latter where the machine is too slow as well
    assert np.abs(np.array(arm.joint_states[-1].position)[:7] - before[:7]).max() < 0.05
    code, output = process.end()
    assert code == 0
    assert "command refused, the arm holds" in output


def test_trajectory_moves_the_arm_by_joint_name(client, start_here) -> None:
    start_here("mujoco_sim", observation_noise=False)
    arm = Arm(client)
    target = list(INITIAL_COMMAND)
    target[0] += 0.3
    order = np.random.default_rng(0).permutation(9)
    arm.trajectories.publish(trajectory(np.array(target)[order], 0.5, names=[SCENE.joint_names[i] for i in order]))
    client.wait_for(lambda: abs(arm.joint_states[-1].position[0] - target[0]) < 0.02, "the arm at its target")
    np.testing.assert_allclose(arm.joint_states[-1].position[:7], target[:7], atol=0.06)


def test_trajectory_steps_lockstep_too(client, start_here) -> None:
    start_here("mujoco_sim", rate="lockstep")
    arm = Arm(client)
    arm.trajectories.publish(trajectory(INITIAL_COMMAND, 0.08))
    client.wait_for(lambda: arm.statuses[-1].step == 1, "one control step")
    client.spin_for(0.3)
    assert arm.statuses[-1].step == 1


def test_task_is_set_at_the_next_reset_and_unknown_ones_are_told(client, start_here) -> None:
    start_here("mujoco_sim", rate="lockstep")
    arm = Arm(client)
    refused = client.call(SetTask, "set_task", SetTask.Request(task="kettle,microwav"))
    assert not refused.success
    assert "microwav" in refused.message and "light_switch" in refused.message
    accepted = client.call(SetTask, "set_task", SetTask.Request(task="kettle,microwave"))
    assert accepted.success and list(accepted.subtasks) == ["kettle", "microwave"]
    assert arm.statuses[-1].task == "kitchen"
    arm.reset(seed=1)
    assert arm.statuses[-1].task == "kettle,microwave"
    assert list(arm.statuses[-1].subtasks) == ["kettle", "microwave"]


def test_reset_without_a_seed_counts_up(client, start_here) -> None:
    start_here("mujoco_sim", rate="lockstep", seed=40)
    arm = Arm(client)
    assert arm.statuses[-1].seed == 40
    seeds = [client.call(ResetScene, "reset_scene", ResetScene.Request()).seed for _ in range(2)]
    assert seeds == [41, 42]


def test_clock_never_goes_back(client, start_here) -> None:
    start_here("mujoco_sim")
    arm = Arm(client)
    for seed in range(3):
        arm.reset(seed)
        client.spin_for(0.2)
    assert (np.diff([stamp_ns(message.clock) for message in arm.clocks]) >= 0).all()


def test_lifecycle_without_autostart(client, start_here) -> None:
    start_here("mujoco_sim", autostart=False)

    def change(transition: int) -> str:
        request = ChangeState.Request(transition=Transition(id=transition))
        assert client.call(ChangeState, "mujoco_sim/change_state", request).success
        return client.call(GetState, "mujoco_sim/get_state", GetState.Request()).current_state.label

    assert change(Transition.TRANSITION_CONFIGURE) == "inactive"
    answer = client.call(ResetScene, "reset_scene", ResetScene.Request())
    assert not answer.success and "not active" in answer.message
    for _ in range(2):
        assert change(Transition.TRANSITION_ACTIVATE) == "active"
        arm = Arm(client)
        assert change(Transition.TRANSITION_DEACTIVATE) == "inactive"
        client.spin_for(0.2)
        count = len(arm.joint_states)
        client.spin_for(0.3)
        assert len(arm.joint_states) == count
        assert change(Transition.TRANSITION_CLEANUP) == "unconfigured"
        assert change(Transition.TRANSITION_CONFIGURE) == "inactive"


def test_failed_configuration_can_be_mended_and_tried_again(client, start_here) -> None:
    start_here("mujoco_sim", autostart=False, task="laundry")
    configure = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    assert not client.call(ChangeState, "mujoco_sim/change_state", configure).success
    task = Parameter(name="task", value=ParameterValue(type=ParameterType.PARAMETER_STRING, string_value="kettle"))
    client.call(SetParameters, "mujoco_sim/set_parameters", SetParameters.Request(parameters=[task]))
    assert client.call(ChangeState, "mujoco_sim/change_state", configure).success


def test_second_simulator_says_so_and_ends(client, start_node) -> None:
    start_node("mujoco_sim", rate="lockstep")
    Arm(client)
    code, output = start_node("mujoco_sim").wait()
    assert code != 0
    assert "a simulator already runs in ROS domain" in output
    assert "Traceback" not in output


def test_foreign_clock_is_noticed_and_a_dead_one_is_not_feared(client, start_node) -> None:
    clock = client.create_publisher(Clock, "clock", 1)
    timer = client.create_timer(0.1, lambda: clock.publish(Clock()))
    process = start_node("mujoco_sim", discovery_s=15.0)
    client.wait_for(lambda: process.process.poll() is not None, "the simulator's end")
    code, output = process.wait()
    assert code != 0
    assert "already publishes /clock" in output
    timer.cancel()
    start_node("mujoco_sim")
    Arm(client)


def test_simulator_starts_again_right_after_it_was_killed(client, start_node) -> None:
    first = start_node("mujoco_sim", rate="lockstep")
    Arm(client)
    first.kill()
    start_node("mujoco_sim", rate="lockstep")
    fresh = client.collect(JointState, "joint_states")
    client.wait_for(lambda: fresh, "the state of the second simulator")


def test_two_namespaces_do_not_disturb_each_other(client, start_node) -> None:
    for name in ("left", "right"):
        start_node("mujoco_sim", "-r", f"__ns:=/{name}", "-r", "/clock:=clock", rate="lockstep")
    left, right = Arm(client, "/left"), Arm(client, "/right")
    left.command_in_lockstep(INITIAL_COMMAND)
    client.spin_for(0.3)
    assert (left.statuses[-1].step, right.statuses[-1].step) == (1, 0)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"tsak": "kitchen"}, "Did you mean task"),
        ({"rate": "fast"}, "realtime, lockstep"),
        ({"max_steps": -1}, "at least 0"),
        ({"max_steps": "soon"}, "an integer"),
        ({"task": "laundry"}, "light_switch"),
        ({"state_rate_hz": 90.0}, "62.5"),
    ],
)
def test_bad_parameter_is_named_and_the_process_ends(start_here, parameters: dict, told: str) -> None:
    code, output = start_here("mujoco_sim", **parameters).wait()
    assert code == 2
    assert told in output
    assert "Traceback" not in output


@pytest.mark.parametrize("number", [2, 15])
def test_signals_end_it_cleanly(client, start_node, number: int) -> None:
    process = start_node("mujoco_sim")
    Arm(client)
    code, output = process.end(number)
    assert code == 0
    assert "Traceback" not in output
