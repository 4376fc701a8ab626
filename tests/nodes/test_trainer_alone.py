"""The trainer with a learner that learns nothing, in one process with simulator and executor: how it goes through
episodes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from std_srvs.srv import Trigger

from spirl_msgs.msg import SkillStatus, TrainingStatus
from spirl_msgs.srv import LoadBundle, ResetScene, SetTask
from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.deployment.bundle_description import LatentModelDescription
from spirl_ros.kitchen.subtasks import TASKS
from spirl_ros.nodes.graph.messages import LATCHED_QOS
from spirl_ros.nodes.trainer import TrainerNode
from spirl_ros.rl.learner_link import LearnerLink, LearnerStatus, PolicyFile
from spirl_ros.rl.replay import SkillTransition
from spirl_ros.rl.skill_collection import SkillCollection
from tests.nodes.arm_bundle import write_arm_bundle
from tests.nodes.kitchen_bundle import POLICY_MEAN, write_kitchen_bundle
from tests.nodes.test_stand_in_arm import Arm, Executor

LIMIT = 12
"""Control steps of an episode: two skills of 5 and the beginning of a third."""


class Learner:
    """Says what a learner says, and keeps what it is given."""

    process_id = 0

    def __init__(self, skills: Path, file: PolicyFile, task: str, subtasks: tuple[str, ...]) -> None:
        self.file = file
        self.policy: PolicyFile | None = file
        self.status = LearnerStatus(is_ready=True, bundle=str(skills), subtasks=subtasks, task=task, seed=3)
        self.transitions: list[SkillTransition] = []
        self.rewards: list[float] = []
        self.has_to_wait = False
        """Whether updates are due after each episode."""
        self.has_ended = False

    @property
    def sent(self) -> int:
        return len(self.transitions)

    decisions = sent

    def poll(self) -> None: ...

    def add(self, transition: SkillTransition) -> None:
        self.transitions.append(transition)
        self.status.decisions += 1
        self.status.step += transition.steps

    def end_episode(self, completed_in_order: int, reward: float) -> None:
        self.rewards.append(reward)
        self.status.episodes += 1
        self.policy = None if self.has_to_wait else self.file

    def end(self) -> None:
        self.has_ended = True

    def close(self, patience_s: float) -> bool:
        return True


def start_trainer(start_here, learner: Any, out: Path, **parameters):
    def make_learner(arguments: list[str]) -> LearnerLink:
        return learner

    return start_here("trainer", make=lambda: TrainerNode(make_learner), out=out, **({"patience_s": 2.0} | parameters))


class Training:
    """A simulator, an executor and a trainer in this process, and what there is to see of them."""

    def __init__(self, client, start_here, bundle: Path, out: Path, limit: int = LIMIT, **parameters) -> None:
        self.client = client
        policy = bundle.with_name("policy")
        about = load_bundle(policy, "cpu").description.policy
        assert about is not None
        file = PolicyFile((policy / "policy.onnx").read_bytes(), about)
        self.learner = Learner(bundle, file, "kitchen", TASKS["kitchen"])
        self.statuses = client.collect(TrainingStatus, "training_status", LATCHED_QOS)
        self.skills = client.collect(SkillStatus, "skill_status", LATCHED_QOS)
        self.simulator = start_here("mujoco_sim", rate="lockstep", max_steps=limit)
        self.executor = start_here("skill_executor", rate="lockstep", bundle=bundle)
        self.trainer = start_trainer(start_here, self.learner, out, **parameters)

    def wait_for(self, condition, what: str) -> None:
        self.client.wait_for(lambda: self.statuses and condition(self.statuses[-1]), what)

    def wait_for_transitions(self) -> None:
        """Until the second skill of an episode is under way."""
        count = self.learner.sent + 1
        self.client.wait_for(lambda: self.learner.sent > count and self.learner.sent % 3 == 1, "transitions")

    def wait_for_pause(self, reason: str) -> None:
        self.wait_for(lambda status: status.state == TrainingStatus.PAUSED and reason in status.reason, reason)

    def trigger(self, name: str) -> Trigger.Response:
        return self.client.call(Trigger, name, Trigger.Request())

    def resume(self) -> None:
        assert self.trigger("trainer/resume").success
        self.wait_for_transitions()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """Skills, and beside them a bundle whose policy is the learner's."""
    folder = tmp_path_factory.mktemp("bundles")
    write_kitchen_bundle(folder / "policy", policy="works")
    return write_kitchen_bundle(folder / "skills")


@pytest.fixture
def training(client, start_here, bundle, tmp_path) -> Training:
    return Training(client, start_here, bundle, tmp_path / "run")


def test_each_skill_becomes_a_transition_and_each_episode_begins_where_the_task_does(training) -> None:
    learner = training.learner
    training.client.wait_for(lambda: len(learner.rewards) >= 2, "two episodes")
    assert [transition.steps for transition in learner.transitions[:6]] == [5, 5, 2] * 2
    assert [transition.truncated for transition in learner.transitions[:6]] == [False, False, True] * 2
    before, after = learner.transitions[:2]
    np.testing.assert_array_equal(before.next_observation["state"], after.observation["state"])
    # Drawn of the run's seed and the decision's number.
    for number, transition in enumerate(learner.transitions[:6]):
        noise = np.random.default_rng((3, number)).standard_normal(2)
        np.testing.assert_allclose(transition.latent, POLICY_MEAN + np.exp(-3.0) * noise, atol=1e-5)


def test_arm_stands_still_until_the_learner_has_caught_up(training) -> None:
    learner = training.learner
    learner.has_to_wait = True
    training.client.wait_for(lambda: learner.policy is None, "the end of an episode")
    training.client.spin_for(0.5)
    assert learner.sent == 3 and training.skills[-1].state == SkillStatus.IDLE
    learner.policy = learner.file
    training.client.wait_for(lambda: learner.sent > 3, "the next episode")


def test_pause_drops_the_episode_and_lasts_until_resumed(training) -> None:
    training.wait_for_transitions()
    assert training.trigger("trainer/pause").success
    training.wait_for_pause("paused by a service call")
    sent = training.learner.sent
    training.client.spin_for(0.5)
    assert training.learner.sent == sent and training.skills[-1].state == SkillStatus.IDLE
    assert "nothing waits for a reset" in training.trigger("trainer/confirm_reset").message
    training.resume()
    assert "not paused" in training.trigger("trainer/resume").message


def test_lost_executor_pauses_and_another_one_is_given_the_skills_of_the_run(
    training, start_here, client, tmp_path
) -> None:
    training.wait_for_transitions()
    training.executor.end()
    training.wait_for_pause("skill executor")
    other = write_kitchen_bundle(tmp_path / "other", name="other")
    training.skills.clear()
    start_here("skill_executor", rate="lockstep", bundle=other)
    client.wait_for(lambda: training.skills and training.skills[-1].bundle == "other", "another executor")
    training.resume()
    assert training.skills[-1].bundle == "kitchen_test"
    # Others' skills are noticed before the next one is executed with them.
    assert client.call(LoadBundle, "load_bundle", LoadBundle.Request(path=str(other))).success
    training.wait_for_pause("runs bundle 'other'")


def test_lost_simulator_pauses_and_another_one_is_gone_on_with(training, start_here) -> None:
    training.wait_for_transitions()
    training.simulator.end()
    training.wait_for_pause("~/resume")
    training.simulator = start_here("mujoco_sim", rate="lockstep", max_steps=LIMIT)
    training.client.wait_for(lambda: not training.skills[-1].reason, "an executor that is ready")
    training.resume()


def test_stop_by_a_person_is_no_fault_that_ends_by_itself(client, start_here, bundle, tmp_path) -> None:
    training = Training(client, start_here, bundle, tmp_path / "run", retries=10)
    training.wait_for_transitions()
    assert training.trigger("skill_executor/stop").success
    training.wait_for_pause("stopped by a service call")
    client.spin_for(2.5)
    assert training.skills[-1].state == SkillStatus.LATCHED
    assert training.trigger("skill_executor/reset").success
    client.wait_for(lambda: training.skills[-1].state == SkillStatus.IDLE, "the release")
    training.resume()


def test_training_goes_on_by_itself_when_the_task_is_its_own_again(client, start_here, bundle, tmp_path) -> None:
    training = Training(client, start_here, bundle, tmp_path / "run", retries=10)
    training.wait_for_transitions()
    assert client.call(SetTask, "set_task", SetTask.Request(task="kettle")).success
    assert client.call(ResetScene, "reset_scene", ResetScene.Request()).success
    training.wait_for_pause("the task here is kettle, but this run learns")
    sent = training.learner.sent
    client.spin_for(1.5)
    assert training.learner.sent == sent
    assert client.call(SetTask, "set_task", SetTask.Request(task="kitchen")).success
    assert client.call(ResetScene, "reset_scene", ResetScene.Request()).success
    training.wait_for_transitions()


def test_reset_by_somebody_else_loses_the_episode(client, start_here, bundle, tmp_path) -> None:
    training = Training(client, start_here, bundle, tmp_path / "run", limit=280)
    training.wait_for_transitions()
    assert client.call(ResetScene, "reset_scene", ResetScene.Request()).success
    training.wait_for_pause("the scene")  # as the task says it, or the executor, whose skill that stops
    training.resume()


def test_end_of_the_run_and_the_learners_end_the_node(training, client) -> None:
    training.wait_for_transitions()
    training.learner.status.finished = "the budget is spent"
    code, output = training.trainer.wait()
    assert code == 0 and "finished: the budget is spent" in output
    training.wait_for(lambda status: status.state == TrainingStatus.FINISHED, "the last word")


def test_crashed_learner_ends_the_node_so_that_launchers_start_it_again(training) -> None:
    training.wait_for_transitions()
    training.learner.status.failure, training.learner.status.has_crashed = "it has ended with -9", True
    code, output = training.trainer.wait()
    assert code == 1 and "training ends: it has ended with -9" in output


def test_deactivated_trainer_has_its_learner_save_and_the_arm_rest(training, client) -> None:
    training.wait_for_transitions()
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert client.call(ChangeState, "trainer/change_state", request).success
    client.wait_for(lambda: training.skills[-1].state == SkillStatus.IDLE, "rest")
    assert training.learner.has_ended
    assert not training.trigger("trainer/confirm_reset").success


def test_answer_to_a_goal_that_comes_after_the_end_of_its_episode_cancels_it(training, client) -> None:
    """It was left to move the arm through its skill; after a clean-up the answer ended the process."""
    training.wait_for_transitions()
    node, canceled = training.trainer.node, []
    handle: Any = SimpleNamespace(accepted=True, cancel_goal_async=lambda: canceled.append(True))
    node._on_goal_answer(SkillCollection(-1), handle)
    assert canceled == [True]
    assert training.trigger("trainer/pause").success
    node.trigger_deactivate()
    node.trigger_cleanup()
    node._on_goal_answer(SkillCollection(-1), handle)
    assert canceled == [True]


def test_operator_resets_and_judges_an_arm_that_has_no_task(client, start_here, tmp_path) -> None:
    arm = Arm(client, start_here, "ur5e")
    bundle = write_arm_bundle(tmp_path / "arm", arm.robot)
    file = PolicyFile((bundle / "skill_prior.onnx").read_bytes(), LatentModelDescription(("state",)))
    learner = Learner(bundle, file, "reach", ("reach",))
    statuses = client.collect(TrainingStatus, "training_status", LATCHED_QOS)
    Executor(client, start_here, arm, bundle)
    start_trainer(start_here, learner, tmp_path / "run", reset="operator", max_steps=12, patience_s=5.0)

    def trigger(name: str) -> Trigger.Response:
        return client.call(Trigger, f"trainer/{name}", Trigger.Request())

    for succeeds in (False, True):
        client.wait_for(
            lambda: statuses and statuses[-1].state == TrainingStatus.WAITING_FOR_RESET, "the wait for an operator"
        )
        assert "~/confirm_reset" in statuses[-1].reason
        assert not trigger("mark_success").success
        client.spin_for(0.5)
        assert not learner.transitions[len(learner.rewards) * 2 :]  # nobody has put the scene back
        assert trigger("confirm_reset").success
        if succeeds:
            assert trigger("mark_success").success
        count = len(learner.rewards)
        client.wait_for(lambda count=count: len(learner.rewards) > count, "the end of the episode")
    assert learner.rewards == [0.0, 1.0]
    # 12 steps are a skill of 10 and another one, and the second episode ends with its first skill.
    assert [transition.truncated for transition in learner.transitions] == [False, True, False]
    assert [transition.terminated for transition in learner.transitions] == [False, False, True]
    for transition in learner.transitions:
        assert np.abs(transition.next_observation["state"] - transition.observation["state"]).max() > 1e-3
