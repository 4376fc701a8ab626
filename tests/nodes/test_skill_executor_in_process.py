"""What the skill executor's node does with states, skills and services, in this process: a small bundle, and a fake
arm."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.parameter import Parameter
from rclpy.utilities import try_shutdown

pytest.importorskip("spirl_msgs")

from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from spirl_msgs.msg import SceneState, Skill, TaskStatus
from spirl_ros.control.control_loop import STOPPED_BY_PERSON, ControlLoop, LoopState
from spirl_ros.control.skill_sequence import Outcome
from spirl_ros.errors import BundleError
from spirl_ros.nodes.executor.control_steps import LockstepSteps
from spirl_ros.nodes.graph.managed_node import ERROR, OK, WARN
from spirl_ros.nodes.graph.messages import to_stamp
from spirl_ros.nodes.skill_executor import SkillExecutorNode
from tests.deployment.small_bundle import DESCRIPTION
from tests.local_ros import stay_on_this_machine

PERIOD_NS = 80_000_000
HORIZON = DESCRIPTION.skill_horizon


class FakeArm:
    """In the place of the topic of an arm's controller: is where it was sent at the next state."""

    name, takes_positions = "/arm/commands", True

    def __init__(self, *_, **__) -> None:
        self.sent: list[np.ndarray] = []
        self.fault = ""
        self.others: list[str] = []

    @property
    def has_sent(self) -> bool:
        return bool(self.sent)

    def send(self, command, late_s: float = 0.0) -> None:
        self.sent.append(command.joint_positions)

    def nobody_listens(self) -> str:
        return self.fault

    def other_publishers(self) -> list[str]:
        return self.others

    def forget(self) -> None: ...

    def show_life(self) -> None: ...

    def send_again(self) -> None: ...

    def close(self) -> None: ...


class LatentAsAction:
    def decode(self, state: np.ndarray, latent: np.ndarray, step: int) -> np.ndarray:
        return latent.astype(float)


class Graph:
    """The node in lockstep, and what its topics bring, called as its message thread does."""

    def __init__(self, **injected) -> None:
        self.arm = FakeArm()
        self.loops: list[ControlLoop] = []
        self.settings: dict[str, Any] = {}
        """That the last loop was made with."""
        bundle: Any = SimpleNamespace(
            description=DESCRIPTION, decoder=LatentAsAction(), prior=None, provider="cpu", digest="ab" * 32
        )

        def make_loop(*arguments, **settings) -> ControlLoop:
            self.settings = settings
            self.loops.append(ControlLoop(*arguments, **settings))
            return self.loops[-1]

        made: Any = {"load": lambda _: bundle, "make_loop": make_loop, "make_command_topic": lambda *_, **__: self.arm}
        self.node = SkillExecutorNode(**(made | injected))
        self.node.set_parameters([Parameter("rate", value="lockstep"), Parameter("discovery_s", value=0.0)])
        self.time_ns, self.step = 0, 0
        self.positions = np.array([0.1, 0.02])

    def activate(self) -> "Graph":
        for transition in self.node.trigger_configure, self.node.trigger_activate:
            assert transition() == TransitionCallbackReturn.SUCCESS
        return self

    @property
    def loop(self) -> ControlLoop:
        return self.loops[-1]

    def tick(self, episode: int = 1, reward: float = 0.0) -> None:
        """One control step of a simulator: states of a new moment, then what the task says of the step before."""
        self.time_ns += PERIOD_NS
        self.step += 1
        if self.arm.sent:
            self.positions = self.arm.sent[-1]
        told: list[tuple[Any, Callable[[Any], None]]] = [
            (JointState(name=["joint_a", "joint_b"], position=self.positions.tolist()), self.take_joints),
            (SceneState(name=["door"], position=[0.0]), self.node._on_scene_state),
            (TaskStatus(episode=episode, step=self.step, reward=reward), self.node._on_task_status),
        ]
        for message, take in told:
            message.header.stamp = to_stamp(self.time_ns)
            take(message)

    def take_joints(self, message: JointState) -> None:
        self.node._on_joint_state(message, self.step)

    def skill(self, *latent: float, skill_id: int = 1) -> None:
        self.node._on_skill(Skill(latent=latent, skill_id=skill_id))

    def fall_silent(self, duration_s: float) -> None:
        """No state comes for so long."""
        steps = self.node._steps
        assert isinstance(steps, LockstepSteps)
        steps._new_state_s -= duration_s
        self.node._watch()

    def trigger(self, service) -> str:
        answer = service(Trigger.Request(), Trigger.Response())
        return "done" if answer.success else answer.message

    def diagnose(self) -> tuple[bytes, str]:
        return self.node.diagnose()[:2]


@pytest.fixture
def graph(domain_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Graph]:
    stay_on_this_machine(monkeypatch, domain_environment["ROS_DOMAIN_ID"])
    rclpy.init(args=[])
    graph = Graph()
    yield graph
    if graph.node.is_active:
        graph.node.trigger_deactivate()
    graph.node.destroy_node()
    try_shutdown()


def test_a_skill_is_one_command_for_each_state_and_its_rewards_are_the_tasks(graph: Graph) -> None:
    graph.activate().tick()
    graph.skill(0.25, 0.0, skill_id=7)  # the step of this moment is made at once
    for _ in range(HORIZON - 1):
        graph.tick(reward=1.0)
    # 0.25 of 2 rad/s for 0.08 s is 0.04 rad a step.
    np.testing.assert_allclose([sent[0] for sent in graph.arm.sent], 0.1 + 0.04 * np.arange(1, HORIZON + 1))
    skills = graph.loop.skills
    assert (skills.skill_id, skills.steps_done, skills.reward) == (7, HORIZON, HORIZON - 1.0)
    graph.tick(reward=1.0)
    assert graph.loop.state is LoopState.IDLE and len(graph.arm.sent) == HORIZON
    assert graph.diagnose() == (OK, "idle")


def test_nothing_is_taken_over_and_no_skill_begins_while_nobody_listens(graph: Graph) -> None:
    graph.activate()
    graph.arm.fault = "nobody listens to /arm/commands"
    graph.tick()
    graph.skill(0.25, 0.0)
    assert graph.arm.sent == [] and graph.loop.skills.waiting is None
    assert "nobody listens" in str(graph.node.diagnose()[2]["last refusal"])


def test_services_stop_and_release_the_arm_and_say_what_they_cannot(graph: Graph) -> None:
    node = graph.node
    assert "not active" in graph.trigger(node._on_stop)
    graph.activate().tick()
    assert "no latch to release" in graph.trigger(node._on_reset)
    graph.skill(0.25, 0.0)
    graph.tick()
    assert graph.trigger(node._on_stop) == "done"
    for _ in range(4):
        graph.tick()
    assert graph.loop.state is LoopState.LATCHED
    assert graph.diagnose() == (ERROR, f"LATCHED: {STOPPED_BY_PERSON}")
    graph.skill(0.25, 0.0)
    assert graph.loop.skills.waiting is None
    assert graph.trigger(node._on_reset) == "done"
    graph.tick()
    graph.skill(0.25, 0.0)
    assert graph.loop.state is LoopState.EXECUTING


@pytest.mark.parametrize("stops", [True, False])
def test_simulator_that_falls_silent_leaves_no_arm_that_is_braking(graph: Graph, stops: bool) -> None:
    """A simulator that was killed while the arm braked left it so for ever: its next states, whose time began anew,
    were refused because the arm was busy."""
    graph.activate().tick()
    graph.skill(0.25, 0.0)
    graph.tick()
    reason = "no new state for"
    if stops:
        assert graph.trigger(graph.node._on_stop) == "done"
        reason = STOPPED_BY_PERSON
    graph.fall_silent(graph.node._config.lockstep_patience_s + 0.1)
    assert graph.loop.state is LoopState.LATCHED and not graph.loop.arm.is_moving
    assert graph.diagnose()[1].startswith(f"LATCHED: {reason}")
    graph.time_ns = 0
    graph.tick()
    assert graph.trigger(graph.node._on_reset) == "done"
    graph.tick()
    graph.skill(0.25, 0.0, skill_id=2)
    assert graph.loop.state is LoopState.EXECUTING


def test_cancel_brings_the_arm_to_rest_and_the_next_skill_moves_it(graph: Graph) -> None:
    graph.activate().tick()
    graph.skill(0.25, 0.0)
    graph.tick()
    assert graph.trigger(graph.node._on_cancel) == "done"
    for _ in range(4):
        graph.tick()
    assert graph.loop.state is LoopState.IDLE and not graph.loop.arm.is_moving
    before = len(graph.arm.sent)
    graph.skill(0.25, 0.0)
    assert len(graph.arm.sent) == before + 1


def test_reset_of_the_scene_ends_the_skill_and_releases_no_latch(graph: Graph) -> None:
    graph.activate().tick()
    graph.skill(0.25, 0.0)
    graph.tick(episode=2)
    assert graph.loop.state is LoopState.IDLE
    graph.trigger(graph.node._on_stop)
    graph.tick(episode=3)
    assert graph.loop.state is LoopState.LATCHED


def test_arm_that_stops_being_ready_latches_with_the_reason(graph: Graph) -> None:
    graph.activate().tick()
    graph.skill(0.25, 0.0)
    graph.node._on_readiness_lost("robot_mode is false")
    for _ in range(4):
        graph.tick()
    assert graph.diagnose() == (ERROR, "LATCHED: robot_mode is false")


def test_diagnostics_name_who_else_can_command_the_arm(graph: Graph) -> None:
    graph.activate().tick()
    graph.arm.others = ["move_group"]
    assert graph.diagnose() == (WARN, "move_group can command the same arm")


def test_deactivation_brings_a_moving_arm_to_rest(graph: Graph) -> None:
    graph.activate().tick()
    graph.skill(0.25, 0.0)
    graph.tick()
    graph.node.trigger_deactivate()
    speeds = np.diff([sent[0] for sent in graph.arm.sent])
    assert speeds[0] == pytest.approx(0.04) and speeds[-1] == 0.0
    assert graph.diagnose() == (OK, "not active")
    # A new activation begins with a loop of its own.
    graph.node.trigger_activate()
    assert len(graph.loops) == 2


def test_bundle_that_cannot_be_used_fails_configuration(graph: Graph) -> None:
    def load(_):
        raise BundleError("models/none holds no bundle.yaml.")

    graph.node._load = load
    assert graph.node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert graph.diagnose() == (OK, "not active")


@pytest.mark.parametrize(("asked", "used"), [(0.0, 0.04), (0.1, 0.1)])
def test_tracking_tolerance_is_the_robots_unless_one_is_asked_for(graph: Graph, asked: float, used: float) -> None:
    asked_for = [Parameter("robot", value="ur5e"), Parameter("tracking_tolerance", value=asked)]
    graph.node.set_parameters(asked_for)
    assert graph.activate().settings["tracking_tolerance"] == used


def test_simulated_arm_has_no_tracking_tolerance(graph: Graph) -> None:
    """Its scene may be put back, and then it stands elsewhere at once."""
    assert graph.activate().settings["tracking_tolerance"] is None


def test_skill_that_waits_when_the_node_is_deactivated_is_told_of_as_canceled(graph: Graph, monkeypatch) -> None:
    graph.activate().tick()
    ahead = Skill(latent=[0.25, 0.0], skill_id=3)
    ahead.header.stamp = to_stamp(graph.time_ns + PERIOD_NS)  # chosen on a state that has not come here yet
    told: list[Any] = []
    monkeypatch.setattr(graph.node._action, "tell", told.append)
    graph.node._on_skill(ahead)
    assert graph.loop.skills.waiting is not None and graph.arm.sent == []
    graph.node.trigger_deactivate()
    reports = [report for record in told for report in record.tick.reports]
    assert [(report.outcome, report.message) for report in reports] == [
        (Outcome.CANCELED, "the skill executor was deactivated")
    ]
    assert graph.arm.sent == []
