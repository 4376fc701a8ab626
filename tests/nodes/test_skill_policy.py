"""The skill policy with simulator and executor: in one process, or in three where one of them is lost or real time
counts."""

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.action.client import ActionClient
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from spirl_msgs.action import RunEpisode
from spirl_msgs.msg import SceneState, Skill, SkillStatus, TaskStatus
from spirl_msgs.srv import ResetScene, SetTask
from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.kitchen.environment import KitchenConfig, KitchenEnvironment
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.nodes.graph.messages import LATCHED_QOS, stamp_ns
from spirl_ros.shipped import shipped
from spirl_ros.tasks.skill_environment import SkillEnvironment
from tests.nodes.kitchen_bundle import HORIZON, POLICY_MEAN, PRIOR_MEAN, write_kitchen_bundle

EVERYTHING = QoSProfile(depth=5000)
PATIENCE_S = 1.5
HANGING_POLICY = "tests.nodes.hanging_node skill_policy SkillPolicyNode"


class Graph:
    """What there is to see of a simulator, an executor and a policy."""

    def __init__(
        self,
        client,
        start_node: Callable,
        bundle: Path,
        rate: str,
        limit: int = 280,
        policy_node: str = "skill_policy",
        **policy,
    ) -> None:
        self.client = client
        self.commands = client.collect(Float64MultiArray, "forward_position_controller/commands", EVERYTHING)
        self.joint_states = client.collect(JointState, "joint_states", EVERYTHING)
        self.scene_states = client.collect(SceneState, "scene_state", EVERYTHING)
        self.skills = client.collect(Skill, "skill", EVERYTHING)
        self.task = client.collect(TaskStatus, "task_status", LATCHED_QOS)
        self.executed = client.collect(SkillStatus, "skill_status", LATCHED_QOS)
        self.feedback: list[RunEpisode.Feedback] = []
        self.simulator = start_node("mujoco_sim", rate=rate, max_steps=limit)
        # On a busy machine the simulator's states are late.
        self.executor = start_node("skill_executor", rate=rate, bundle=bundle, max_age_s=1.0)
        self.policy = start_node(policy_node, rate=rate, bundle=bundle, patience_s=PATIENCE_S, **policy)
        self.action = ActionClient(client, RunEpisode, "run_episode")
        client.wait_for(self.action.server_is_ready, "the action")
        client.wait_for(lambda: self.task and self.executed and not self.executed[-1].reason, "simulator and executor")

    def send(self, task: str = "", episodes: int = 1, seed: int = 0):
        """Send a goal and return its handle."""
        goal = RunEpisode.Goal(task=task, episodes=episodes, use_seed=True, seed=seed)
        future = self.action.send_goal_async(goal, lambda message: self.feedback.append(message.feedback))
        self.client.wait_for(future.done, "the goal's answer")
        handle = future.result()
        assert handle is not None
        return handle

    def result(self, handle, deadline_s: float = 60.0) -> RunEpisode.Result:
        future = handle.get_result_async()
        self.client.wait_for(future.done, "the goal's result", deadline_s)
        return future.result().result

    def run(self, **goal) -> RunEpisode.Result:
        return self.result(self.send(**goal))

    def wait_for_idle(self) -> None:
        self.client.wait_for(lambda: self.executed[-1].state == SkillStatus.IDLE, "rest without a latch")

    def wait_for_skill(self) -> None:
        """Until another skill is sent."""
        sent = len(self.skills)
        self.client.wait_for(lambda: len(self.skills) > sent, "a skill")

    def choose_task(self, task: str) -> None:
        """What the page's buttons for the next task do."""
        assert self.client.call(SetTask, "set_task", SetTask.Request(task=task)).success
        assert self.client.call(ResetScene, "reset_scene", ResetScene.Request()).success

    def wait_for_motion(self) -> None:
        self.client.wait_for(lambda: self.executed[-1].state == SkillStatus.EXECUTING, "motion")


class Remembering(KitchenEnvironment):
    """Keeps every command and what was measured after it."""

    def __init__(self, config: KitchenConfig) -> None:
        self.commands: list[np.ndarray] = []
        self.observations: list[np.ndarray] = []
        super().__init__(config)

    def step_command(self, joint_command):
        self.commands.append(np.array(joint_command))
        return super().step_command(joint_command)

    def finish_step(self):
        result = super().finish_step()
        self.observations.append(result.observation)
        return result


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return write_kitchen_bundle(tmp_path_factory.mktemp("bundles") / "bundle", policy="works")


def test_lockstep_episode_is_that_of_the_rollout_in_process(client, start_node) -> None:
    """Observations, latents and commands of the shipped policy, for a whole episode, to the last bit."""
    folder = shipped("models/kitchen")
    graph = Graph(client, start_node, folder, "lockstep")
    result = graph.run(task="kitchen", seed=5)

    loaded = load_bundle(folder, "cpu")
    assert loaded.policy is not None
    environment, latents = Remembering(KitchenConfig("kitchen")), []
    rollout = SkillEnvironment(environment, KITCHEN.robot.safe_arm(), loaded.executor())
    environment.observations[:] = [rollout.reset(seed=5)]
    while not environment.has_ended:
        completed = environment.progress.completed_in_order
        latents.append(loaded.policy.distribution(rollout.observe(), completed).latent)
        rollout.execute(latents[-1])

    steps, in_order = environment.step_count, environment.progress.completed_in_order
    assert result.success and result.message == ""
    assert (list(result.completed_in_order), list(result.steps)) == ([in_order], [steps])
    client.wait_for(lambda: len(graph.commands) >= steps, "all commands")
    np.testing.assert_array_equal([command.data for command in graph.commands], environment.commands)
    client.wait_for(lambda: graph.task[-1].terminated, "the last status")
    end_ns = stamp_ns(graph.task[-1].header.stamp)
    for states in graph.joint_states, graph.scene_states:
        client.wait_for(lambda states=states: stamp_ns(states[-1].header.stamp) == end_ns, "the last state")
    # The state before the reset comes first; repeated states have the same stamp.
    joints = {stamp_ns(state.header.stamp): state.position for state in graph.joint_states}
    scenes = {stamp_ns(state.header.stamp): state.position for state in graph.scene_states}
    observed = [np.concatenate((joints[stamp], scenes[stamp])) for stamp in sorted(joints)[-steps - 1 :]]
    np.testing.assert_array_equal(observed, environment.observations)
    np.testing.assert_array_equal([skill.latent for skill in graph.skills], latents)
    assert [skill.skill_id for skill in graph.skills] == [*range(1, len(latents) + 1)]
    assert all(skill.source == Skill.SOURCE_POLICY and 0.0 < skill.prior_divergence < 100.0 for skill in graph.skills)
    # Feedback came with each subtask.
    completed = list(graph.task[-1].completed)
    told = [list(feedback.completed) for feedback in graph.feedback]
    assert all(completed[:count] in told for count in range(1, len(completed)))


def test_episodes_follow_each_other_and_seeds_count_up(client, start_here, bundle) -> None:
    graph = Graph(client, start_here, bundle, "lockstep", limit=13)
    result = graph.run(episodes=2, seed=30)
    assert result.success and list(result.steps) == [13, 13] and list(result.completed_in_order) == [0, 0]
    assert graph.task[-1].seed == 31 and graph.task[-1].truncated
    # 13 steps are two skills of 5 and the beginning of a third.
    assert [skill.skill_id for skill in graph.skills] == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose([skill.latent for skill in graph.skills], [POLICY_MEAN] * 6, atol=1e-5)
    assert graph.skills[0].prior_divergence == pytest.approx(2.017, abs=1e-3)
    # The next run goes on counting, so that no skill is taken for another.
    assert graph.run(seed=1).success
    assert graph.skills[-1].skill_id == 9


def test_in_realtime_a_skill_follows_the_last_step_of_the_one_before(client, start_node, bundle) -> None:
    """A busy machine may be late now and then; without the lead there would be a control step between any two
    skills."""
    graph = Graph(client, start_node, bundle, "realtime", limit=60, lead_s=0.06)
    assert graph.run().success
    told = [(status.state, status.skill_id, status.step) for status in graph.executed]
    pairs = [(before[1:], after[1:]) for before, after in zip(told[:-1], told[1:], strict=True)]
    assert any(((skill_id, HORIZON), (skill_id + 1, 1)) in pairs for skill_id in range(1, 12))
    assert {state for state, *_ in told} == {SkillStatus.IDLE, SkillStatus.EXECUTING}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_lost_executor_ends_the_goal_in_time_and_a_new_one_can_be_used(
    client, start_node, bundle, reaction, number
) -> None:
    graph = Graph(client, start_node, bundle, "realtime")
    handle = graph.send()
    graph.wait_for_motion()
    graph.executor.process.send_signal(number)
    lost_s = time.monotonic()
    result = graph.result(handle, deadline_s=PATIENCE_S + 5.0)
    reaction(f"executor {number.name}: the policy with a patience of {PATIENCE_S:g} s gives up", lost_s)
    assert not result.success and "nothing from the skill executor for" in result.message
    graph.executor.kill()
    graph.executed.clear()
    start_node("skill_executor", rate="realtime", bundle=bundle, max_age_s=1.0)
    client.wait_for(lambda: graph.executed and not graph.executed[-1].reason, "a new executor")
    graph.send()
    graph.wait_for_motion()
    assert graph.executed[-1].skill_id > 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGUSR1], ids=["killed", "stopped", "hung"])
def test_lost_policy_leaves_the_arm_at_rest_after_the_skill_under_way(
    client, start_node, bundle, reaction, number
) -> None:
    graph = Graph(client, start_node, bundle, "realtime", policy_node=HANGING_POLICY)
    graph.send()
    graph.wait_for_motion()
    graph.policy.process.send_signal(number)
    lost_s = time.monotonic()
    client.wait_for(lambda: graph.executed[-1].state == SkillStatus.IDLE, "the skill's end")
    reaction(f"policy {number.name}: the arm has finished its skill", lost_s)
    client.spin_for(0.5)
    assert graph.executed[-1].state == SkillStatus.IDLE and graph.executed[-1].step == HORIZON
    sent = len(graph.commands)
    client.spin_for(PATIENCE_S)
    assert len(graph.commands) == sent
    assert max(abs(velocity) for velocity in graph.joint_states[-1].velocity[:7]) < 0.1
    if number == signal.SIGSTOP:
        graph.policy.process.send_signal(signal.SIGCONT)
        client.spin_for(1.0)
        assert len(graph.commands) == sent  # what it hears is fresh again, and still it does not go on by itself
    else:
        graph.policy.kill()
        diagnostics = client.collect(DiagnosticArray, "/diagnostics")
        start_node("skill_policy", rate="realtime", bundle=bundle)
        client.wait_for(
            lambda: any(status.name == "skill_policy: active" for array in diagnostics for status in array.status),
            "a new policy",
        )
        client.spin_for(0.5)
        assert len(graph.commands) == sent
    assert client.call(Trigger, "skill_policy/start", Trigger.Request()).success
    graph.wait_for_motion()


def test_lost_simulator_ends_the_goal_in_time(client, start_node, bundle) -> None:
    graph = Graph(client, start_node, bundle, "lockstep")
    handle = graph.send()
    graph.wait_for_motion()
    graph.simulator.kill()
    result = graph.result(handle, deadline_s=PATIENCE_S + 5.0)
    assert not result.success and re.search(r"no observation for 1\.\d s", result.message), result.message


def test_graph_without_an_executor_is_not_waited_for_for_ever(client, start_here, bundle) -> None:
    start_here("mujoco_sim", rate="lockstep")
    policy = start_here("skill_policy", bundle=bundle, rate="lockstep", start="at_once", episodes=1, start_s=2.0)
    code, output = policy.wait()
    assert code == 3 and "waited 2 s for a skill executor" in output


def test_cancel_and_its_service_twin_end_the_episode_and_bring_the_arm_to_rest(client, start_here, bundle) -> None:
    graph = Graph(client, start_here, bundle, "realtime")
    handle = graph.send()
    graph.wait_for_motion()
    second = graph.run()
    assert not second.success and "episodes are under way" in second.message
    canceled = handle.cancel_goal_async()
    client.wait_for(canceled.done, "the cancellation")
    result = graph.result(handle)
    assert not result.success and result.message == "canceled by the client"
    client.wait_for(lambda: graph.executed[-1].state == SkillStatus.IDLE, "rest")
    client.spin_for(0.3)
    assert max(abs(velocity) for velocity in graph.joint_states[-1].velocity[:7]) < 0.1
    # No latch: the twin of the action moves the arm again.
    sent = len(graph.skills)
    assert client.call(Trigger, "skill_policy/start", Trigger.Request()).success
    client.wait_for(lambda: len(graph.skills) > sent + 1, "skills")
    assert "under way" in client.call(Trigger, "skill_policy/start", Trigger.Request()).message
    assert client.call(Trigger, "skill_policy/stop", Trigger.Request()).success
    client.wait_for(lambda: graph.executed[-1].state == SkillStatus.IDLE, "rest")
    assert "no episode is under way" in client.call(Trigger, "skill_policy/stop", Trigger.Request()).message


def test_endless_run_that_was_stopped_waits_to_be_started_again(client, start_here, bundle) -> None:
    """A person who presses stop in the demo does not want it to end."""
    graph = Graph(client, start_here, bundle, "lockstep", start="at_once")
    graph.wait_for_motion()
    assert client.call(Trigger, "skill_executor/stop", Trigger.Request()).success
    client.wait_for(lambda: graph.executed[-1].state == SkillStatus.LATCHED, "the latch")
    client.spin_for(0.5)
    assert "latched: stopped by a service call. Release it" in graph.run().message
    # Start said that it begins, and a second later that it had stopped.
    refused = client.call(Trigger, "skill_policy/start", Trigger.Request())
    assert not refused.success and "latched: stopped by a service call. Release it" in refused.message
    assert client.call(Trigger, "skill_executor/reset", Trigger.Request()).success
    graph.wait_for_idle()
    sent = len(graph.skills)
    assert client.call(Trigger, "skill_policy/start", Trigger.Request()).success
    client.wait_for(lambda: len(graph.skills) > sent + 1, "skills")
    assert not graph.policy.has_ended


def test_prior_stands_in_for_a_policy_that_fails(client, start_here, tmp_path) -> None:
    bundle = write_kitchen_bundle(tmp_path / "bundle", policy="fails")
    graph = Graph(client, start_here, bundle, "lockstep", limit=10)
    assert graph.run().success
    assert [skill.source for skill in graph.skills] == [Skill.SOURCE_PRIOR] * 2
    np.testing.assert_allclose(graph.skills[0].latent, PRIOR_MEAN, atol=1e-5)
    assert np.isnan(graph.skills[0].prior_divergence)
    code, output = graph.policy.end()
    assert code == 0 and "the prior chooses: the policy's divergence from the prior is nan" in output


def test_policy_out_of_its_support_stops_where_that_was_asked_for(client, start_here, bundle) -> None:
    graph = Graph(client, start_here, bundle, "lockstep", fallback="stop", max_divergence=1.5)
    result = graph.run()
    assert not result.success and "2.0 nats from the prior, expected at most 1.5" in result.message
    assert graph.skills == [] and graph.commands == []


def test_task_and_goal_that_do_not_fit_are_refused_with_the_reason(client, start_here, bundle) -> None:
    graph = Graph(client, start_here, bundle, "lockstep", limit=5)
    assert "trained for microwave,kettle" in graph.run(task="kettle").message
    assert "light_switch" in graph.run(task="homework").message  # the simulator lists what there is
    assert "expected at least 1" in graph.run(episodes=0).message
    assert graph.run(task="kitchen").success


def test_executor_with_another_bundle_is_refused(client, start_here, bundle, tmp_path) -> None:
    other = write_kitchen_bundle(tmp_path / "other", name="other", policy="works")
    start_here("mujoco_sim", rate="lockstep")
    start_here("skill_executor", rate="lockstep", bundle=other)
    policy = start_here("skill_policy", rate="lockstep", bundle=bundle, start="at_once", episodes=1)
    code, output = policy.wait()
    assert code == 3 and "runs bundle 'other'" in output and "Load the same bundle in both" in output


@pytest.mark.parametrize("rate", ["realtime", "lockstep"])
def test_simulation_that_was_late_is_gone_on_with(client, start_node, bundle, rate) -> None:
    """The demo latched on a busy machine ("data is 1.192 s old") and stood still for good."""
    graph = Graph(client, start_node, bundle, rate, start="at_once", goes_on=True)
    graph.wait_for_motion()
    graph.simulator.process.send_signal(signal.SIGSTOP)
    client.spin_for(3.0)
    if rate == "realtime":  # in lockstep the policy is the first to lose patience, and has the skill canceled
        assert graph.executed[-1].state == SkillStatus.LATCHED
    graph.simulator.process.send_signal(signal.SIGCONT)
    graph.wait_for_idle()
    graph.wait_for_skill()
    # A person's stop is no fault: it stays.
    assert client.call(Trigger, "skill_executor/stop", Trigger.Request()).success
    client.wait_for(lambda: graph.executed[-1].state == SkillStatus.LATCHED, "the latch")
    client.spin_for(3.0)
    assert graph.executed[-1].state == SkillStatus.LATCHED
    assert client.call(Trigger, "skill_executor/reset", Trigger.Request()).success
    sent = len(graph.skills)
    client.spin_for(2.0)
    assert len(graph.skills) == sent
    assert client.call(Trigger, "skill_policy/start", Trigger.Request()).success
    graph.wait_for_skill()
    code, output = graph.policy.end()
    assert code == 0 and output.count("This is a simulation, which resumes automatically") == 1
    assert "resumes automatically with a new episode" in output
    assert "stopped after 0 episodes: the skill executor is" in output


@pytest.mark.parametrize("goes_on", [True, False])
def test_policy_that_cannot_do_the_task_says_so_and_waits(client, start_here, bundle, goes_on) -> None:
    """Next task slide_cabinet with the prior, then the policy: its process ended with 3, and the whole demo with it."""
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    graph = Graph(client, start_here, bundle, "lockstep", start="at_once", source="prior", goes_on=goes_on)
    graph.wait_for_motion()
    graph.choose_task("slide_cabinet")
    graph.wait_for_skill()
    to_policy = Parameter("source", value="policy").to_parameter_msg()
    client.call(SetParameters, "skill_policy/set_parameters", SetParameters.Request(parameters=[to_policy]))
    for transition in ("DEACTIVATE", "CLEANUP", "CONFIGURE", "ACTIVATE"):
        request = ChangeState.Request(transition=Transition(id=getattr(Transition, f"TRANSITION_{transition}")))
        assert client.call(ChangeState, "skill_policy/change_state", request).success

    def is_told() -> bool:
        told = [status for array in diagnostics for status in array.status if status.name == "skill_policy: active"]
        return bool(told) and "the task is slide_cabinet, but the policy was trained for" in told[-1].message

    client.wait_for(is_told, "why it waits")
    sent = len(graph.skills)
    client.spin_for(2.0)
    assert len(graph.skills) == sent and not graph.policy.has_ended
    graph.choose_task("kitchen")
    if not goes_on:
        assert client.call(Trigger, "skill_policy/start", Trigger.Request()).success
    graph.wait_for_skill()
    code, output = graph.policy.end()
    assert code == 0 and "Traceback" not in output


def test_bundle_that_cannot_choose_ends_the_node_with_a_message(start_here, tmp_path) -> None:
    skills_alone = write_kitchen_bundle(tmp_path / "skills")
    for parameters, told in (
        ({}, "bundle is empty"),
        ({"bundle": tmp_path}, "is not a bundle"),
        ({"bundle": skills_alone}, "holds skills alone"),
    ):
        code, output = start_here("skill_policy", **parameters).wait()
        assert code == 2 and told in output


def test_without_a_task_an_episode_is_a_number_of_control_steps_from_where_the_arm_stands(
    client, start_here, bundle
) -> None:
    graph = Graph(client, start_here, bundle, "realtime", max_steps=2 * HORIZON)
    seed = graph.task[-1].seed
    result = graph.run(episodes=2, seed=seed + 5)
    assert result.success and list(result.steps) == [2 * HORIZON] * 2
    assert graph.task[-1].seed == seed  # nobody reset the scene
    assert "episodes have no task" in graph.run(task="kitchen").message


def test_prior_needs_no_policy_and_no_task_of_its_own(client, start_here, tmp_path) -> None:
    skills_alone = write_kitchen_bundle(tmp_path / "skills")
    graph = Graph(client, start_here, skills_alone, "lockstep", limit=10, source="prior", latent="sample")
    assert graph.run(task="kettle,microwave", seed=4).success
    generator = np.random.default_rng(4)
    expected = [PRIOR_MEAN + np.exp(-3.0) * generator.standard_normal(2) for _ in range(2)]
    np.testing.assert_allclose([skill.latent for skill in graph.skills], expected, atol=1e-5)
    assert all(skill.source == Skill.SOURCE_PRIOR and np.isnan(skill.prior_divergence) for skill in graph.skills)
    # Switched to the policy that is not there, on the page for example, the node was left without a configuration.
    to_policy = Parameter("source", value="policy").to_parameter_msg()
    answer = client.call(SetParameters, "skill_policy/set_parameters", SetParameters.Request(parameters=[to_policy]))
    assert not answer.results[0].successful and "the bundle holds skills alone" in answer.results[0].reason
    assert graph.run(seed=4).success


def test_reason_why_a_run_failed_stays_in_the_diagnostics_until_the_next_start(client, start_here, bundle) -> None:
    """The policy gave up when another task was chosen; its terminal alone said why, and diagnostics were OK."""
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    graph = Graph(client, start_here, bundle, "lockstep", limit=5)

    def newest() -> DiagnosticStatus:
        def told() -> list[DiagnosticStatus]:
            return [array.status[0] for array in diagnostics if array.status[0].name.startswith("skill_policy")]

        diagnostics.clear()
        client.wait_for(told, "diagnostics")
        return told()[-1]

    assert not graph.run(task="kettle").success
    failed = newest()
    assert failed.level == DiagnosticStatus.WARN
    assert "the last run stopped after 0 episodes: the task is kettle, but" in failed.message
    assert graph.run(task="kitchen").success
    ended = newest()
    assert ended.level == DiagnosticStatus.OK and ended.message.startswith("waiting")


def test_end_that_was_asked_for_is_no_error(client, start_here, bundle) -> None:
    """A pause was logged as an error, and what it had cut off was not known any more."""
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    graph = Graph(client, start_here, bundle, "lockstep")
    assert client.call(Trigger, "skill_policy/start", Trigger.Request()).success
    graph.wait_for_motion()
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert client.call(ChangeState, "skill_policy/change_state", request).success

    def is_told() -> bool:
        told = [status for array in diagnostics for status in array.status if "skill_policy: inactive" in status.name]
        return bool(told) and [(value.key, value.value) for value in told[-1].values] == [("run of ~/start", "cut off")]

    client.wait_for(is_told, "what was cut off")
    code, output = graph.policy.end()
    assert code == 0 and "ERROR" not in output
    assert "ended after 0 episodes: the skill policy was deactivated" in output
