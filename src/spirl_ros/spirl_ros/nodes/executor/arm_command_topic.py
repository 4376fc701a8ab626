"""The topic that an arm's controller takes commands from."""

import math
import time
from collections import deque
from collections.abc import Callable

import numpy as np
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.safety_filter import FilteredCommand, SafetyState
from spirl_ros.control.trajectory_knots import OverlappingKnots
from spirl_ros.nodes.graph.messages import COMMAND_QOS, doubles, to_trajectory_command, to_trajectory_message, watched

_RECENT = 40
"""States that the estimate is of."""
_SILENT_S = 0.03
"""When the newest state is older something is held up, and commands may be too [s]."""
SILENT_PERIODS = 2
"""So many control periods longer than states may be old, a silent arm is waited for."""
_FOREIGN_S = 0.5
"""After so long with nothing but stamps of another clock the arm's time is forgotten [s]."""
_NS = 1e9


class ArmClock:
    """The clock that stamps an arm's joint states, which is the one its controller begins stamped trajectories by.

    A state arrives a little after it was stamped. The least of that among recent ones is nearly the same all the time,
    and
    is counted as a difference of the clocks: this clock is behind the arm's by as much. So the two may be those of two
    computers.
    """

    def __init__(self, largest_difference_s: float) -> None:
        """Nothing was heard yet.

        Args:
            largest_difference_s: from this computer's clock; beyond that stamps mean something else [s].
        """
        self._largest_ns = largest_difference_s * _NS
        self._offsets_ns: deque[int] = deque(maxlen=_RECENT)
        self._heard_ns = self._stamp_ns = -1
        self._received_s = -math.inf

    def hear(self, stamp_ns: int, received_s: float, ros_ns: int, now_s: float) -> None:
        """A joint state was stamped [ns] and received [s, steady clock]; the ROS clock shows this at that time.

        One whose stamp is too far off was held up on its way, or bears the time of another clock.
        """
        if stamp_ns == self._heard_ns:
            return
        self._heard_ns = stamp_ns
        if abs(stamp_ns - ros_ns + round((now_s - received_s) * _NS)) <= self._largest_ns:
            self._stamp_ns, self._received_s = stamp_ns, received_s
            self._offsets_ns.append(stamp_ns - round(received_s * _NS))
        elif received_s - self._received_s > _FOREIGN_S:
            self._offsets_ns.clear()

    def ns(self, steady_s: float) -> int | None:
        """The arm's time at a time of the steady clock [ns], which is about now; None when it is not known."""
        return max(self._offsets_ns) + round(steady_s * _NS) if self._offsets_ns else None

    def silent_s(self, steady_s: float) -> float:
        """How old the newest state is at a time of the steady clock [s]; 0 while the arm's time is not known."""
        now_ns = self.ns(steady_s)
        return 0.0 if now_ns is None else (now_ns - self._stamp_ns) / _NS


_COMPUTING_S = 0.002
"""From the beginning of a control step to its command [s], for `braked_s`."""


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
        update_period_s: float = 0.002,
        stamps_within_s: float = 0.0,
        is_slowed: Callable[[], bool] = lambda: False,
    ) -> None:
        """Open the topic.

        Args:
            node: owns the publisher.
            limits: of the arm.
            period_s: time between two commands [s].
            controller: name of the controller that takes them.
            takes_positions: set-points, in place of trajectories.
            has_own_time: the arm may be a simulated one whose time waits for commands.
            update_period_s: of that controller [s].
            stamps_within_s: trajectories bear the arm's time, where that differs from this computer's by no more [s],
                see `hear`; 0 for none: they begin when the arm receives them, which costs a jolt each.
            is_slowed: does the time of trajectories not go on as the clock does. A new one would make the arm jump to
                where it should be by now. So none is sent: the arm comes to rest by the last one, and then has to be
                released.
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
        self._path = OverlappingKnots(limits, period_s, update_period_s)
        self._clock = ArmClock(stamps_within_s) if stamps_within_s > 0.0 and not takes_positions else None
        self._is_slowed, self._withholds = is_slowed, False
        self._arrival = np.empty(0)
        self.forget()

    @property
    def name(self) -> str:
        """Full name of the topic."""
        return self._publisher.topic_name

    @property
    def has_sent(self) -> bool:
        """Whether a command was sent since `forget`."""
        return self._last is not None

    def forget(self) -> None:
        """Begin anew: nothing was sent yet."""
        self._last: Float64MultiArray | JointTrajectory | None = None
        self._sent_s = -math.inf
        self._path.forget()
        self._braked_s, self._arrives_s = 0.0, -math.inf

    @property
    def silent_s(self) -> float:
        """For how long an arm that takes trajectories with its time has said nothing [s]; 0 where that is not long.

        No command should be sent then. What holds its states up may hold up commands too, and one that arrives much too
        late makes the arm leap to where it would be by then. One without a time jolts it as well. With none at all it
        brakes by itself, within its limits; `braked_s` says how far it has when its states are back.
        """
        silent_s = 0.0 if self._clock is None else self._clock.silent_s(time.monotonic())
        return silent_s if silent_s > _SILENT_S else 0.0

    @property
    def early_s(self) -> float:
        """By how much the next command would come early now [s]: the last one counts for a whole period."""
        return max(0.0, self._sent_s + self._period_s - time.monotonic())

    def withhold(self) -> None:
        """Send no more while the arm is braking, which it does by itself."""
        self._withholds = True
        self._path.forget()

    def hear(self, stamp_ns: int, received_s: float) -> None:
        """A joint state of the arm, with its stamp [ns] and when it was received on the steady clock [s]."""
        if self._clock is not None:
            now_s = time.monotonic()
            self._clock.hear(stamp_ns, received_s, self._node.get_clock().now().nanoseconds, now_s)

    def braked_s(self) -> float | None:
        """For how long an arm in motion will have braked by itself before a command that is computed from now on [s].

        Whoever asks has to tell the safety filter (`miss`): the next command that is sent goes on from there. None when
        trajectories do not bear the arm's time: then it brakes from when this command was due.
        """
        now_ns = None if self._clock is None else self._clock.ns(time.monotonic() + _COMPUTING_S)
        if now_ns is None:
            return None
        self._braked_s = self._path.braked_s(now_ns)
        return self._braked_s

    def send(self, command: FilteredCommand, late_s: float = 0.0) -> None:
        """Send what the safety filter let through; how long after its due time [s] concerns trajectories."""
        braked_s, self._braked_s = self._braked_s, 0.0
        if self._is_on_its_way(command) or self._is_withheld(command):
            self.show_life()
            return
        due_ns = None if self._clock is None else self._clock.ns(time.monotonic() - late_s)
        if self.takes_positions:
            # One message for all: making a new one takes a third of the time that sending takes.
            self._positions.data = doubles(command.joint_positions)
            self._last = self._positions
        elif due_ns is None:
            self._path.forget()
            if self._clock is not None and command.arrives_s is None:
                # The arm is so much behind, and stays so: the next command may bear its time again.
                command = command._replace(arrives_s=self._period_s + self._path.overlap_s)
            self._last = to_trajectory_command(command, self._limits, self._period_s, late_s)
        else:
            start_ns, knots = self._path.next(
                command.joint_positions,
                command.joint_velocities,
                due_ns,
                late_s=late_s,
                braked_s=braked_s,
                arrives_s=command.arrives_s,
            )
            self._last = to_trajectory_message(knots, self._limits.joint_names, start_ns)
        if self.on_send is not None:
            self.on_send(self._last)
        self._publisher.publish(self._last)
        self._sent_s = time.monotonic()

    def _is_on_its_way(self, command: FilteredCommand) -> bool:
        """Whether the arm was already sent to this place for a later time. Beginning again would jolt it."""
        now_s = time.monotonic()
        if command.arrives_s is None or self.takes_positions:
            self._arrives_s = -math.inf
            return False
        if now_s < self._arrives_s and np.array_equal(command.joint_positions, self._arrival):
            return True
        self._arrives_s, self._arrival = now_s + command.arrives_s, command.joint_positions
        return False

    def _is_withheld(self, command: FilteredCommand) -> bool:
        if self.takes_positions:
            return False
        if self._is_slowed():
            self.withhold()
        elif command.state <= SafetyState.LIMITED:  # Until then it brakes.
            self._withholds = False
        return self._withholds

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
