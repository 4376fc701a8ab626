"""The skill executor beside the simulator, over DDS; in processes where one is lost or compared."""

import signal
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from spirl_msgs.action import ExecuteSkill
from spirl_msgs.msg import Skill, SkillStatus
from spirl_msgs.srv import LoadBundle, ResetScene
from spirl_ros.control.skill_executor import SkillExecutor
from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.kitchen.environment import KitchenConfig, KitchenEnvironment
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.nodes.graph.messages import COMMAND_QOS, stamp_ns
from spirl_ros.tasks.skill_environment import SkillEnvironment
from tests.nodes.kitchen_bundle import HORIZON, write_kitchen_bundle
from tests.nodes.skill_graph import SkillGraph


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return write_kitchen_bundle(tmp_path_factory.mktemp("bundles") / "first")


def test_lockstep_sends_the_commands_of_the_skill_environment(client, start_node, bundle) -> None:
    graph = SkillGraph(client, start_node, bundle, "lockstep")
    client.call(ResetScene, "reset_scene", ResetScene.Request(use_seed=True, seed=7))
    client.wait_for(lambda: graph.task[-1].seed == 7, "the reset")
    latents = [(1.0, 0.5), (-0.5, 1.0)]
    # The executor may hear of the reset later than this test, so the first skill says what it was chosen on.
    first = graph.result(graph.send(latents[0], stamp_ns(graph.task[-1].header.stamp)))
    results = [first, graph.execute(latents[1])]

    loaded = load_bundle(bundle, "cpu")
    executor = SkillExecutor(loaded.decoder, HORIZON, 2, 30, 9)
    expected: list[np.ndarray] = []

    class Remembering(KitchenEnvironment):
        def step_command(self, joint_command):
            expected.append(np.array(joint_command))
            return super().step_command(joint_command)

    kitchen = Remembering(KitchenConfig("kitchen"))
    environment = SkillEnvironment(kitchen, KITCHEN.robot.safe_arm(), executor)
    environment.reset(seed=7)
    for latent in latents:
        last = environment.execute(np.array(latent))
    assert [(result.outcome, result.steps, result.message) for result in results] == [(0, HORIZON, "")] * 2
    client.wait_for(lambda: len(graph.commands) >= 2 * HORIZON, "all commands")
    np.testing.assert_array_equal([command.data for command in graph.commands], expected)
    client.wait_for(lambda: graph.task[-1].step == 2 * HORIZON, "the last step")
    np.testing.assert_array_equal(graph.joint_states[-1].position, last.observation[:9])
    assert [feedback.step for feedback in graph.feedback] == [*range(1, HORIZON + 1)] * 2


def test_executor_that_is_ended_answers_the_goal_under_way(client, start_node, bundle) -> None:
    """Its client waited for ever, and the terminal had a warning of rclpy's instead of an answer."""
    graph = SkillGraph(client, start_node, bundle, "realtime")
    future = graph.begin([0.5, 0.4]).get_result_async()
    graph.feedback.clear()
    client.wait_for(lambda: graph.feedback, "another step")
    code, output = graph.executor.end(signal.SIGINT)
    assert code == 0 and "Warning" not in output
    client.wait_for(future.done, "the goal's result")
    assert "the skill executor was deactivated" in future.result().result.message


def test_bad_and_second_goals_are_refused_with_the_reason(client, start_here, bundle) -> None:
    graph = SkillGraph(client, start_here, bundle, "realtime")
    assert "finite numbers" in graph.execute((float("nan"), 0.0)).message
    assert "expected (2,)" in graph.execute((0.0, 0.0, 0.0)).message
    first = graph.send((0.2, 0.2))
    second = graph.execute((0.0, 0.1))
    assert "a goal is under way" in second.message and second.steps == 0
    result = graph.result(first)
    assert (result.outcome, result.steps) == (ExecuteSkill.Result.COMPLETED, HORIZON)
    drawn = graph.execute()
    np.testing.assert_allclose(drawn.latent, (0.2, -0.1), atol=0.3)  # six standard deviations of 0.05
    assert drawn.outcome == ExecuteSkill.Result.COMPLETED


def test_goal_replaces_the_one_under_way_when_told_so(client, start_here, bundle) -> None:
    graph = SkillGraph(client, start_here, bundle, "realtime", second_goal="replace")
    first = graph.send((0.2, 0.2))
    client.wait_for(lambda: graph.feedback, "the first step")
    second = graph.send((0.0, 0.1))
    result = graph.result(first)
    assert result.outcome == ExecuteSkill.Result.CANCELED and 0 < result.steps < HORIZON
    assert graph.result(second).steps == HORIZON


def test_first_command_is_the_measured_position_and_cancel_brakes(client, start_node, bundle) -> None:
    graph = SkillGraph(client, start_node, bundle, "realtime")
    # The first command of all may come before this client is matched; that after a reset follows the same rule.
    assert graph.trigger("stop").success
    graph.wait_for_state(SkillStatus.LATCHED)
    graph.commands.clear()
    graph.reset()
    client.wait_for(lambda: graph.commands, "the first command")
    client.spin_for(0.3)
    measured = np.array([state.position for state in graph.joint_states])
    # Of the seven joints; measurement noise puts the open fingers a little outside their range.
    assert np.abs(measured - graph.commands[0].data)[:, :7].max(axis=1).min() < 1e-9
    assert len(graph.commands) == 1  # and silence until there is a skill
    handle = graph.send((1.5, 1.0))
    client.wait_for(lambda: len(graph.feedback) >= 2, "motion")
    canceled = handle.cancel_goal_async()
    client.wait_for(canceled.done, "the cancellation")
    result = graph.result(handle)
    assert result.outcome == ExecuteSkill.Result.CANCELED and result.message == "canceled by the client"
    assert 2 <= result.steps < HORIZON
    client.wait_for(lambda: graph.speed < 0.05, "rest")
    # No latch: the next goal moves the arm, and the service does the same as the action.
    handle = graph.begin((1.5, 1.0))
    assert graph.trigger("cancel").success
    result = graph.result(handle)
    assert result.outcome == ExecuteSkill.Result.CANCELED and result.message == "canceled by a service call"


def test_missing_joint_states_brake_and_latch_until_reset(client, start_node, bundle) -> None:
    graph = SkillGraph(client, start_node, bundle, "realtime", max_age_s=0.06)
    handle = graph.send((1.0, 1.0))
    client.wait_for(lambda: graph.feedback, "motion")
    graph.simulator.process.send_signal(signal.SIGSTOP)
    result = graph.result(handle)
    assert result.outcome == ExecuteSkill.Result.STOPPED and "fresh" in result.message + graph.safety[-1].reason
    graph.wait_for_state(SkillStatus.LATCHED)
    assert "the latch stays" in graph.trigger("reset").message
    sent = len(graph.commands)
    graph.simulator.process.send_signal(signal.SIGCONT)
    client.spin_for(0.5)
    assert len(graph.commands) == sent and "latched" in graph.execute((0.1, 0.1)).message
    graph.reset()
    assert graph.execute((0.1, 0.1)).outcome == ExecuteSkill.Result.COMPLETED


def test_stop_latches_and_streamed_skills_follow_each_other(client, start_here, bundle) -> None:
    graph = SkillGraph(client, start_here, bundle, "realtime")
    publisher = client.create_publisher(Skill, "skill", COMMAND_QOS)
    client.wait_for(lambda: publisher.get_subscription_count() == 1, "the executor")
    publisher.publish(Skill(skill_id=1, latent=[0.2, 0.0]))
    client.wait_for(lambda: graph.skills[-1].skill_id == 1 and graph.skills[-1].step >= 1, "skill 1")
    publisher.publish(Skill(skill_id=2, latent=[0.0, 0.2]))
    client.wait_for(lambda: graph.skills[-1].skill_id == 2 and graph.skills[-1].step == HORIZON, "skill 2")
    executing = [status for status in graph.skills if status.state == SkillStatus.EXECUTING]
    steps = [(status.skill_id, status.step) for status in executing]
    assert steps == [(skill, step) for skill in (1, 2) for step in range(1, HORIZON + 1)]  # no tick in between
    publisher.publish(Skill(skill_id=3, latent=[0.5, 0.5]))
    client.wait_for(lambda: graph.skills[-1].skill_id == 3 and graph.skills[-1].step >= 1, "skill 3")
    assert graph.trigger("stop").success
    graph.wait_for_state(SkillStatus.LATCHED)
    assert graph.skills[-1].reason == "stopped by a service call"
    publisher.publish(Skill(skill_id=4, latent=[0.5, 0.5]))
    client.spin_for(0.3)
    assert graph.skills[-1].state == SkillStatus.LATCHED and graph.skills[-1].skill_id == 3


def test_bundle_is_swapped_between_skills_and_a_bad_one_is_refused(client, start_here, bundle, tmp_path) -> None:
    graph = SkillGraph(client, start_here, bundle, "lockstep")
    other = write_kitchen_bundle(tmp_path / "other", name="other", scale=-1.0)
    damaged = write_kitchen_bundle(tmp_path / "damaged", name="damaged")
    with open(damaged / "skill_decoder.onnx", "ab") as file:
        file.write(b"x")
    refused = client.call(LoadBundle, "load_bundle", LoadBundle.Request(path=str(damaged)))
    assert not refused.success and "SHA-256" in refused.message and refused.bundle == "kitchen_test"
    graph.execute((1.0, 0.0))
    before = np.array(graph.commands[-1].data)
    swapped = client.call(LoadBundle, "load_bundle", LoadBundle.Request(path=str(other)))
    assert swapped.success and "runs now" in swapped.message
    graph.execute((1.0, 0.0))
    client.wait_for(lambda: graph.skills[-1].bundle == "other", "the other bundle")
    moved = np.array(graph.commands[-1].data) - before
    assert moved[0] < -0.05 and moved[2] > 0.05  # the first bundle moves them the other way


def test_trajectories_end_at_rest_and_a_killed_executor_leaves_the_arm_there(client, start_node, bundle) -> None:
    graph = SkillGraph(client, start_node, bundle, "realtime", command_interface="joint_trajectory")
    graph.send((1.5, 1.0))
    client.wait_for(lambda: len(graph.trajectories) >= 4, "trajectories")
    graph.executor.kill()
    for message in graph.trajectories:
        assert message.points and not any(message.points[-1].velocities)
        # One period after the command was due; it leaves at most half of one late.
        assert 40_000_000 <= message.points[0].time_from_start.nanosec <= 80_000_000
    assert any(message.points[0].velocities[0] > 0.5 for message in graph.trajectories)
    client.spin_for(0.6)
    at_rest = np.array(graph.joint_states[-1].position)
    client.spin_for(0.3)
    assert np.abs(np.array(graph.joint_states[-1].position) - at_rest).max() < 0.02


def test_killed_executor_leaves_the_position_controlled_arm_at_its_last_set_point(client, start_node, bundle) -> None:
    """A forward controller holds: the arm goes on to the set-point, at most one period of motion away, and rests."""
    graph = SkillGraph(client, start_node, bundle, "realtime")
    graph.send((1.5, 1.0))
    client.wait_for(lambda: len(graph.feedback) >= 3, "motion")
    graph.executor.kill()
    client.spin_for(0.8)
    sent, at_rest = len(graph.commands), np.array(graph.joint_states[-1].position)
    client.spin_for(0.3)
    assert len(graph.commands) == sent
    assert np.abs(np.array(graph.joint_states[-1].position) - at_rest).max() < 0.02
    # A new executor takes over where the arm stands, and does nothing by itself.
    graph.skills.clear()
    start_node("skill_executor", bundle=bundle)
    client.wait_for(lambda: graph.skills and not graph.skills[-1].reason, "a new executor that is ready")
    client.spin_for(0.4)
    assert len(graph.commands) <= sent + 1
    assert np.abs(np.array(graph.joint_states[-1].position) - at_rest).max() < 0.05


def test_deactivation_brakes_and_ends_the_goal(client, start_here, bundle) -> None:
    graph = SkillGraph(client, start_here, bundle, "realtime")
    handle = graph.send((1.5, 1.0))
    client.wait_for(lambda: len(graph.feedback) >= 2, "motion")
    change = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert client.call(ChangeState, "skill_executor/change_state", change).success
    result = graph.result(handle)
    assert result.outcome == ExecuteSkill.Result.STOPPED and result.message == "the skill executor was deactivated"
    client.wait_for(lambda: graph.speed < 0.05, "rest")
    change.transition.id = Transition.TRANSITION_ACTIVATE
    assert client.call(ChangeState, "skill_executor/change_state", change).success
    graph.skills.clear()
    client.wait_for(lambda: graph.skills and not graph.skills[-1].reason, "an executor that is ready")
    assert graph.execute((0.1, 0.1)).outcome == ExecuteSkill.Result.COMPLETED


def test_skill_does_not_wait_for_ever_for_a_simulator_that_hangs_in_lockstep(client, start_node, bundle) -> None:
    graph = SkillGraph(client, start_node, bundle, "lockstep", lockstep_patience_s=0.8)
    graph.simulator.process.send_signal(signal.SIGSTOP)
    result = graph.execute((1.0, 1.0))
    assert result.outcome == ExecuteSkill.Result.STOPPED and "no new state for" in result.message
    assert result.steps == 1
    graph.wait_for_state(SkillStatus.LATCHED)


def test_skill_chosen_after_a_reset_waits_in_lockstep_until_the_executor_has_heard_of_it(client, start_here, bundle):
    """Training stood still when the executor learned of a reset a moment after the first skill of the new episode."""
    graph = SkillGraph(client, start_here, bundle, "lockstep", lockstep_patience_s=2.0)
    graph.execute((1.0, 1.0))
    client.wait_for(lambda: graph.task[-1].step == HORIZON, "the first skill's last step")
    sent, period_ns = len(graph.commands), 80_000_000
    ahead_ns = stamp_ns(graph.task[-1].header.stamp) + period_ns
    handle = graph.send((0.5, 0.5), ahead_ns)  # the moment that a reset will have
    client.spin_for(0.5)
    assert len(graph.commands) == sent
    assert client.call(ResetScene, "reset_scene", ResetScene.Request(use_seed=True, seed=1)).success
    result = graph.result(handle)
    assert (result.outcome, result.steps) == (ExecuteSkill.Result.COMPLETED, HORIZON)
    client.wait_for(lambda: (graph.task[-1].episode, graph.task[-1].step) == (2, HORIZON), "the new episode's steps")

    never_ns = stamp_ns(graph.task[-1].header.stamp) + period_ns
    result = graph.result(graph.send((0.5, 0.5), never_ns))
    assert result.steps == 0 and "the observation that the skill was chosen on has not come for" in result.message
    assert graph.execute((0.5, 0.5)).outcome == ExecuteSkill.Result.COMPLETED


def test_executor_without_a_bundle_or_for_other_joints_ends_with_a_message(start_here, bundle) -> None:
    code, output = start_here("skill_executor").wait()
    assert code == 2 and "bundle is empty" in output
    code, output = start_here("skill_executor", bundle=bundle, joint_names="a,b").wait()
    assert code == 2 and "but here are a, b" in output
