"""Faults of an arm's states, clock and driver, made by hand: the arm comes to rest and stays there until a reset."""

import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from rclpy.action.client import ActionClient
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from spirl_msgs.action import ExecuteSkill
from spirl_msgs.msg import SafetyStatus, SkillStatus
from spirl_ros.nodes.graph.messages import LATCHED_QOS
from tests.nodes.hand_made_arm import (
    HOME,
    HandMadeArm,
    from_the_past,
    not_a_number,
    one_missing,
    permuted_with_one_more,
    silent,
)
from tests.nodes.kitchen_bundle import HORIZON, write_kitchen_bundle

COMPLETED, STOPPED = ExecuteSkill.Result.COMPLETED, ExecuteSkill.Result.STOPPED


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return write_kitchen_bundle(tmp_path_factory.mktemp("bundles") / "first")


class Executor:
    """An executor of a hand-made arm, and what there is to see of it. Skills take a second, states may be 0.25 s
    old."""

    def __init__(self, client, start_node, bundle: Path, **parameters) -> None:
        self.client, self.arm = client, HandMadeArm(client)
        self.skills = client.collect(SkillStatus, "skill_status", LATCHED_QOS)
        self.feedback: list[ExecuteSkill.Feedback] = []
        parameters = {
            "bundle": bundle,
            "speed": 0.4,
            "max_age_s": 0.25,
            "max_missed": 12,
        } | parameters
        self.process = start_node("skill_executor", **parameters)
        self.action = ActionClient(client, ExecuteSkill, "execute_skill")
        client.wait_for(self.action.server_is_ready, "the action")

    def begin(self, latent=(0.5, 0.5)):
        """Send a goal and wait for its first step; returns what will hold the result."""
        self.feedback.clear()
        goal = ExecuteSkill.Goal(latent=[float(value) for value in latent])
        sent = self.action.send_goal_async(goal, lambda message: self.feedback.append(message.feedback))
        self.client.wait_for(sent.done, "the goal's answer")
        handle = sent.result()
        assert handle is not None
        result = handle.get_result_async()
        self.client.wait_for(lambda: self.feedback or result.done(), "motion")
        return result

    def end(self, result) -> ExecuteSkill.Result:
        self.client.wait_for(result.done, "the result")
        return result.result().result

    def execute(self, latent=(0.1, 0.1)) -> ExecuteSkill.Result:
        return self.end(self.begin(latent))

    def reset(self) -> Trigger.Response:
        return self.client.call(Trigger, "skill_executor/reset", Trigger.Request())

    def wait_until_ready(self) -> None:
        self.client.wait_for(lambda: self.skills and not self.skills[-1].reason, "an executor that is ready")

    def wait_for_latch(self) -> None:
        self.client.wait_for(lambda: self.skills[-1].state == SkillStatus.LATCHED, "the latch")


def test_states_are_mapped_by_name_in_any_order(client, start_here, bundle) -> None:
    executor = Executor(client, start_here, bundle)
    executor.arm.change = permuted_with_one_more
    executor.wait_until_ready()
    assert executor.execute().outcome == COMPLETED
    np.testing.assert_allclose(executor.arm.commands[0], HOME, atol=1e-12)
    assert np.abs(np.diff(executor.arm.commands, axis=0)).max() < 0.1


def test_every_fault_of_joint_states_latches_and_is_over_after_a_reset(client, start_here, bundle, reaction) -> None:
    executor = Executor(client, start_here, bundle)
    safety = client.collect(SafetyStatus, "safety_status", LATCHED_QOS)
    executor.wait_until_ready()
    for fault in (silent, not_a_number, one_missing, from_the_past):
        result = executor.begin()
        executor.arm.change = fault
        lost_s, safety[:] = time.monotonic(), []
        client.wait_for(lambda: safety and safety[-1].state >= SafetyStatus.HOLDING, "braking")
        reaction(f"joint states {fault.__name__}, may be 250 ms old, a step every 200 ms: braking", lost_s)
        ended = executor.end(result)
        assert ended.outcome == STOPPED and "fresh" in ended.message, fault.__doc__
        executor.wait_for_latch()
        assert np.isfinite(executor.arm.commands).all()
        assert fault is from_the_past or "the latch stays" in executor.reset().message
        executor.arm.change = lambda state: state
        commands = len(executor.arm.commands)
        client.spin_for(0.3)
        assert len(executor.arm.commands) == commands and executor.skills[-1].state == SkillStatus.LATCHED
        client.wait_for(lambda: executor.reset().success, "the reset")
        assert executor.execute().outcome == COMPLETED, fault.__doc__


def test_jumps_of_the_simulated_clock_change_nothing(client, start_here, bundle) -> None:
    """Ages are counted on the steady clock: neither the clock nor stamps from the future decide."""
    executor = Executor(client, start_here, bundle, use_sim_time=True)
    executor.wait_until_ready()
    result = executor.begin()
    executor.arm.offset_ns = 3_600_000_000_000
    assert executor.end(result).outcome == COMPLETED
    executor.arm.offset_ns = -3_600_000_000_000  # at rest: the arm's time may begin anew
    client.spin_for(0.1)
    client.wait_for(lambda: executor.execute().outcome == COMPLETED, "a skill")


def test_commands_beside_a_slow_simulator_last_as_long_in_its_time(client, start_here, bundle) -> None:
    """At half speed they came twice as often as they lasted, and a skill went two thirds of its way."""
    arm_period_s = 0.08  # the kitchen's
    executor = Executor(client, start_here, bundle, use_sim_time=True, speed=1.0)
    executor.arm.clock_speed = 0.5
    executor.wait_until_ready()
    executor.arm.commanded_ns.clear()
    assert executor.execute().outcome == COMPLETED
    # The clock comes every 0.01 s of its time, so one command may come that much late.
    periods_s = np.diff(executor.arm.commanded_ns) * 1e-9
    assert len(periods_s) >= HORIZON - 1 and np.median(periods_s) == pytest.approx(arm_period_s, abs=0.011)


def test_arm_that_is_not_ready_is_not_moved_and_nothing_resumes(client, start_here, bundle) -> None:
    running = client.create_publisher(Bool, "robot_program_running", LATCHED_QOS)
    protective_stop = client.create_publisher(Bool, "protective_stop", 1)
    executor = Executor(client, start_here, bundle, ready_topic="robot_program_running", fault_topic="protective_stop")
    client.wait_for(lambda: executor.skills, "the executor")
    assert "nothing was heard on robot_program_running yet" in executor.execute().message
    assert executor.arm.commands == []
    running.publish(Bool(data=True))
    executor.wait_until_ready()
    for begin_fault, end_fault, told in (
        (lambda: running.publish(Bool(data=False)), lambda: running.publish(Bool(data=True)), "running is false"),
        (
            lambda: protective_stop.publish(Bool(data=True)),
            lambda: protective_stop.publish(Bool(data=False)),
            "protective_stop is true",
        ),
    ):
        result = executor.begin()
        begin_fault()
        ended = executor.end(result)
        assert ended.outcome == STOPPED and told in ended.message and ended.steps < HORIZON
        executor.wait_for_latch()
        assert told in executor.reset().message
        end_fault()
        client.spin_for(0.2)
        assert executor.skills[-1].state == SkillStatus.LATCHED
        client.wait_for(lambda: executor.reset().success, "the reset")
        assert executor.execute().outcome == COMPLETED


def test_controller_managers_activity_needs_its_package(start_here, bundle) -> None:
    try:
        import controller_manager_msgs  # noqa: F401  # pyright: ignore[reportMissingImports]

        pytest.skip("controller_manager_msgs is installed")
    except ImportError:
        code, output = start_here("skill_executor", bundle=bundle, activity_topic="controller_manager/activity").wait()
    assert code == 2 and "ros-jazzy-controller-manager-msgs" in output
