"""Teleoperation of an arm that is not simulated by us, as far as the stand-in shows it, over DDS."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("mujoco")

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import TwistStamped
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from spirl_msgs.msg import SafetyStatus
from spirl_ros.arms.robot_configuration import read_robot, read_urdf
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS
from spirl_ros.shipped import shipped
from spirl_ros.teleoperation.configured_arm import ConfiguredArm

ROBOT = read_robot("ur5e")
ARM = ConfiguredArm(ROBOT, read_urdf(shipped("config/urdf/ur5e.urdf")))


class Graph:
    """A stand-in and a teleop node, with a person at a terminal or who sends twists."""

    def __init__(self, client, start_node: Callable, controller: str = "joint_trajectory", **parameters) -> None:
        self.client, self.start_node = client, start_node
        self.parameters = {"command_interface": controller, **parameters}
        self.states = client.collect(JointState, ROBOT.joint_state_topic, qos_profile_sensor_data)
        self.ready = client.collect(Bool, ROBOT.ready_topic, LATCHED_QOS)
        self.safety = client.collect(SafetyStatus, "safety_status", LATCHED_QOS)
        self.twists = client.create_publisher(TwistStamped, "teleop/delta_twist_cmds", COMMAND_QOS)
        # Commands that a busy machine sends late cost acceleration; tests/teleoperation watches it without jitter.
        self.arm = start_node(
            "stand_in_arm", robot="ur5e", controller=controller, acceleration_tolerance=1000.0, realtime_priority=50
        )
        self.start_teleop()

    def start_teleop(self) -> None:
        self.safety.clear()
        self.teleop = self.start_node("teleop", robot="ur5e", is_stand_in=True, max_age_s=1.0, **self.parameters)
        self.client.wait_for(lambda: self.states and len(self.safety) > 5, "the teleop node to take the arm over")

    @property
    def positions(self) -> np.ndarray:
        return np.array(self.states[-1].position)

    @property
    def speed(self) -> float:
        return float(np.abs(self.states[-1].velocity).max())

    @property
    def tool(self) -> np.ndarray:
        return ARM.kinematics.tool_position(self.positions)

    def move_back(self, send: Callable[[], object], distance_m: float) -> None:
        """Send, twenty times a second, until the tool has moved towards its base, which is along -x."""
        start = self.tool

        def has_moved() -> bool:
            send()
            self.client.spin_for(0.05)
            return (self.tool - start)[0] < -distance_m

        self.client.wait_for(has_moved, "motion")
        assert np.abs((self.tool - start)[1:]).max() < 0.3 * distance_m

    def twist(self) -> None:
        message = TwistStamped()
        message.twist.linear.x = -0.15
        self.twists.publish(message)

    def wait_for_rest(self) -> np.ndarray:
        self.client.wait_for(lambda: self.speed < 1e-4, "rest")
        return self.positions


def test_killed_or_stopped_teleop_leaves_the_arm_at_rest_and_another_takes_it_over(
    client, start_node, reaction
) -> None:
    graph = Graph(client, start_node, keyboard="none")
    client.wait_for(lambda: graph.twist() or client.spin_for(0.05) or graph.speed > 0.2, "motion")
    graph.teleop.process.send_signal(signal.SIGKILL)
    lost_s = time.monotonic()
    at_rest = graph.wait_for_rest()
    reaction("teleop SIGKILL: the trajectory-controlled arm is at rest", lost_s)
    client.spin_for(0.3)
    np.testing.assert_allclose(graph.positions, at_rest, atol=1e-3)
    assert graph.ready[-1].data
    graph.start_teleop()
    client.spin_for(0.3)
    np.testing.assert_allclose(graph.positions, at_rest, atol=5e-3)
    # What was asked for while it was held up is not meant any more.
    graph.teleop.process.send_signal(signal.SIGSTOP)
    for _ in range(10):
        graph.twist()
        client.spin_for(0.05)
    client.spin_for(0.5)
    graph.teleop.process.send_signal(signal.SIGCONT)
    client.spin_for(1.0)
    np.testing.assert_allclose(graph.positions, at_rest, atol=5e-3)
    other = start_node("teleop", robot="ur5e", is_stand_in=True, keyboard="none")
    code, output = other.wait()
    assert code == 2 and "a commander already runs" in output
    graph.move_back(graph.twist, distance_m=0.03)


def test_stopped_arm_latches_and_moves_again_only_after_recovery_and_a_key(
    client, start_node, domain_environment
) -> None:
    person, program = pty.openpty()
    domain_environment["SPIRL_TERMINAL"] = os.ttyname(program)
    graph = Graph(client, start_node, controller="forward_position")
    client.wait_for(lambda: graph.twist() or client.spin_for(0.05) or graph.speed > 0.1, "motion")
    assert client.call(Trigger, "stand_in_arm/stop", Trigger.Request()).success
    client.wait_for(lambda: graph.safety[-1].state == SafetyStatus.LATCHED, "the latch")
    at_rest = graph.wait_for_rest()
    os.write(person, b"c")
    client.spin_for(0.3)
    assert client.call(Trigger, "stand_in_arm/recover", Trigger.Request()).success
    client.wait_for(lambda: graph.ready[-1].data, "the arm to be ready")
    for _ in range(6):
        graph.twist()
        client.spin_for(0.05)
    assert graph.safety[-1].state == SafetyStatus.LATCHED
    np.testing.assert_allclose(graph.positions, at_rest, atol=1e-6)
    os.write(person, b"gbc")  # there is neither a gripper nor a scene
    client.wait_for(lambda: graph.safety[-1].state == SafetyStatus.PASSED, "the latch to be released")
    graph.move_back(graph.twist, distance_m=0.03)
    code, output = graph.teleop.end(signal.SIGINT)
    assert code == 0
    assert "the arm is stopped: io_and_status_controller/robot_program_running is false" in output
    assert "the gripper is not available: the configuration of ur5e has none" in output
    assert "there is no scene to reset here" in output
    assert "the latch stays: io_and_status_controller/robot_program_running is false" in output
    graph.wait_for_rest()
    os.close(person)
    os.close(program)


def test_what_is_missing_is_told(start_here, tmp_path: Path) -> None:
    code, output = start_here("teleop", robot="generic", keyboard="none").wait()
    assert code == 2 and "does not move without limits" in output
    fr3 = shipped("config/urdf/fr3.urdf")
    code, output = start_here("teleop", robot="ur5e", is_stand_in=True, urdf_file=fr3, keyboard="none").wait()
    assert code == 2 and "the URDF has no joints shoulder_pan_joint" in output
    without = "import sys; sys.modules['mujoco'] = None; from spirl_ros.nodes.teleop import main; main()"
    urdf = shipped("config/urdf/ur5e.urdf")
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            without,
            "--ros-args",
            "-p",
            "robot:=ur5e",
            "-p",
            "is_stand_in:=true",
            "-p",
            f"urdf_file:={urdf}",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 2 and "pip install mujoco" in result.stdout + result.stderr


def test_without_a_keyboard_services_stop_the_arm_and_release_it(client, start_node, reaction) -> None:
    """No service released the latch, so the arm was lost to whoever had no terminal."""
    graph = Graph(client, start_node, keyboard="none")
    client.wait_for(lambda: graph.twist() or client.spin_for(0.05) or graph.speed > 0.1, "motion")
    asked_s = time.monotonic()
    assert client.call(Trigger, "teleop/stop", Trigger.Request()).success
    reaction("teleop: stop is answered while the arm moves", asked_s)
    client.wait_for(lambda: graph.twist() or graph.safety[-1].state == SafetyStatus.LATCHED, "the latch")
    at_rest = graph.wait_for_rest()
    for _ in range(6):
        graph.twist()
        client.spin_for(0.05)
    np.testing.assert_allclose(graph.positions, at_rest, atol=1e-6)
    assert client.call(Trigger, "teleop/reset", Trigger.Request()).success
    graph.move_back(graph.twist, distance_m=0.03)
    for name in ("start_recording", "discard_recording"):
        answer = client.call(Trigger, f"teleop/{name}", Trigger.Request())
        assert not answer.success and f"there is no service {name}" in answer.message
    assert not client.call(SetBool, "teleop/finish_recording", SetBool.Request(data=True)).success
    answer = client.call(Trigger, "teleop/reset_scene", Trigger.Request())
    assert not answer.success and "there is no scene to reset here" in answer.message
    assert client.call(Trigger, "teleop/slower", Trigger.Request()).success
    code, output = graph.teleop.end(signal.SIGINT)
    assert code == 0
    assert "the arm is stopped: stopped by a service call. Press c, or call ~/reset" in output


def test_stop_is_answered_while_the_node_is_busy_and_holds_an_arm_that_is_taken_over_later(client, start_node) -> None:
    """The node's one thread looks for other commanders for 5 s here. An arm that was stopped before must not be
    moved."""
    graph = Graph(client, start_node, keyboard="none")
    graph.teleop.end(signal.SIGINT)
    client.spin_for(0.3)
    graph.safety.clear()
    start_node("teleop", robot="ur5e", is_stand_in=True, keyboard="none", max_age_s=1.0, discovery_s=5.0)
    service = client.create_client(Trigger, "teleop/stop")
    client.wait_for(service.service_is_ready, "the service")
    answers = []
    for _ in range(20):
        asked_s = time.monotonic()
        future = service.call_async(Trigger.Request())
        client.wait_for(future.done, "an answer")
        answers.append(time.monotonic() - asked_s)
        client.spin_for(0.1)
    assert not graph.safety
    # A client's own turn and a busy machine come on top.
    assert np.median(answers) < 0.05
    client.wait_for(lambda: graph.safety and graph.safety[-1].state == SafetyStatus.LATCHED, "the latch")
    before = graph.positions
    for _ in range(10):
        graph.twist()
        client.spin_for(0.05)
    np.testing.assert_allclose(graph.positions, before, atol=1e-6)


def test_somebody_elses_trajectory_gets_the_arm_and_teleop_says_who(client, start_here) -> None:
    """An arm that was moved 0.3 rad by others was commanded back by 0.1 rad within 50 ms."""
    graph = Graph(client, start_here, keyboard="none")
    topic = f"{ROBOT.trajectory_controller}/joint_trajectory"
    other = client.create_publisher(JointTrajectory, topic, COMMAND_QOS)
    client.wait_for(lambda: other.get_subscription_count() == 2, "the controller and teleop to listen")
    goal = graph.positions
    goal[2] += 0.3
    point = JointTrajectoryPoint(positions=goal.tolist(), velocities=[0.0] * 6, time_from_start=Duration(sec=1))
    names = list(ROBOT.limits.joint_names)
    for is_in_motion in (False, True):
        if is_in_motion:
            client.wait_for(lambda: graph.twist() or client.spin_for(0.05) or graph.speed > 0.1, "motion")
        other.publish(JointTrajectory(joint_names=names, points=[point]))
        end_s, fastest = time.monotonic() + 1.5, 0.0
        while time.monotonic() < end_s:
            graph.twist()
            client.spin_for(0.05)
            fastest = max(fastest, graph.speed)
        assert graph.safety[-1].state == SafetyStatus.LATCHED
        np.testing.assert_allclose(graph.wait_for_rest(), goal, atol=1e-3)
        assert fastest < 0.8  # the trajectory itself reaches 0.45 rad/s from rest
        client.spin_for(0.5)  # teleop wants to see the arm stand
        assert client.call(Trigger, "teleop/reset", Trigger.Request()).success
        client.spin_for(1.0)
    code, output = graph.teleop.end()
    assert code == 0 and output.count(f"test_client commands the arm on /{topic}") == 2


def test_gripper_on_the_arms_topic_and_second_publisher_of_its_joints(client, start_here) -> None:
    """500 states of a gripper a second latched the arm after 6 s; nobody named a publisher that sent the arm's own."""
    graph = Graph(client, start_here, keyboard="none")
    gripper = client.create_publisher(JointState, ROBOT.joint_state_topic, 10)
    timer = client.create_timer(0.002, lambda: gripper.publish(JointState(name=["finger"], position=[0.4])))
    client.spin_for(2.0)
    graph.states[:] = [state for state in graph.states if len(state.position) == 6]
    assert graph.safety[-1].state == SafetyStatus.PASSED
    client.destroy_timer(timer)
    client.spin_for(0.1)
    second = lambda: gripper.publish(JointState(name=ROBOT.limits.joint_names, position=[0.1] * 6))  # noqa: E731
    client.create_timer(0.02, second)
    client.wait_for(lambda: graph.safety[-1].state == SafetyStatus.LATCHED, "the latch")
    client.spin_for(1.0)
    answer = client.call(Trigger, "teleop/reset", Trigger.Request())
    assert not answer.success
    assert "two publishers send this arm's joints on /joint_states, of /stand_in_arm, /test_client" in answer.message
