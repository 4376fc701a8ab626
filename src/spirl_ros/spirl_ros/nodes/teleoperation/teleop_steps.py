"""Makes the control steps of teleoperation: begins, acts, brakes, and tells what was sent."""

import time

import numpy as np
from std_msgs.msg import Float64MultiArray

from spirl_msgs.msg import SafetyStatus
from spirl_ros.control.event_rate import EventRate
from spirl_ros.control.safety_filter import LATCH, FilteredCommand, SafetyState
from spirl_ros.errors import CommandError
from spirl_ros.nodes.executor.arm_command_topic import ArmCommandTopic
from spirl_ros.nodes.graph.managed_node import ManagedNode
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS, to_action, to_safety_status
from spirl_ros.teleoperation.arm_teleoperation import ArmTeleoperation, TeleoperationStep

_WAY_OUT = "Press c, or call ~/reset, to release the latch"


class TeleopSteps:
    """An ArmTeleoperation, the topics of its commands and their outcome, and whether the arm has to stop."""

    def __init__(
        self,
        node: ManagedNode,
        teleoperation: ArmTeleoperation,
        command_topic: ArmCommandTopic,
        *,
        max_age_s: float,
        rests_silently: bool,
    ) -> None:
        """Open the topics; nothing is sent before `begin`.

        Args:
            node: owns the publishers and logs.
            teleoperation: decides on the commands.
            command_topic: takes them.
            max_age_s: older joint states are not acted on [s].
            rests_silently: send nothing while the arm stands where it was sent; a simulated one waits for every
                command.
        """
        self._node, self._teleoperation, self.command_topic = node, teleoperation, command_topic
        self._max_age_s, self._rests_silently = max_age_s, rests_silently
        self._joint_names = teleoperation.arm.limits.joint_names
        self._action_publisher = node.create_publisher(Float64MultiArray, "operator_action", COMMAND_QOS)
        self._status_publisher = node.create_publisher(SafetyStatus, "safety_status", LATCHED_QOS)
        self.restart()

    def restart(self) -> None:
        """The arm has to be taken over anew."""
        self.has_begun = False
        self.state = SafetyState.PASSED
        self.motion_note = ""
        """What is in the way of the motion that is asked for."""
        self.stop_reason = ""
        """Why the arm has to stop, until it is released; empty when it need not."""
        self._is_let_go = self._is_at_rest = False
        self._rate = EventRate("commands")

    def close(self) -> None:
        """Close the topics."""
        self._node.destroy_publisher(self._action_publisher)
        self._node.destroy_publisher(self._status_publisher)

    def begin(self, joint_positions: np.ndarray, age_s: float, within_s: float | None = None) -> None:
        """Take the arm over at (Da,), at rest; how long its way there may take concerns trajectories [s]."""
        try:
            first = self._teleoperation.begin(joint_positions)
        except CommandError as error:
            self._node.get_logger().error(str(error), throttle_duration_sec=1.0)
            return
        self.has_begun, self._is_let_go = True, False
        self._send(first, age_s, np.zeros_like(joint_positions), within_s=within_s)

    def step(self, joint_positions: np.ndarray, age_s: float, due_s: float | None = None) -> None:
        """Act on measured positions (Da,), received so long ago [s]; trajectories need when the command was due [s]."""
        if self.stop_reason:
            self._send(self._teleoperation.brake(), age_s, due_s=due_s)
            return
        step: TeleoperationStep = self._teleoperation.step(joint_positions, age_s, self._node.now_s())
        self.motion_note = "near a singularity" if step.motion.is_singular else ""
        if step.motion.is_at_limit:
            self.motion_note = "at a joint's limit"
        self._send(step.command, age_s, step.action, due_s)

    def without_measurement(self, age_s: float) -> None:
        """A control step for which no measurement came."""
        self._send(self._teleoperation.without_measurement(age_s), age_s)

    def stop(self, reason: str) -> None:
        """Brake to rest from the next step on, and stay there until the latch is released.

        May be called from any thread.

        An arm that was not taken over yet is held as soon as it is.
        """
        if not self.stop_reason and self.state is not SafetyState.LATCHED:
            self.stop_reason = reason
            self._node.get_logger().error(f"the arm is stopped: {reason}. {_WAY_OUT}, when that is fixed")

    def let_go(self, reason: str, *, silently: bool) -> None:
        """Stop an arm that others move, or that is not where it was sent.

        A command to go on from there, or to brake there, would make it leap. Silently is for who follows trajectories,
        and comes to rest without another, or somebody else's commands. Other set-points have to brake.
        """
        if not self.stop_reason:
            self._is_let_go = silently
            self.stop(reason)

    def begin_anew(self, *, with_release: bool) -> None:
        """The next step takes the arm over where it is then, with release also after it was stopped."""
        self.has_begun = False
        if with_release:
            self.stop_reason = ""

    def brake_to_rest(self, wait) -> None:
        """Send the whole way to rest from the next period on; `wait` passes the time between two commands."""
        if self.command_topic.silent_s:
            self.command_topic.withhold()  # The arm goes the way by itself.
        time.sleep(self.command_topic.early_s)
        while self.has_begun and self.state is not SafetyState.LATCHED:
            self._send(self._teleoperation.brake(), 0.0)
            if self.state is not SafetyState.LATCHED:
                wait()

    def release_latch(self, joint_positions: np.ndarray, age_s: float, within_s: float | None = None) -> None:
        """Go on where the arm is measured (Da,), see `begin`; CommandError when it cannot be taken over there."""
        first = self._teleoperation.release_latch(joint_positions)
        self.stop_reason, self._is_let_go = "", False
        self._send(first, age_s, within_s=within_s)

    def diagnose(self) -> dict[str, object]:
        """Values for `/diagnostics`."""
        return {
            "safety": self.state.name,
            "interventions": self._teleoperation.intervention_count,
            "speed [%]": 100.0 * self._teleoperation.speed_scale,
            **self._rate.diagnose(self._node.now_s()),
        }

    def _send(
        self,
        command: FilteredCommand,
        age_s: float,
        action: np.ndarray | None = None,
        due_s: float | None = None,
        within_s: float | None = None,
    ) -> None:
        """Publish the intended action, the command, and what the safety filter did."""
        is_fault = command.state >= SafetyState.HOLDING and command.interventions != (LATCH,)
        if is_fault and command.state is not self.state:
            reason = command.reason if age_s <= self._max_age_s else f"no joint state for {age_s:.2f} s"
            way_out = f". {_WAY_OUT}" if command.state is SafetyState.LATCHED else ""
            self._node.get_logger().warning(f"{command.state.name}: {reason}{way_out}")
        self.state = command.state
        if action is not None:
            self._action_publisher.publish(to_action(action))
        was_at_rest, self._is_at_rest = self._is_at_rest, not command.joint_velocities.any()
        rests = self._rests_silently and was_at_rest and self._is_at_rest and within_s is None
        if rests or self._is_let_go:
            self.command_topic.show_life()
        else:
            late_s = 0.0 if due_s is None else self._node.now_s() - due_s
            self.command_topic.send(command._replace(arrives_s=within_s), late_s)
            self._rate.mark(self._node.now_s())
        status = to_safety_status(command, self._joint_names)
        status.header.stamp = self._node.get_clock().now().to_msg()
        status.interventions = self._teleoperation.intervention_count
        status.joint_state_age_s = age_s
        self._status_publisher.publish(status)
