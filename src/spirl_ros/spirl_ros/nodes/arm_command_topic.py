"""The topic that an arm's controller takes commands from."""

from collections.abc import Callable

from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.safety_filter import FilteredCommand
from spirl_ros.nodes.messages import COMMAND_QOS, doubles, to_trajectory_command, watched


class ArmCommandTopic:
    """Sends joint commands in either form: set-points, or trajectories with a braking tail."""

    def __init__(
        self,
        node: Node,
        limits: JointLimits,
        period_s: float,
        *,
        controller: str,
        takes_positions: bool,
        has_own_time: bool = False,
    ) -> None:
        """Open the topic.

        Args:
            node: owns the publisher.
            limits: of the arm.
            period_s: time between two commands [s].
            controller: name of the controller that takes them.
            takes_positions: set-points, in place of trajectories.
            has_own_time: the arm may be a simulated one whose time waits for commands.
        """
        self._node, self._limits, self._period_s = node, limits, period_s
        self.takes_positions = takes_positions
        kind, name = (
            (Float64MultiArray, f"{controller}/commands")
            if takes_positions
            else (JointTrajectory, f"{controller}/joint_trajectory")
        )
        qos = watched(COMMAND_QOS, period_s)
        if not has_own_time:
            # A link that was broken must not bring the arm a command of that time: it has braked elsewhere since.
            qos.lifespan = qos.deadline
        self._publisher = node.create_publisher(kind, name, qos)
        self.on_send: Callable[[Float64MultiArray | JointTrajectory], object] | None = None
        """Called with every command before it is sent."""
        self.own_listeners = 0
        """Subscriptions of the same node, which are no controller's."""
        self._positions = Float64MultiArray()
        self.forget()

    @property
    def name(self) -> str:
        """Full name of the topic."""
        return self._publisher.topic_name

    @property
    def has_sent(self) -> bool:
        """Was a command sent since `forget`."""
        return self._last is not None

    def forget(self) -> None:
        """Begin anew: nothing was sent yet."""
        self._last: Float64MultiArray | JointTrajectory | None = None

    def send(
        self, command: FilteredCommand, late_s: float = 0.0, start_ns: int = 0, within_s: float | None = None
    ) -> None:
        """Send a command.

        What else is given concerns trajectories: how late and from when on, see to_trajectory_command, and how long the way
        to a place to rest at takes [s], if not one period.
        """
        if self.takes_positions:
            # One message for all: making a new one takes a third of the time that sending takes.
            self._positions.data = doubles(command.joint_positions)
            self._last = self._positions
        else:
            period_s = self._period_s if within_s is None else within_s
            self._last = to_trajectory_command(command, self._limits, period_s, late_s, start_ns)
        if self.on_send is not None:
            self.on_send(self._last)
        self._publisher.publish(self._last)

    def send_again(self) -> None:
        """Send the last command once more, in case it was lost. Nothing happens when there is none."""
        if self._last is not None:
            self._publisher.publish(self._last)

    def show_life(self) -> None:
        """Renew the lease without a command."""
        self._publisher.assert_liveliness()

    def nobody_listens(self) -> str:
        """Why there is no arm to move, or nothing."""
        if self._publisher.get_subscription_count() > self.own_listeners:
            return ""
        return (
            f"nobody listens to {self.name}. Start the arm's controller, or correct command_interface and the "
            "controller's name."
        )

    def other_publishers(self) -> list[str]:
        """Names of the other nodes that could command the same arm; one that died stays here for 20 s."""
        own = self._node.get_name(), self._node.get_namespace()
        others = self._node.get_publishers_info_by_topic(self.name)
        return [other.node_name for other in others if (other.node_name, other.node_namespace) != own]

    def close(self) -> None:
        """Close the topic."""
        self._node.destroy_publisher(self._publisher)
