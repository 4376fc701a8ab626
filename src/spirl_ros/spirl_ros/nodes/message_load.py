"""Publishes four topics of an arm at a fixed rate, one long episode, and says how many: for `spirl bench recorder`."""

import math
import sys
from dataclasses import dataclass

from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from spirl_msgs.msg import SceneState, TaskStatus
from spirl_ros.control.periodic_thread import PeriodicThread
from spirl_ros.nodes.graph.managed_node import ManagedNode, run
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS
from spirl_ros.nodes.graph.parameters import parameter, read_parameters

JOINTS, SCENE_COORDINATES = 9, 21
_SETTLE_TICKS = 100
"""Ticks between the moment all are subscribed to and the episode's start."""


@dataclass(frozen=True)
class MessageLoadConfig:
    """Parameters of the load."""

    rate_hz: float = parameter(100.0, "messages per second on each topic [Hz]", minimum=1.0)
    duration_s: float = parameter(60.0, "how long the episode lasts [s]", minimum=0.1)


class MessageLoad(ManagedNode):
    """Begins when all four topics are subscribed to, publishes from a thread, and ends with the episode."""

    def __init__(self) -> None:
        """Declare the parameters."""
        super().__init__("message_load", MessageLoadConfig)

    def configure(self) -> None:
        """Open topics."""
        self._config = config = read_parameters(self, MessageLoadConfig)
        self._joint_state = JointState(
            name=[f"joint_{index}" for index in range(JOINTS)], position=[0.1] * JOINTS, velocity=[0.0] * JOINTS
        )
        self._scene_state = SceneState(
            name=[f"coordinate_{index}" for index in range(SCENE_COORDINATES)], position=[0.2] * SCENE_COORDINATES
        )
        self._command = Float64MultiArray(data=[0.1] * JOINTS)
        self._status = TaskStatus(task="load", episode=1, max_steps=math.ceil(config.rate_hz * config.duration_s))
        # Named apart from `publishers`, which rclpy's Node owns.
        self._load_publishers = [
            self.create_publisher(JointState, "joint_states", 10),
            self.create_publisher(SceneState, "scene_state", 10),
            self.create_publisher(Float64MultiArray, "forward_position_controller/commands", COMMAND_QOS),
            self.create_publisher(TaskStatus, "task_status", LATCHED_QOS),
        ]
        self._ticks_until_start = _SETTLE_TICKS

    def activate(self) -> None:
        """Begin."""
        self._thread = PeriodicThread("load", 1.0 / self._config.rate_hz, self._tick, self.fail)
        self._thread.start()

    def deactivate(self) -> None:
        """End."""
        self._thread.stop()

    def cleanup(self) -> None:
        """Close topics."""
        for publisher in self._load_publishers:
            self.destroy_publisher(publisher)

    def _tick(self) -> None:
        if self._ticks_until_start:
            if all(publisher.get_subscription_count() for publisher in self._load_publishers):
                self._ticks_until_start -= 1
                if not self._ticks_until_start:
                    self.get_logger().info("begins")
            return
        status = self._status
        if status.truncated:
            return
        stamp = self.get_clock().now().to_msg()
        for message in (self._joint_state, self._scene_state, status):
            message.header.stamp = stamp
        # The status comes last: the one with step 0 begins the episode, and what was sent with it belongs to it.
        status.truncated = status.step + 1 == status.max_steps
        for publisher, message in zip(
            self._load_publishers, (self._joint_state, self._scene_state, self._command, status), strict=True
        ):
            publisher.publish(message)
        status.step += 1
        if status.truncated:
            self.get_logger().info(f"published {status.step} messages on each topic")
            self.end(0)


def main() -> None:
    """Run the node."""
    sys.exit(run(MessageLoad))


if __name__ == "__main__":
    main()
