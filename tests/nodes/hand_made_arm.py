"""An arm made of two topics in the test's own process, whose states can have every fault."""

from collections.abc import Callable

import numpy as np
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from spirl_msgs.msg import SceneState
from spirl_ros.kitchen.scene import load_kitchen_scene
from spirl_ros.nodes.graph.messages import COMMAND_QOS, stamp_ns, to_stamp
from tests.nodes.conftest import Client

STATE_PERIOD_S = 0.02
HOME = np.array([0.15, -1.76, 1.85, -2.47, 0.25, 0.7, 1.6, 0.02, 0.02])


class HandMadeArm:
    """Goes where it is sent at once, and says so as often as the client spins."""

    def __init__(self, client: Client) -> None:
        scene = load_kitchen_scene()
        self.joint_names, self.scene_names = list(scene.joint_names), list(scene.scene_names)
        self.positions = HOME.copy()
        self.commands: list[np.ndarray] = []
        self.change: Callable[[JointState], JointState | None] = lambda state: state
        """What becomes of a joint state; None for nothing."""
        self.offset_ns = 0
        """What the arm's clock is off by."""
        self.clock_speed = 1.0
        """How fast it goes."""
        self.commanded_ns: list[int] = []
        """When each command came, on that clock."""
        self._begin_ns = client.get_clock().now().nanoseconds
        self._client = client
        self._joint_states = client.create_publisher(JointState, "joint_states", 10)
        self._scene_states = client.create_publisher(SceneState, "scene_state", 10)
        self._clock = client.create_publisher(Clock, "/clock", 1)
        client.create_subscription(
            Float64MultiArray, "forward_position_controller/commands", self._on_command, COMMAND_QOS
        )
        client.create_timer(STATE_PERIOD_S, self._publish)

    def _on_command(self, command: Float64MultiArray) -> None:
        self.positions = np.array(command.data)
        self.commands.append(self.positions)
        self.commanded_ns.append(self.now_ns())

    def now_ns(self) -> int:
        """Time of the arm's clock [ns]."""
        passed_ns = self._client.get_clock().now().nanoseconds - self._begin_ns
        return self._begin_ns + round(self.clock_speed * passed_ns) + self.offset_ns

    def _publish(self) -> None:
        now_ns = self.now_ns()
        self._clock.publish(Clock(clock=to_stamp(now_ns)))
        scene = SceneState(name=self.scene_names, position=[0.1] * len(self.scene_names))
        state = JointState(name=self.joint_names, position=self.positions.tolist())
        state.header.stamp = to_stamp(now_ns)
        changed = self.change(state)
        if changed is not None:
            scene.header.stamp = changed.header.stamp
            self._joint_states.publish(changed)
            self._scene_states.publish(scene)


def permuted_with_one_more(state: JointState) -> JointState:
    """Another order, and a joint that no bundle knows."""
    names, positions = list(state.name), list(state.position)
    return JointState(header=state.header, name=["lamp", *reversed(names)], position=[9.0, *reversed(positions)])


def not_a_number(state: JointState) -> JointState:
    """One position is NaN."""
    positions = list(state.position)
    positions[3] = float("nan")
    return JointState(header=state.header, name=state.name, position=positions)


def one_missing(state: JointState) -> JointState:
    """A joint is left out."""
    return JointState(header=state.header, name=list(state.name)[1:], position=list(state.position)[1:])


def from_the_past(state: JointState) -> JointState:
    """Measured ten seconds ago, says its stamp."""
    state.header.stamp = to_stamp(stamp_ns(state.header.stamp) - 10_000_000_000)
    return state


def silent(state: JointState) -> None:
    """Nothing comes."""
