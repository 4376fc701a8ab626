"""The trainer with its learner, an executor and an arm: real processes over DDS. Each starts torch, which takes its
time."""

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs torch")
pytest.importorskip("spirl_msgs")
pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from std_msgs.msg import Float64MultiArray  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from spirl_msgs.msg import SkillStatus, TrainingStatus  # noqa: E402
from spirl_ros.arms.robot_configuration import read_robot  # noqa: E402
from spirl_ros.commands.main import main  # noqa: E402
from spirl_ros.deployment.bundle import load_bundle  # noqa: E402
from spirl_ros.kitchen.family import KITCHEN  # noqa: E402
from spirl_ros.nodes.graph.messages import LATCHED_QOS  # noqa: E402
from spirl_ros.rl.decision_environment import TaskDecisions  # noqa: E402
from spirl_ros.rl.run import RlRun  # noqa: E402
from spirl_ros.tasks.task import EpisodeConfig  # noqa: E402
from tests.commands.test_export import make_run  # noqa: E402
from tests.nodes.kitchen_bundle import write_kitchen_bundle  # noqa: E402
from tests.rl.begun_run import begin_run  # noqa: E402

pytestmark = pytest.mark.slow
SETTINGS = "batch_size=8 critic_hidden=8 critic_layers=1 offline_updates=0 demos_in_replay=false warm_up_decisions=4"
PATIENCE_S = 120.0
COMMANDS = "forward_position_controller/commands"
HANGING_TRAINER = "tests.nodes.hanging_node trainer TrainerNode"


class Training:
    """A trainer in its graph, and what it says."""

    def __init__(self, client, start_node, out: Path, **parameters) -> None:
        self.client, self._start, self.out = client, start_node, out
        self.statuses = client.collect(TrainingStatus, "training_status", LATCHED_QOS)
        self.skills = client.collect(SkillStatus, "skill_status", LATCHED_QOS)
        self.parameters = parameters
        self.executor: Any = None
        self.trainer = self.start()

    def start(self):
        self.trainer = self._start(HANGING_TRAINER, out=self.out, **self.parameters)
        return self.trainer

    @property
    def last(self) -> TrainingStatus:
        return self.statuses[-1]

    def wait_for(self, condition, what: str) -> None:
        self.client.wait_for(lambda: self.statuses and condition(self.last), what, PATIENCE_S)

    def trigger(self, name: str) -> Trigger.Response:
        return self.client.call(Trigger, f"trainer/{name}", Trigger.Request())

    def checkpoint(self) -> dict:
        """The last one, once the learner has ended."""
        end_s = time.monotonic() + PATIENCE_S
        while learners(self.out):
            assert time.monotonic() < end_s, "the learner did not end"
            time.sleep(0.1)
        state = RlRun.open(self.out).load_checkpoint()
        assert state is not None
        return state


def learners(out: Path) -> list[int]:
    """Processes of the learner of a run."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"spirl_ros.rl.learner_process" in command and str(out).encode() in command:
            found.append(int(folder.name))
    return found


@pytest.fixture(scope="module")
def skills(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return make_run(tmp_path_factory.mktemp("skills")).folder


@pytest.fixture(scope="module")
def begun(skills, tmp_path_factory) -> Path:
    return begin_run(tmp_path_factory.mktemp("begun") / "run", skills, ("steps=100000", *SETTINGS.split()))


@pytest.fixture
def kitchen(client, start_node, begun, tmp_path) -> Training:
    start_node("mujoco_sim", rate="lockstep")
    bundle = write_kitchen_bundle(tmp_path / "first")
    executor = start_node("skill_executor", rate="lockstep", bundle=bundle)
    training = Training(client, start_node, shutil.copytree(begun, tmp_path / "run"))
    training.executor = executor
    return training


def test_training_over_ros_stores_what_a_rollout_in_process_gives_and_goes_on_after_sigterm(kitchen) -> None:
    kitchen.wait_for(lambda status: status.episodes >= 1, "an episode")
    assert kitchen.last.skill_transitions >= 90 and kitchen.last.prior_divergence >= 0.0
    code, output = kitchen.trainer.end(signal.SIGTERM)
    assert code == 0, output
    state = kitchen.checkpoint()
    columns = {name: values.numpy() for name, values in state["replay"]["columns"].items()}
    ends = np.flatnonzero(columns["terminated"] | columns["truncated"])
    first = slice(0, ends[0] + 1)

    # The same latents and seed through the very objects of the robot, without ROS.
    environment = TaskDecisions(KITCHEN, EpisodeConfig("kitchen"), RlRun.open(kitchen.out).skill_bundle().executor())
    observation, observations, results = environment.reset(seed=0), [], []
    for latent in columns["latent"][first]:
        observations.append(observation)
        results.append(environment.execute(latent))
        observation = results[-1].observation
    # A replay keeps float32.
    np.testing.assert_array_equal(columns["observation.state"][first], np.array(observations, np.float32))
    after = np.array([result.observation for result in results], np.float32)
    np.testing.assert_array_equal(columns["next_observation.state"][first], after)
    np.testing.assert_array_equal(columns["reward"][first], [result.reward for result in results])
    assert [bool(value) for value in columns["truncated"][first]] == [r.truncated for r in results]
    assert not columns["terminated"][first].any() and results[-1].truncated
    assert sum(result.steps for result in results) == 280

    kitchen.statuses.clear()
    kitchen.parameters = {}  # the folder says it all
    kitchen.start()
    kitchen.wait_for(lambda status: status.skill_transitions > state["counts"][1] + 5, "more skills")
    assert kitchen.statuses[-1].updates >= state["learner"]["updates"]


def test_hung_and_killed_trainer_loses_nothing_and_pauses_last_until_resumed(kitchen, start_node, tmp_path) -> None:
    kitchen.wait_for(lambda status: status.skill_transitions >= 10, "skills")
    client, commands = kitchen.client, kitchen.client.collect(Float64MultiArray, COMMANDS, 100)
    kitchen.trainer.process.send_signal(signal.SIGUSR1)  # hangs: the arm finishes its skill
    client.spin_for(2.0)
    at_rest = len(commands)
    client.spin_for(0.5)
    assert kitchen.skills[-1].state == SkillStatus.IDLE and len(commands) == at_rest
    kitchen.trainer.process.send_signal(signal.SIGKILL)
    kitchen.trainer.process.wait()
    before = kitchen.last.skill_transitions
    assert kitchen.checkpoint()["counts"][1] >= before  # it had no checkpoint: its learner wrote one when it died
    kitchen.statuses.clear()
    kitchen.parameters = {"patience_s": 3.0}
    kitchen.start()
    kitchen.wait_for(lambda status: status.skill_transitions > before + 5, "more skills")

    kitchen.trainer.process.send_signal(signal.SIGSTOP)
    client.spin_for(4.0)  # longer than its patience
    at_rest = len(commands)
    kitchen.trainer.process.send_signal(signal.SIGCONT)
    kitchen.wait_for(lambda status: status.state == TrainingStatus.PAUSED, "the pause of a trainer that was stopped")
    assert "the trainer itself was held up" in kitchen.last.reason
    client.spin_for(0.5)
    assert kitchen.skills[-1].state == SkillStatus.IDLE and len(commands) == at_rest
    before = kitchen.last.skill_transitions
    assert kitchen.trigger("resume").success
    kitchen.wait_for(lambda status: status.skill_transitions > before + 3, "more skills after it was stopped")

    assert kitchen.trigger("pause").success
    kitchen.wait_for(lambda status: status.state == TrainingStatus.PAUSED, "the pause")
    assert kitchen.last.reason == "paused by a service call"
    assert not kitchen.trigger("confirm_reset").success
    paused_at = kitchen.last.skill_transitions
    assert kitchen.trigger("resume").success
    kitchen.wait_for(lambda status: status.skill_transitions > paused_at + 5, "more skills after the pause")

    kitchen.executor.process.kill()
    kitchen.wait_for(lambda status: status.state == TrainingStatus.PAUSED, "a pause without an executor")
    assert "skill executor" in kitchen.last.reason
    killed_at = kitchen.last.skill_transitions
    kitchen.executor.process.wait()
    # Another executor, with other skills, which the trainer replaces by those of the run.
    start_node("skill_executor", rate="lockstep", bundle=tmp_path / "first")
    client.wait_for(lambda: kitchen.skills[-1].bundle == "kitchen_test", "another executor", PATIENCE_S)
    assert kitchen.trigger("resume").success
    kitchen.wait_for(lambda status: status.skill_transitions > killed_at + 5, "skills of another executor")
    assert kitchen.skills[-1].bundle == "skills"

    os.kill(learners(kitchen.out)[0], signal.SIGKILL)
    code, output = kitchen.trainer.wait()
    assert code == 1 and "has ended with -9" in output  # launchers start it again


def test_operator_resets_and_judges_on_an_arm_without_a_task(client, start_node, tmp_path) -> None:
    """A stand-in for a real arm, skills that observe its joints alone, and a task that only the operator knows."""
    robot = read_robot("ur5e")
    torch.manual_seed(0)
    skills = make_run(tmp_path / "skills", robot=robot)
    start_node("stand_in_arm", robot="ur5e", acceleration_tolerance=1000.0, realtime_priority=50)
    training = Training(
        client,
        start_node,
        tmp_path / "run",
        skills=skills.folder,
        settings=f"robot=ur5e task=reach steps=100000 {SETTINGS}",
        reset="operator",
        max_steps=12,
    )
    bundle = tmp_path / "run" / "skills"
    client.wait_for(lambda: (bundle / "bundle.yaml").is_file(), "the run's skills", PATIENCE_S)
    start_node(
        "skill_executor",
        bundle=bundle,
        robot="ur5e",
        command_interface="joint_trajectory",
        trajectory_controller=robot.trajectory_controller,
        max_age_s=0.5,
    )
    for episode, succeeds in enumerate((False, True)):
        training.wait_for(lambda status: status.state == TrainingStatus.WAITING_FOR_RESET, "the wait for an operator")
        client.wait_for(lambda: training.skills and not training.skills[-1].reason, "the executor")
        assert "~/confirm_reset" in training.last.reason
        assert training.trigger("confirm_reset").success
        if succeeds:
            assert training.trigger("mark_success").success
        training.wait_for(lambda status, episode=episode: status.episodes == episode + 1, "the end of the episode")
    assert training.last.episode_reward == 1.0
    assert training.trainer.end()[0] == 0
    columns = training.checkpoint()["replay"]["columns"]
    assert columns["truncated"].tolist()[:4] == [False, False, False, True]  # 12 steps are 4 skills of 3
    assert columns["terminated"].tolist()[4:] == [True] and columns["reward"].tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]
    moved = (columns["next_observation.state"] - columns["observation.state"]).abs().amax(1)
    assert (moved > 1e-3).all()
    # What the learner does after twenty episodes; then the policy is exported as any other.
    RlRun.open(training.out).save_best(training.checkpoint()["learner"]["policy"])
    export = ["export", str(skills.folder), "--policy", str(training.out), "--robot", "ur5e"]
    assert main([*export, "--out", str(tmp_path / "bundle")]) == 0
    exported = load_bundle(tmp_path / "bundle", "cpu")
    exported.description.check_fits_robot(robot)
    assert exported.policy is not None and exported.description.target_subtasks == ("reach",)


def test_run_that_cannot_begin_ends_the_trainer_with_the_reason(start_node, tmp_path) -> None:
    code, output = start_node("trainer").wait()
    assert code == 2 and "out is empty" in output
    code, output = start_node("trainer", out=tmp_path / "run").wait()
    assert code == 3 and "skills is empty" in output
