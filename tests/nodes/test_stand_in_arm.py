"""The stand-in for a real arm, alone and under the skill executor, over DDS."""

import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.action.client import ActionClient
from rclpy.clock import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from spirl_msgs.action import ExecuteSkill, RunEpisode
from spirl_msgs.msg import SafetyStatus, SkillStatus
from spirl_ros.arms.robot_configuration import read_robot
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS, stamp_ns
from spirl_ros.nodes.stand_in_arm import StandInArmNode
from tests.nodes.arm_bundle import HORIZON, write_arm_bundle


class Arm:
    """A stand-in, and what there is to see of it."""

    def __init__(self, client, start_node: Callable, robot: str, **parameters) -> None:
        self.client, self.robot = client, read_robot(robot)
        self.states = client.collect(JointState, self.robot.joint_state_topic)
        self.ready = client.collect(Bool, self.robot.ready_topic or "stand_in_arm/ready", LATCHED_QOS)
        self.diagnostics: list[dict[str, str]] = []
        client.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        # A command that a busy machine sends late costs acceleration; tests/arms watches it in a time without jitter.
        self.process = start_node(
            "stand_in_arm", robot=robot, acceleration_tolerance=1000.0, **{"realtime_priority": 50, **parameters}
        )
        client.wait_for(lambda: self.states and self.ready, "the arm")

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        for status in array.status:
            if status.name.startswith("stand_in_arm"):
                values = {value.key: value.value for value in status.values}
                self.diagnostics.append({"message": status.message, **values})

    @property
    def position(self) -> np.ndarray:
        return np.array(self.states[-1].position)

    def wait_for_rest(self) -> None:
        self.client.wait_for(lambda: np.abs(self.states[-1].velocity).max() < 1e-4, "rest")

    def check_limits(self) -> None:
        limits = self.robot.limits
        positions = np.array([state.position for state in self.states])
        velocities = np.array([state.velocity for state in self.states])
        assert ((limits.position_lower <= positions) & (positions <= limits.position_upper)).all()
        assert (np.abs(velocities) <= limits.velocity).all()


class Executor:
    """A skill executor for it."""

    def __init__(self, client, start_node: Callable, arm: Arm, bundle: Path, **parameters) -> None:
        self.client = client
        self.skills = client.collect(SkillStatus, "skill_status", LATCHED_QOS)
        self.safety = client.collect(SafetyStatus, "safety_status", LATCHED_QOS)
        self.process = start_node(
            "skill_executor",
            bundle=bundle,
            command_interface="joint_trajectory",
            trajectory_controller=arm.robot.trajectory_controller,
            joint_state_topic=arm.robot.joint_state_topic,
            ready_topic=arm.robot.ready_topic or "stand_in_arm/ready",
            **({"speed_scaling_topic": name} if (name := arm.robot.speed_scaling_topic) else {}),
            robot=arm.robot.name,
            max_age_s=0.5,  # tests share their machine
            **parameters,
        )
        self.action = ActionClient(client, ExecuteSkill, "execute_skill")
        client.wait_for(self.action.server_is_ready, "the action")
        client.wait_for(lambda: self.skills and not self.skills[-1].reason, "an executor that is ready")

    def send(self, latent=()):
        future = self.action.send_goal_async(ExecuteSkill.Goal(latent=[float(value) for value in latent]))
        self.client.wait_for(future.done, "the goal's answer")
        return future.result()

    def execute(self, latent=()) -> ExecuteSkill.Result:
        handle = self.send(latent)
        assert handle is not None
        future = handle.get_result_async()
        self.client.wait_for(future.done, "the goal's result")
        return future.result().result


def message(arm: Arm, *points, stamp_s: int = 0, velocity: float = 0.0, effort=()) -> JointTrajectory:
    made = []
    for time_s, positions in points:
        point = JointTrajectoryPoint(positions=list(positions), velocities=[velocity] * len(positions), effort=effort)
        point.time_from_start.sec, point.time_from_start.nanosec = int(time_s), int(time_s % 1 * 1e9)
        made.append(point)
    trajectory = JointTrajectory(joint_names=list(arm.robot.limits.joint_names), points=made)
    trajectory.header.stamp.sec = stamp_s
    return trajectory


@pytest.mark.parametrize("robot", ["ur5e", "fr3"])
def test_prior_driven_skills_move_the_arm_within_its_limits(client, start_node, tmp_path, robot: str) -> None:
    arm = Arm(client, start_node, robot)
    # Latents ask for far more than the limits allow: it is the safety filter that keeps them.
    executor = Executor(client, start_node, arm, write_arm_bundle(tmp_path / "bundle", arm.robot, strength=4.0))
    begin = arm.position
    results = [executor.execute() for _ in range(6)]
    assert [(result.outcome, result.steps) for result in results] == [(ExecuteSkill.Result.COMPLETED, HORIZON)] * 6
    assert sum(result.interventions for result in results) > 0
    arm.wait_for_rest()
    client.wait_for(lambda: len(arm.diagnostics) >= 3, "the arm's diagnostics")
    assert arm.ready[-1].data, arm.diagnostics[-1]
    peaks = [float(values["peak velocity [share of limit]"]) for values in arm.diagnostics]
    assert 0.1 < max(peaks) <= 1.0
    assert np.abs(np.array([state.position for state in arm.states]) - begin).max() > 0.1
    arm.check_limits()


def test_speed_slider_stops_a_skill_and_the_arm_runs_down_its_last_trajectory(client, start_here, tmp_path) -> None:
    """Each trajectory that is sent while the slider is down makes the arm leap, 25 times as fast as the motion."""
    arm = Arm(client, start_here, "ur5e")
    executor = Executor(client, start_here, arm, write_arm_bundle(tmp_path / "bundle", arm.robot, strength=4.0))
    executor.send()
    client.wait_for(lambda: np.abs(arm.states[-1].velocity).max() > 0.1, "motion")
    slider = client.create_publisher(Float64, "stand_in_arm/set_speed_scaling", 10)
    client.wait_for(lambda: slider.get_subscription_count() > 0, "the slider")
    seen = len(arm.states)
    slider.publish(Float64(data=0.1))
    client.wait_for(lambda: executor.skills[-1].state == SkillStatus.LATCHED, "the latch")
    assert "set the speed slider to full speed" in executor.skills[-1].reason
    arm.wait_for_rest()
    assert arm.ready[-1].data, arm.diagnostics[-1]
    # At 1 rad/s it would have leapt by 0.05 rad within 10 ms.
    steps = np.abs(np.diff([state.position for state in arm.states[seen + 5 :]], axis=0))
    assert steps.max() < 0.01
    refused = client.call(Trigger, "skill_executor/reset", Trigger.Request())
    assert not refused.success and "slider" in refused.message
    slider.publish(Float64(data=1.0))
    client.wait_for(
        lambda: client.call(Trigger, "skill_executor/reset", Trigger.Request()).success, "the latch to be released"
    )
    assert executor.execute().outcome == ExecuteSkill.Result.COMPLETED
    assert arm.ready[-1].data, arm.diagnostics[-1]


def test_policy_runs_episodes_of_the_prior_and_a_second_one_goes_on_from_there(client, start_here, tmp_path) -> None:
    arm = Arm(client, start_here, "ur5e")
    bundle = write_arm_bundle(tmp_path / "bundle", arm.robot)
    executor = Executor(client, start_here, arm, bundle)
    start_here("skill_policy", bundle=bundle, source="prior", latent="sample", max_steps=2 * HORIZON)
    action = ActionClient(client, RunEpisode, "run_episode")
    client.wait_for(action.server_is_ready, "the policy")
    begin = arm.position
    sent = action.send_goal_async(RunEpisode.Goal(episodes=2, use_seed=True, seed=3))
    client.wait_for(sent.done, "the goal's answer")
    handle = sent.result()
    assert handle is not None
    ended = handle.get_result_async()
    client.wait_for(ended.done, "the result")
    outcome = ended.result()
    assert outcome is not None
    assert outcome.result.success and list(outcome.result.steps) == [2 * HORIZON] * 2, outcome.result.message
    client.wait_for(lambda: executor.skills[-1].state == SkillStatus.IDLE, "rest")
    arm.wait_for_rest()
    assert np.abs(arm.position - begin).max() > 0.05
    assert arm.ready[-1].data
    arm.check_limits()


def test_killed_executor_leaves_the_arm_at_rest_by_itself(client, start_node, tmp_path, reaction) -> None:
    arm = Arm(client, start_node, "ur5e")
    bundle = write_arm_bundle(tmp_path / "bundle", arm.robot)
    executor = Executor(client, start_node, arm, bundle)
    executor.send((2.0, 2.0, 2.0))
    client.wait_for(lambda: np.abs(arm.states[-1].velocity).max() > 0.3, "motion")
    executor.process.process.send_signal(signal.SIGKILL)
    lost_s = time.monotonic()
    arm.wait_for_rest()
    reaction("executor SIGKILL: the trajectory-controlled arm is at rest", lost_s)
    at_rest = arm.position
    client.spin_for(0.3)
    np.testing.assert_allclose(arm.position, at_rest, atol=1e-3)
    arm.check_limits()
    assert arm.ready[-1].data
    # Another executor takes the arm over where it stands.
    executor.skills.clear()
    again = Executor(client, start_node, arm, bundle)
    client.spin_for(0.2)
    np.testing.assert_allclose(arm.position, at_rest, atol=5e-3)
    assert again.execute((0.5, 0.0, 0.0)).outcome == ExecuteSkill.Result.COMPLETED


def test_controller_refuses_what_the_documented_one_refuses_and_says_why(client, start_here) -> None:
    arm = Arm(client, start_here, "ur5e")
    publisher = client.create_publisher(
        JointTrajectory, "scaled_joint_trajectory_controller/joint_trajectory", COMMAND_QOS
    )
    client.wait_for(lambda: publisher.get_subscription_count() == 1, "the controller")
    begin = arm.position
    target = begin + 0.1
    missing = message(arm, (0.5, target))
    missing.joint_names = [*arm.robot.limits.joint_names[:-1], "tail"]
    refused = {
        "tail": missing,
        "expected zero": message(arm, (0.5, target), velocity=0.1),
        "have efforts": message(arm, (0.5, target), effort=[1.0] * 6),
        "strictly increasing": message(arm, (0.5, target), (0.5, target)),
        "ends at": message(arm, (0.5, target), stamp_s=1),
        "not finite": message(arm, (0.5, target * np.nan)),
        "no points": message(arm),
        "per point, expected 6": message(arm, (0.5, target[:5])),
    }
    for told, bad in refused.items():
        arm.diagnostics.clear()
        publisher.publish(bad)
        client.wait_for(lambda told=told: any(told in values["message"] for values in arm.diagnostics), told)
    np.testing.assert_allclose(arm.position, begin, atol=1e-6)
    publisher.publish(message(arm, (0.5, target)))
    client.wait_for(lambda: np.abs(arm.position - target).max() < 1e-4, "the target")
    assert arm.diagnostics[-1]["refused commands"] == str(len(refused))


class HeldUp(StandInArmNode):
    """A stand-in whose thread is held up for 40 ms now and then, before it reads the clock."""

    def __init__(self) -> None:
        super().__init__()
        self._reads = 0

    def get_clock(self) -> Clock:
        self._reads += 1
        if self._reads % 11 == 0:
            time.sleep(0.04)
        return super().get_clock()


def test_state_is_stamped_when_it_was_although_the_stand_in_is_held_up(client, start_here) -> None:
    """A busy machine held it up before the stamp: "elbow_joint leapt by 0.023 in 2 ms", and training paused."""
    arm = Arm(client, partial(start_here, make=HeldUp), "ur5e")
    publisher = client.create_publisher(
        JointTrajectory, "scaled_joint_trajectory_controller/joint_trajectory", COMMAND_QOS
    )
    client.wait_for(lambda: publisher.get_subscription_count() == 1, "the controller")
    target = arm.position + 1.0
    publisher.publish(message(arm, (1.0, target)))
    client.wait_for(lambda: np.abs(arm.position - target).max() < 1e-3, "the target")
    positions = np.array([state.position for state in arm.states])
    steps_s = np.diff([stamp_ns(state.header.stamp) for state in arm.states]) * 1e-9
    assert (steps_s > 0.03).sum() > 5  # it was held up
    moved = np.abs(np.diff(positions, axis=0)).max(axis=1)
    assert (moved <= 1.6 * steps_s + 0.005).all()  # 1.5 rad/s at most, in updates of 2 ms


def test_stopped_arm_latches_the_executor_and_moves_again_only_after_recovery_and_reset(
    client, start_node, tmp_path, reaction
) -> None:
    arm = Arm(client, start_node, "ur5e")
    executor = Executor(client, start_node, arm, write_arm_bundle(tmp_path / "bundle", arm.robot))
    executor.send((2.0, 2.0, 2.0))
    client.wait_for(lambda: np.abs(arm.states[-1].velocity).max() > 0.3, "motion")
    lost_s = time.monotonic()
    assert client.call(Trigger, "stand_in_arm/stop", Trigger.Request()).success
    client.wait_for(lambda: not arm.ready[-1].data, "the arm to say so")
    arm.wait_for_rest()
    client.wait_for(lambda: executor.skills[-1].state == SkillStatus.LATCHED, "the latch")
    reaction("protective stop of the arm: the executor has latched", lost_s)
    assert "robot_program_running is false" in executor.skills[-1].reason
    at_rest = arm.position
    assert not client.call(Trigger, "skill_executor/reset", Trigger.Request()).success
    assert client.call(Trigger, "stand_in_arm/recover", Trigger.Request()).success
    client.wait_for(lambda: arm.ready[-1].data, "the arm to be ready")
    assert executor.execute((0.5, 0.0, 0.0)).outcome == ExecuteSkill.Result.STOPPED  # latched as before
    np.testing.assert_allclose(arm.position, at_rest, atol=1e-6)
    assert client.call(Trigger, "skill_executor/reset", Trigger.Request()).success
    client.wait_for(lambda: not executor.skills[-1].reason, "an executor that is ready")
    assert executor.execute((0.5, 0.0, 0.0)).outcome == ExecuteSkill.Result.COMPLETED
    assert np.abs(arm.position - at_rest).max() > 0.01


def test_slow_motion_makes_the_same_way_in_more_time(client, start_here, tmp_path) -> None:
    arm = Arm(client, start_here, "ur5e")
    # The skills do not look where the arm is, so that they ask the same at any speed.
    bundle = write_arm_bundle(tmp_path / "bundle", arm.robot, pull=0.0)
    executor = Executor(client, start_here, arm, bundle, speed=0.25)
    begin = arm.position
    assert executor.execute((0.3, 0.0, 0.0)).steps == HORIZON
    arm.wait_for_rest()
    slow, fastest = arm.position - begin, max(np.abs(state.velocity).max() for state in arm.states)
    executor.process.end()
    arm.states.clear()
    executor.skills.clear()
    executor = Executor(client, start_here, arm, bundle)
    begin = arm.position
    assert executor.execute((0.3, 0.0, 0.0)).steps == HORIZON
    arm.wait_for_rest()
    assert fastest < 0.5 * max(np.abs(state.velocity).max() for state in arm.states)
    way = arm.position - begin
    # At full speed the servo's lag and the braking at the end are a larger part of it.
    np.testing.assert_allclose(slow, way, atol=0.35 * np.abs(way).max())


def test_unknown_robot_and_missing_limits_end_the_node_with_a_message(start_here) -> None:
    code, output = start_here("stand_in_arm", robot="kuka").wait()
    assert code == 2 and "ur5e, fr3, generic" in output
    code, output = start_here("stand_in_arm", robot="generic").wait()
    assert code == 2 and "does not move without limits" in output
