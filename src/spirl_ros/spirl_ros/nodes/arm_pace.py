"""Makes the control steps of teleoperation of a configured arm: one per period of the steady clock."""

import numpy as np
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState

from spirl_msgs.msg import TaskStatus
from spirl_ros.control.latest_observation import LatestObservation
from spirl_ros.control.realtime_priority import ask_for_process, ask_for_realtime_priority
from spirl_ros.control.safety_filter import SafetyState
from spirl_ros.errors import ObservationError
from spirl_ros.nodes.arm_readiness import ArmReadiness
from spirl_ros.nodes.managed_node import ManagedNode
from spirl_ros.nodes.messages import stamp_ns
from spirl_ros.nodes.polled_topic import PolledTopic
from spirl_ros.nodes.teleop_steps import TeleopSteps
from spirl_ros.teleoperation.arm_teleoperation import ArmTeleoperation

LARGEST_DEVIATION = 0.2
"""From the measured joints to where the arm was sent [rad, m], where the configuration tolerates any."""


class ArmPace:
    """Takes the arm over once it is ready, and stops it for good when it is not where it was sent.

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
    ) -> None:
        """Subscribe; `start` begins.

        Args:
            node: owns subscription and timer.
            steps: are made here.
            teleoperation: of them.
            readiness: says whether it may be; whoever watches it stops the steps when it is lost.
            joint_state_topic: its measured joint states.
            max_age_s: older ones are not acted on [s].
            path_tolerance: the controller gives up beyond [rad, m]; 0 for never.
            realtime_priority: of this process, where permitted; 0 does not ask.
        """
        self._node, self._steps, self._teleoperation, self._readiness = node, steps, teleoperation, readiness
        self._max_age_s, self._period_s = max_age_s, teleoperation.arm.control_period_s
        self._joint_names = teleoperation.arm.limits.joint_names
        self._largest_deviation = path_tolerance or LARGEST_DEVIATION
        self._latest = LatestObservation(self._joint_names, ())
        self._topic = PolledTopic(node, JointState, joint_state_topic, qos_profile_sensor_data)
        self._realtime_priority = realtime_priority
        self._timer = None

    def start(self) -> None:
        """Begin anew, at the next period."""
        self.waits_for = "no joint states"
        """Why the arm was not taken over yet; empty when it was."""
        self.missed_steps = 0
        self._due_s: float | None = None
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
        self._topic.close()

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

    def why_latched(self) -> str:
        """What keeps a latch from being released, or nothing."""
        return self._readiness.fault or ("" if self.age_s <= self._max_age_s else "there are no fresh joint states")

    def task_told(self, status: TaskStatus) -> None:
        """A task does not move an arm that is not simulated."""

    def watch(self) -> None:
        """Fifty times a second: look for joint states, so that their age is known better than to a period."""
        message = self._topic.take()
        if message is None:
            return
        # What an arm that stands says may be of any time: its driver may have been started again.
        may_go_back = not self._steps.has_begun or self._steps.state is SafetyState.LATCHED
        try:
            measured_ns, now_s = stamp_ns(message.header.stamp), self._node.now_s()
            self._latest.update_joint_state(
                list(message.name), message.position, measured_ns, now_s, may_go_back=may_go_back
            )
        except ObservationError as error:
            self._node.get_logger().error(f"ignored: {error}", throttle_duration_sec=1.0)

    def _on_period(self) -> None:
        now_s = self._node.now_s()
        # The first call may come late, and says when the others are due.
        due_s = now_s if self._due_s is None else min(self._due_s, now_s)
        missed = int((now_s - due_s) / self._period_s)
        due_s += missed * self._period_s
        self._due_s = due_s + self._period_s
        self.watch()
        if not self._steps.has_begun:
            self._begin_when_ready()
            return
        if missed:
            self.missed_steps += missed
            if not self._steps.command_topic.takes_positions:
                self._teleoperation.miss(missed)
        if reason := self._deviation():
            self._steps.stop(reason)
        self._steps.step(self.joint_positions, self.age_s, due_s)

    def _begin_when_ready(self) -> None:
        age_s = self.age_s
        self.waits_for = self._steps.command_topic.nobody_listens() or self._readiness.fault
        if not self.waits_for and not age_s <= self._max_age_s:
            self.waits_for = "no joint states"
        if not self.waits_for:
            self._steps.begin(self.joint_positions, age_s)

    def _deviation(self) -> str:
        """Why the arm cannot be on its way to where it was sent, or nothing."""
        errors = np.abs(self.joint_positions - self._teleoperation.joint_positions_sent)
        if errors.max() <= self._largest_deviation:
            return ""
        worst = int(np.argmax(errors))
        return (
            f"{self._joint_names[worst]} is {errors[worst]:.2f} from where it was sent, expected at most "
            f"{self._largest_deviation:.2f}: something holds it, or moves it too"
        )
