"""Teleoperation beside the simulator, over DDS, moved by every kind of device."""

import os
import pty
import re
import signal
import time
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("mujoco")

from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import JointState, Joy
from std_msgs.msg import Bool, Float64MultiArray
from std_srvs.srv import Trigger

from spirl_msgs.msg import SafetyStatus, TaskStatus
from spirl_msgs.srv import StartRecording, StopRecording
from spirl_ros.kitchen.kinematics import KitchenKinematics
from spirl_ros.kitchen.scene import load_kitchen_scene
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS, stamp_ns
from spirl_ros.teleoperation.keyboard import SHORT_HELP

KINEMATICS = KitchenKinematics(load_kitchen_scene())
COMMANDS = "forward_position_controller/commands"


class Graph:
    """What there is to see of a simulator and a teleop node."""

    def __init__(self, client, start_node: Callable, max_steps: int = 1500, **parameters) -> None:
        self.client = client
        self.task = client.collect(TaskStatus, "task_status", LATCHED_QOS)
        self.joint_states = client.collect(JointState, "joint_states")
        self.actions = client.collect(Float64MultiArray, "operator_action")
        self.commands = client.collect(Float64MultiArray, COMMANDS)
        self.safety = client.collect(SafetyStatus, "safety_status", LATCHED_QOS)
        self.simulator = start_node("mujoco_sim", state_rate_hz=25.0, max_steps=max_steps)
        # States come late on a busy machine; what becomes of an arm that is not heard is a test of its own.
        self.teleop = start_node("teleop", max_age_s=2.0, **parameters)
        client.wait_for(lambda: self.joint_states and self.safety and len(self.commands) > 10, "the graph")

    @property
    def tool_position(self) -> np.ndarray:
        return KINEMATICS.forward(np.array(self.joint_states[-1].position[:7])).position

    def move_by(self, send: Callable[[], object], axis: int, distance_m: float) -> None:
        """Send, twenty times a second, until the tool has moved."""
        start = self.tool_position

        def has_moved() -> bool:
            send()
            self.client.spin_for(0.05)
            return abs((self.tool_position - start)[axis]) > abs(distance_m)

        self.client.wait_for(has_moved, f"motion along axis {axis}")
        moved = self.tool_position - start
        assert moved[axis] * distance_m > 0.0
        assert np.abs(np.delete(moved, axis)).max() < 0.4 * abs(moved[axis])

    def rest(self) -> None:
        """Wait until the arm has stood still for half a second of its own time; one slow moment is no rest."""

        def stands_still() -> bool:
            newest = stamp_ns(self.joint_states[-1].header.stamp)
            recent = [s for s in self.joint_states if stamp_ns(s.header.stamp) > newest - 500_000_000]
            return len(recent) > 5 and max(abs(v) for s in recent for v in s.velocity[:7]) < 0.05

        self.client.wait_for(stands_still, "the arm to come to rest")


def twist(x: float = 0.0, y: float = 0.0, z: float = 0.0, frame: str = "") -> TwistStamped:
    message = TwistStamped()
    message.header.frame_id = frame
    message.twist.linear.x, message.twist.linear.y, message.twist.linear.z = x, y, z
    return message


def test_twists_move_the_tool_and_their_end_brakes_it(client, start_here) -> None:
    graph = Graph(client, start_here, keyboard="none")
    publisher = client.create_publisher(TwistStamped, "teleop/delta_twist_cmds", COMMAND_QOS)
    gripper = client.create_publisher(Bool, "teleop/gripper_open", COMMAND_QOS)
    graph.move_by(lambda: publisher.publish(twist(x=0.2)), axis=0, distance_m=0.1)
    # 0.1 s for the dead-man, one control step, 0.1 s to slow down, and what a busy machine is late.
    client.spin_for(0.7)
    before, last = (np.array(command.data[:7]) for command in graph.commands[-2:])
    assert np.abs(last - before).max() < 0.005
    graph.move_by(lambda: publisher.publish(twist(x=0.2, frame="operator")), axis=1, distance_m=0.05)
    graph.rest()
    at_rest = graph.tool_position
    for refused in (twist(x=float("nan")), twist(x=0.2, frame="camera")):
        publisher.publish(refused)
        client.spin_for(1.2)  # the same complaint is made once a second
    assert np.linalg.norm(graph.tool_position - at_rest) < 0.01
    graph.move_by(lambda: publisher.publish(twist(z=0.2, frame="tool")), axis=1, distance_m=0.05)
    gripper.publish(Bool(data=False))
    client.wait_for(lambda: graph.joint_states[-1].position[7] < 0.01, "the gripper to close")
    assert {status.state for status in graph.safety} <= {SafetyStatus.PASSED, SafetyStatus.HOLDING}
    code, output = graph.teleop.end(signal.SIGINT)
    assert code == 0
    assert "expected 3 finite values" in output
    assert "frame_id is 'camera', expected world (or empty), tool, or operator" in output


def test_every_command_follows_its_intended_action_in_one_control_step(client, start_here) -> None:
    simulator = start_here("mujoco_sim", rate="lockstep")
    order: list[str] = []
    statuses = client.collect(TaskStatus, "task_status", 100)
    client.create_subscription(Float64MultiArray, "operator_action", lambda _: order.append("action"), 10)
    client.create_subscription(Float64MultiArray, COMMANDS, lambda _: order.append("command"), 10)
    start_here("teleop", keyboard="none", max_age_s=2.0)
    client.wait_for(lambda: len(statuses) >= 12, "control steps")
    steps = [status.step for status in statuses]
    assert steps == list(range(steps[0], steps[0] + len(steps)))
    assert abs(order.count("action") - order.count("command")) <= 1
    simulator.end()


def test_gamepad_moves_the_tool_only_with_its_dead_man_and_its_buttons_call_services(client, start_here) -> None:
    calls: list[str] = []

    def record(name: str):
        def answer(request, response):
            calls.append(name if name != "stop" else f"stop {request.is_success}")
            response.success, response.message = True, f"{name} done"
            if name == "stop":
                response.path = f"recordings/episode_{calls.count('stop True'):06}"
            return response

        return answer

    client.create_service(StartRecording, "start_recording", record("start"))
    client.create_service(StopRecording, "stop_recording", record("stop"))
    client.create_service(Trigger, "discard_recording", record("discard"))
    graph = Graph(client, start_here, keyboard="none", gamepad="xbox")
    publisher = client.create_publisher(Joy, "joy", 10)

    def joy(along: float, *held: int) -> Joy:
        return Joy(axes=[0.0, along, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], buttons=[int(i in held) for i in range(11)])

    at_rest = graph.tool_position
    for _ in range(10):
        publisher.publish(joy(1.0))
        client.spin_for(0.05)
    assert np.linalg.norm(graph.tool_position - at_rest) < 0.01
    publisher.publish(joy(0.0, 4))  # a stick counts once it was seen at rest
    client.spin_for(0.1)
    graph.move_by(lambda: publisher.publish(joy(1.0, 4)), axis=1, distance_m=0.08)
    for button, expected in ((7, "start"), (3, "stop True"), (2, "stop False"), (6, "discard")):
        publisher.publish(joy(0.0, button))
        client.wait_for(lambda expected=expected: calls and calls[-1] == expected, f"a call of {expected}")
        publisher.publish(joy(0.0))
    episode = client.collect(TaskStatus, "task_status", LATCHED_QOS)
    publisher.publish(joy(0.0, 8))
    client.wait_for(lambda: episode and episode[-1].episode == 2 and episode[-1].step > 3, "the scene's reset")
    client.wait_for(lambda: graph.safety[-1].state == SafetyStatus.PASSED, "the arm to be ready again")
    _, output = graph.teleop.end()
    # The recorder's status, which tells how many there are, may come too late for who ends at once.
    assert "2 episodes recorded. Next: spirl demos import recordings --out" in output


def test_keys_of_a_terminal_move_the_tool_and_the_terminal_is_given_back(
    client, start_node, domain_environment
) -> None:
    person, program = pty.openpty()
    os.set_blocking(person, False)
    before = os.popen(f"stty cols 120 rows 30 < {os.ttyname(program)}; stty -g < {os.ttyname(program)}").read()
    domain_environment["SPIRL_TERMINAL"] = os.ttyname(program)
    graph = Graph(client, start_node)
    graph.move_by(lambda: os.write(person, b"d"), axis=0, distance_m=0.08)
    graph.rest()
    graph.move_by(lambda: os.write(person, b"\x1b[5~"), axis=2, distance_m=0.05)
    os.write(person, b"g")
    client.wait_for(lambda: graph.joint_states[-1].position[7] < 0.01, "the gripper to close")
    os.write(person, b"t")  # there is no recorder
    screen = ""

    def has_drawn_status() -> bool:
        nonlocal screen
        try:
            screen += os.read(person, 65536).decode()
        except BlockingIOError:
            pass
        return "no recorder | 0/4 done" in screen and "| closed" in screen

    client.wait_for(has_drawn_status, "the status line")
    assert "letting go brakes" in screen and SHORT_HELP in screen
    client.spin_for(0.3)
    os.write(person, b"q")
    code, output = graph.teleop.wait()
    assert code == 0
    assert "there is no service start_recording" in output
    assert os.popen(f"stty -g < {os.ttyname(program)}").read() == before
    os.close(person)
    os.close(program)


def test_lost_joint_states_latch_until_somebody_releases_the_latch(client, start_node, domain_environment) -> None:
    person, program = pty.openpty()
    os.set_blocking(person, False)
    domain_environment["SPIRL_TERMINAL"] = os.ttyname(program)
    graph = Graph(client, start_node, max_steps=20)
    screen = ""

    def says_that_time_is_up() -> bool:
        nonlocal screen
        try:
            screen += os.read(person, 65536).decode()
        except BlockingIOError:
            pass
        return "time is up" in screen

    client.wait_for(says_that_time_is_up, "the episode's end")
    os.write(person, b"t")  # nothing could be imported of it
    os.kill(graph.simulator.process.pid, signal.SIGSTOP)
    client.wait_for(lambda: graph.safety[-1].state == SafetyStatus.LATCHED, "the latch")
    states = [status.state for status in graph.safety]
    assert states.index(SafetyStatus.HOLDING) < states.index(SafetyStatus.LATCHED)
    os.kill(graph.simulator.process.pid, signal.SIGCONT)
    time.sleep(0.5)
    client.spin_for(0.5)
    assert graph.safety[-1].state == SafetyStatus.LATCHED
    os.write(person, b"c")
    client.wait_for(lambda: graph.safety[-1].state == SafetyStatus.PASSED, "the latch to be released")
    code, output = graph.teleop.end(signal.SIGINT)
    assert code == 0
    assert "LATCHED: no joint state for" in output and "Press c, or call ~/reset, to release the latch" in output
    # The simulator goes on counting until the key is read.
    assert re.search(r"not recorded: the episode is over \(0/4 done, step \d+/20 time is up\)\. Press b", output)
    os.close(person)
    os.close(program)
