"""Makes the control steps of teleoperation of a configured arm: one per period of the steady clock."""

from collections.abc import Collection

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState

from spirl_msgs.msg import TaskStatus
from spirl_ros.control.control_loop import set_points_fault
from spirl_ros.control.observation import LatestObservation
from spirl_ros.control.publisher_counts import PublisherCounts
from spirl_ros.control.realtime_priority import ask_for_process, ask_for_realtime_priority
from spirl_ros.control.safety_filter import SafetyState
from spirl_ros.control.tracking import TRACKING_TOLERANCE
from spirl_ros.errors import ObservationError
from spirl_ros.nodes.executor.arm_command_topic import SILENT_PERIODS
from spirl_ros.nodes.executor.arm_readiness import ArmReadiness
from spirl_ros.nodes.executor.other_commands import OtherCommands
from spirl_ros.nodes.graph.managed_node import ManagedNode
from spirl_ros.nodes.graph.messages import stamp_ns
from spirl_ros.nodes.graph.polled_topic import PolledTopic
from spirl_ros.nodes.graph.state_publishers import StatePublishers
from spirl_ros.nodes.teleoperation.teleop_steps import TeleopSteps
from spirl_ros.teleoperation.arm_teleoperation import ArmTeleoperation
from spirl_ros.teleoperation.arm_watch import ArmWatch

_DEPTH = 100
"""Messages that wait for a look: a fast gripper on the topic must not push the arm's out."""


class ArmStates:
    """Has the newest state with any of the arm's joints, and notices when two publishers send such.

    There may be thousands a second, so only those that are needed are unpacked. Not thread-safe.
    """

    def __init__(self, node: Node, topic: str, joint_names: tuple[str, ...]) -> None:
        """Subscribe; drivers may offer best effort only."""
        self._joint_names = joint_names
        self._topic = PolledTopic(
            node, JointState, topic, QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        )
        self._everyone, self._ours = PublisherCounts(), StatePublishers(node, self._topic.name)

    @property
    def conflict(self) -> str:
        """Who sends states of this arm beside its driver; empty while one publisher alone does."""
        return self._ours.conflict

    def take(self, now_s: float) -> JointState | None:
        """The newest that arrived since the last look, or None."""
        messages = self._topic.take_serialized()
        for _, number in messages:
            self._everyone.hear(number, now_s)
        newest = None
        for content, number in messages if self._everyone.has_two else reversed(messages):
            state = deserialize_message(content, JointState)
            if not state.name or any(name in state.name for name in self._joint_names):
                self._ours.heard(number, now_s)
                newest = state
                if not self._everyone.has_two:
                    break
        return newest

    def close(self) -> None:
        """Unsubscribe."""
        self._topic.close()


LATE = 0.1
"""Share of a period by which a command may be late without being one that an arm has begun to brake for."""


class ArmPace:
    """Takes the arm over once it is ready and stands, and lets go of it when it is not where it was sent.

    Of the joint states, of which there may be a thousand a second, the newest is looked at.
    """

    is_reset_asked = False

    def __init__(
        self,
        node: ManagedNode,
        steps: TeleopSteps,
        teleoperation: ArmTeleoperation,
        readiness: ArmReadiness,
        joint_state_topic: str,
        max_age_s: float,
        path_tolerance: float,
        realtime_priority: int,
        continuous: Collection[str] = (),
    ) -> None:
        """Subscribe; `start` begins.

        Args:
            node: owns subscription and timer.
            steps: are made here.
            teleoperation: of them.
            readiness: says whether it may be; whoever watches it stops the steps when it is lost.
            joint_state_topic: its measured joint states.
            max_age_s: older ones are not acted on [s].
            path_tolerance: the controller gives up beyond [rad, m]; 0 for never. What is tolerated here is no more.
            realtime_priority: of this process, where permitted; 0 does not ask.
            continuous: joints that turn without end, whatever turn their driver reports them in.
        """
        self._node, self._steps, self._teleoperation, self._readiness = node, steps, teleoperation, readiness
        self._max_age_s, self._period_s = max_age_s, teleoperation.arm.control_period_s
        limits, tolerance = teleoperation.arm.limits, min(TRACKING_TOLERANCE, path_tolerance or TRACKING_TOLERANCE)
        self._arm = ArmWatch(limits, self._period_s, tolerance)
        self._latest = LatestObservation(limits.joint_names, (), continuous)
        self._states = ArmStates(node, joint_state_topic, limits.joint_names)
        self._others = OtherCommands(node, steps.command_topic)
        self._realtime_priority = realtime_priority
        self._timer = None

    def start(self) -> None:
        """Begin anew, at the next period."""
        self.waits_for = "no joint states"
        """Why the arm was not taken over yet; empty when it was."""
        self.missed_steps = 0
        self._is_waiting = False
        """Whether a step is due that waits for a state."""
        self._due_s: float | None = None
        self._free_at_s = -np.inf
        self._arm.forget_measured()
        self._scheduling = "not asked for"
        if self._realtime_priority:
            ask_for_process(self._realtime_priority)
            self._scheduling = ask_for_realtime_priority(self._realtime_priority)
        self._timer = self._node.create_timer(self._period_s, self._on_period, clock=self._node.steady_clock)

    def stop(self) -> None:
        """Make no more steps."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None
            if self._realtime_priority:
                ask_for_process(0)

    def close(self) -> None:
        """Unsubscribe."""
        self.stop()
        self._states.close()
        self._others.close()

    def diagnose(self) -> dict[str, object]:
        """Values for `/diagnostics`."""
        return {"scheduling": self._scheduling}

    @property
    def age_s(self) -> float:
        """Time since the last joint state was looked at [s]; infinite before the first."""
        return self._latest.age_s(self._node.now_s())

    @property
    def joint_positions(self) -> np.ndarray:
        """Measured positions (Da,); only where `age_s` is finite."""
        return self._latest.joint_positions

    @property
    def conflict(self) -> str:
        """Who sends states of this arm beside its driver; empty while nobody does."""
        return self._states.conflict

    def why_latched(self) -> str:
        """What keeps a latch from being released, or nothing."""
        if reason := self._readiness.fault or self._states_fault():
            return reason
        return set_points_fault(self._arm.displacement) if self._steps.command_topic.takes_positions else ""

    def release_latch(self) -> None:
        """Go on where the arm is measured, on somebody's demand; raises CommandError where it cannot."""
        place, now_s = self.joint_positions, self._node.now_s()
        within_s = self._arm.take_over(place, now_s)
        self._steps.release_latch(place, self.age_s, self._wait_for_arm(within_s, now_s))

    def task_told(self, status: TaskStatus) -> None:
        """A task does not move an arm that is not simulated."""

    def watch(self) -> None:
        """Fifty times a second: look for joint states, so that their age is known better than to a period."""
        now_s = self._node.now_s()
        message = self._states.take(now_s)
        if message is None:
            return
        # What an arm that stands says may be of any time: its driver may have been started again.
        may_go_back = not self._steps.has_begun or self._steps.state is SafetyState.LATCHED
        try:
            measured_ns = stamp_ns(message.header.stamp)
            self._latest.update_joint_state(
                list(message.name), message.position, measured_ns, now_s, may_go_back=may_go_back
            )
            self._steps.command_topic.hear(measured_ns, now_s)
        except ObservationError as error:
            self._node.get_logger().error(f"ignored: {error}", throttle_duration_sec=1.0)
            return
        self._arm.measure(self.joint_positions, measured_ns, now_s)
        if self._is_waiting:
            self._on_period()

    def _on_period(self) -> None:
        now_s = self._node.now_s()
        # The first call may come late, and says when the others are due.
        due_s = now_s if self._due_s is None else min(self._due_s, now_s)
        late = (now_s - due_s) / self._period_s
        if late > LATE:
            # The arm went on by itself. So does the beat, or the next command would come before its time.
            due_s = now_s
            if self._timer is not None:
                self._timer.reset()
        self._due_s, self._is_waiting = due_s + self._period_s, False
        self.watch()
        if not self._steps.has_begun:
            self._begin_when_ready(now_s)
            return
        if self._has_to_wait():
            self._due_s, self._is_waiting = due_s, True
            return
        self.missed_steps += int(late)
        braked_s = self._steps.command_topic.braked_s()
        braked = (late if late > LATE else 0.0) if braked_s is None else braked_s / self._period_s
        if braked and not self._steps.command_topic.takes_positions:
            self._teleoperation.miss(braked)
        self._look_after_arm(now_s)
        self._steps.step(self.joint_positions, self.age_s, due_s)
        self._arm.send(self._teleoperation.joint_positions_sent, now_s)

    def _has_to_wait(self) -> bool:
        """Whether no step must be made, because the arm says nothing. In motion it brakes by itself meanwhile.

        When that takes too long, it does so for good.
        """
        silent_s = self._steps.command_topic.silent_s
        if not silent_s:
            return False
        if silent_s <= self._max_age_s + SILENT_PERIODS * self._period_s:
            return True
        if self._teleoperation.is_moving:
            self._steps.let_go(f"no joint state for {silent_s:.2f} s", silently=True)
        return False

    def _states_fault(self) -> str:
        """Why the arm cannot be taken over as it is measured now, or nothing."""
        self._others.heard()
        if self.conflict or self._others.goal:
            return self.conflict or self._others.goal
        if not self.age_s <= self._max_age_s:
            return "there are no fresh joint states"
        return "" if self._arm.stands else "the arm does not stand still: something else moves it"

    def _begin_when_ready(self, now_s: float) -> None:
        self.waits_for = self._steps.command_topic.nobody_listens() or self._readiness.fault or self._states_fault()
        if not self.waits_for:
            place = self.joint_positions
            within_s = self._wait_for_arm(self._arm.take_over(place, now_s), now_s)
            self._steps.begin(place, self.age_s, within_s)

    def _look_after_arm(self, now_s: float) -> None:
        """Before a step: is the arm where it was left, and may it be moved."""
        if self._steps.stop_reason or self._steps.state is SafetyState.LATCHED:
            return
        if other := self._others.heard():
            self._steps.let_go(other, silently=True)
        elif fault := self.conflict or self._arm.fault:
            self._steps.let_go(fault, silently=not self._steps.command_topic.takes_positions)
        elif now_s < self._free_at_s:
            self._teleoperation.dead_man.release()
        elif self._arm.was_moved and self._teleoperation.is_asked(now_s):
            self._follow(now_s)

    def _follow(self, now_s: float) -> None:
        """Somebody asks for motion of an arm that something else has moved a little meanwhile."""
        if not self._arm.stands:
            self._teleoperation.dead_man.release()
            self._node.get_logger().warning("not moved: something else moves the arm", throttle_duration_sec=1.0)
            return
        self._node.get_logger().info("the arm was moved meanwhile, and is taken over where it stands")
        place, within_s = self._arm.follow(now_s)
        self._steps.begin(place, self.age_s, self._wait_for_arm(within_s, now_s))

    def _wait_for_arm(self, within_s: float, now_s: float) -> float:
        """Ask for no motion before a controller has reached the place that it was sent to."""
        self._free_at_s = now_s + (0.0 if self._steps.command_topic.takes_positions else within_s)
        return within_s
