"""Nodes that are killed under a launcher: they are started again, and what is simulated goes on by itself."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")

from diagnostic_msgs.msg import DiagnosticArray
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from spirl_msgs.msg import SkillStatus, TrainingStatus
from spirl_msgs.srv import ResetScene, SetTask
from spirl_ros.nodes.graph.messages import LATCHED_QOS
from tests.commands.test_up import processes_of
from tests.launchers import launchers

LAUNCHERS = launchers("{}")
PATIENCE_S = 90.0
"""For processes that import torch on a busy machine."""
PARAMS = """
skill_executor: {ros__parameters: {lockstep_patience_s: 1.0}}
trainer: {ros__parameters: {patience_s: 4.0}}
"""
COMMANDS = "forward_position_controller/commands"


class Graph:
    """A graph under a launcher, in lockstep, and what there is to see of it."""

    def __init__(self, client, environment: dict[str, str], command: list[str], log: Path) -> None:
        self.client, self._environment, self._log = client, environment, log
        with log.open("w") as file:
            self.launcher = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
        self.commands = client.collect(Float64MultiArray, COMMANDS, 100)
        self.skills = client.collect(SkillStatus, "skill_status", LATCHED_QOS)
        self.training = client.collect(TrainingStatus, "training_status", LATCHED_QOS)
        self._diagnostics = client.collect(DiagnosticArray, "/diagnostics", 100)

    @property
    def said(self) -> str:
        return self._log.read_text()

    def process(self, name: str) -> int:
        """The number of a node's process; 0 when there is none."""
        return next((number for number, node in processes_of(self._environment).items() if node == name), 0)

    def says(self, name: str, text: str = "") -> bool:
        """Has an active node said this on its diagnostics."""
        found = (status for array in self._diagnostics for status in array.status)
        return any(status.name == f"{name}: active" and text in status.message for status in found)

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        self.client.wait_for(condition, f"{what}; {self.said[-3000:]}", PATIENCE_S)

    def wait_for_motion(self) -> None:
        commands = len(self.commands)
        self.wait_for(lambda: len(self.commands) > commands + 5, "motion")

    def kill(self, name: str) -> None:
        """Kill a node and wait until another one is active in its place."""
        before = self.process(name)
        os.kill(before, signal.SIGKILL)
        self.wait_for(lambda: self.process(name) not in (0, before), f"another {name}")
        self._diagnostics.clear()
        self.wait_for(lambda: self.says(name), f"an active {name}")

    def assert_nothing_moves(self) -> None:
        commands = len(self.commands)
        self.client.spin_for(1.0)
        assert len(self.commands) == commands, self.said

    def choose_task(self, task: str) -> None:
        """What the page's buttons for the next task do."""
        assert self.client.call(SetTask, "set_task", SetTask.Request(task=task)).success
        assert self.client.call(ResetScene, "reset_scene", ResetScene.Request()).success

    def trigger(self, name: str) -> None:
        """Call a service until it agrees: what it needs may have come back just now."""
        self.wait_for(lambda: self.client.call(Trigger, name, Trigger.Request()).success, f"{name} to agree")


@pytest.fixture
def start(client, domain_environment, tmp_path) -> Iterator[Callable[..., Graph]]:
    """Starts a graph, which does not outlive the test."""
    environment = {
        **domain_environment,
        "SPIRL_TEST_GRAPH": str(tmp_path),
        "ROS_LOG_DIR": str(tmp_path / "log"),
    }
    (tmp_path / "params.yaml").write_text(PARAMS)

    begun: list[Graph] = []

    def begin(launcher: list[str], graph: str, *arguments: str) -> Graph:
        given = ("viewer:=none", "rate:=lockstep", f"params_file:={tmp_path / 'params.yaml'}", *arguments)
        command = [*(part.format(graph) for part in launcher), *given]
        begun.append(Graph(client, environment, command, tmp_path / "output.txt"))
        return begun[-1]

    yield begin
    for graph in begun:  # first, or it starts its nodes again
        graph.launcher.kill()
        graph.launcher.wait()
    for number in processes_of(environment):
        os.kill(number, signal.SIGKILL)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_killed_node_of_the_kitchen_is_started_again_and_the_demo_goes_on(start, launcher) -> None:
    graph = start(launcher, "kitchen_sim")
    graph.wait_for_motion()
    for name in ("skill_policy", "skill_executor", "mujoco_sim"):
        graph.kill(name)
        graph.wait_for_motion()
    assert graph.said.count("This is a simulation, which resumes automatically") >= 2
    # A person's stop outlasts them.
    graph.trigger("skill_executor/stop")
    graph.kill("mujoco_sim")
    graph.wait_for(lambda: graph.says("skill_policy", "waiting for run_episode or ~/start"), "a policy that waits")
    graph.assert_nothing_moves()
    graph.trigger("skill_executor/reset")
    graph.trigger("skill_policy/start")
    graph.wait_for_motion()
    for _ in range(3):  # with the first one these are too many
        before = graph.process("skill_policy")
        os.kill(before, signal.SIGKILL)
        graph.wait_for(
            lambda before=before: graph.process("skill_policy") not in (0, before) or graph.launcher.poll() is not None,
            "another policy",
        )
    assert graph.launcher.wait(timeout=20.0) != 0
    assert "skill_policy was killed by signal 9, 4 times within" in graph.said


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_killed_node_of_a_training_is_started_again_and_training_goes_on(start, launcher, client, tmp_path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    from tests.commands.test_export import make_run

    skills = make_run(tmp_path / "skills").folder
    settings = "steps=100000 batch_size=8 critic_hidden=8 critic_layers=1 offline_updates=0 demos_in_replay=false"
    graph = start(launcher, "train", f"out:={tmp_path / 'run'}", f"skills:={skills}", f"settings:={settings}")

    def transitions() -> int:
        return graph.training[-1].skill_transitions if graph.training else 0

    graph.wait_for(lambda: transitions() > 5, "skills")
    for name in ("trainer", "skill_executor"):
        before = transitions()
        graph.kill(name)  # simulated, so training goes on by itself; nothing that was sent to the learner is lost
        graph.wait_for(lambda before=before: transitions() > before + 5, f"skills with another {name}")
    # Its death latches the executor, and training went on only after somebody had released that.
    graph.kill("mujoco_sim")
    before = transitions()
    graph.wait_for(lambda: transitions() > before + 5, "skills with another simulator")
    # A press of the page's button for another task ended the graph.
    graph.choose_task("kettle")
    graph.wait_for(lambda: graph.training[-1].state == TrainingStatus.PAUSED, "a pause")
    graph.wait_for(lambda: "the task here is kettle, but this run learns" in graph.training[-1].reason, "the reason")
    client.spin_for(5.0)
    assert graph.training[-1].state == TrainingStatus.PAUSED
    before = transitions()
    graph.choose_task("kitchen")
    graph.wait_for(lambda: transitions() > before + 5, "skills for the task of the run")
    graph.launcher.send_signal(signal.SIGINT)
    assert graph.launcher.wait(timeout=20.0) == 0
