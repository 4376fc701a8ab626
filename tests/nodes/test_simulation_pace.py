"""When teleoperation acts on a simulated arm's states, without ROS."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")

from sensor_msgs.msg import JointState

from spirl_msgs.msg import TaskStatus
from spirl_ros.control.safety_filter import SafetyState
from spirl_ros.nodes.graph.messages import to_stamp
from spirl_ros.nodes.teleoperation.simulation_pace import SimulationPace

PERIOD_NS = 80_000_000


class Node:
    """A clock, and a topic that nobody needs."""

    is_active = True
    now = 100.0

    def now_s(self) -> float:
        return self.now

    def create_subscription(self, *_) -> None:
        pass


class Steps:
    """Notes where the arm was when it was taken over."""

    stop_reason, state, has_begun = "", SafetyState.PASSED, False

    def __init__(self) -> None:
        self.begun_at: list[float] = []
        self.stepped_at: list[float] = []

    def begin_anew(self, *, with_release: bool) -> None:
        self.has_begun = False

    def begin(self, joint_positions: np.ndarray, age_s: float) -> None:
        self.has_begun = True
        self.begun_at.append(float(joint_positions[0]))

    def step(self, joint_positions: np.ndarray, age_s: float) -> None:
        self.stepped_at.append(float(joint_positions[0]))


@pytest.fixture
def graph():
    node, steps = Node(), Steps()
    pace = SimulationPace(node, steps, ("joint",), PERIOD_NS * 1e-9, 10.0, 0.02)  # type: ignore[arg-type]

    def state(period: float, position: float, after_s: float = 0.08) -> None:
        node.now += after_s
        pace._on_joint_state(JointState(header=_header(period), name=["joint"], position=[position], velocity=[0.0]))

    def status(period: int, episode: int) -> None:
        pace.task_told(TaskStatus(header=_header(period), episode=episode))

    return SimpleNamespace(node=node, steps=steps, state=state, status=status, watch=pace.watch)


def _header(period: float):
    header = JointState().header
    header.stamp = to_stamp(round(period * PERIOD_NS))
    return header


def test_news_of_a_reset_that_overtakes_the_arms_state_does_not_take_it_over_where_it_was(graph):
    graph.status(0, 1)
    graph.state(0, 0.1)
    graph.state(0, 0.1)
    graph.node.now += 2.0  # nothing new came for so long that the last command counts as lost
    graph.status(50, 2)
    graph.watch()
    graph.state(50, 0.7)
    assert graph.steps.begun_at == [0.1, 0.7]


def test_simulator_that_was_started_again_in_the_same_episode_is_not_waited_for(graph):
    graph.status(500, 1)
    graph.state(500, 0.1)
    graph.status(0, 1)
    graph.steps.has_begun = False
    graph.node.now += 2.0
    graph.state(1, 0.3)
    graph.status(1, 1)
    assert graph.steps.begun_at == [0.1, 0.3]


def test_state_within_a_control_step_is_not_acted_on(graph):
    graph.status(0, 1)
    graph.state(0, 0.1)
    graph.state(0.5, 0.2)
    assert graph.steps.stepped_at == []
    graph.state(1, 0.3)
    graph.status(1, 1)
    graph.state(1.5, 0.4)
    assert graph.steps.begun_at == [0.1] and graph.steps.stepped_at == [0.3]


def test_person_gets_real_time_where_the_simulators_waits_for_commands(graph):
    graph.status(0, 1)
    graph.state(0, 0.1)
    graph.status(1, 1)
    graph.state(1, 0.2, after_s=0.005)  # at once, as the answer of a simulator in lockstep
    assert graph.steps.stepped_at == []
    graph.node.now += 0.07
    graph.watch()
    assert graph.steps.stepped_at == [0.2]
