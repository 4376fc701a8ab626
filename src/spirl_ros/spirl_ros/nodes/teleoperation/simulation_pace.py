"""Makes the control steps of teleoperation of a simulated arm: when its time has come to one."""

from collections.abc import Callable

import numpy as np
from sensor_msgs.msg import JointState

from spirl_msgs.msg import TaskStatus
from spirl_ros.control.control_beat import ControlBeat
from spirl_ros.control.observation import ObservationAssembler
from spirl_ros.control.safety_filter import SafetyState
from spirl_ros.errors import ObservationError
from spirl_ros.nodes.graph.managed_node import ManagedNode
from spirl_ros.nodes.graph.messages import stamp_ns
from spirl_ros.nodes.teleoperation.teleop_steps import TeleopSteps

STALLED_S = 1.0
"""After this long without a new joint state, but with old ones repeated, the last command counts as lost [s]."""


class SimulationPace:
    """One command in each control step, as soon as the joint state at its beginning is there.

    In lockstep simulated time waits for the command.
    """

    def __init__(
        self,
        node: ManagedNode,
        steps: TeleopSteps,
        joint_names: tuple[str, ...],
        period_s: float,
        max_age_s: float,
        poll_period_s: float,
    ) -> None:
        """Subscribe.

        Args:
            node: owns the subscription.
            steps: are made here.
            joint_names: of the arm.
            period_s: of a control step [s].
            max_age_s: a joint state older than this is not acted on [s].
            poll_period_s: how often `watch` is called [s].
        """
        self._node, self._steps, self._period_s, self._max_age_s = node, steps, period_s, max_age_s
        self._period_ns = round(period_s * 1e9)
        # Where simulated time waits for commands a person needs real time too; what is missing of the control period is
        # waited for keys, on average.
        self._lockstep_period_s = period_s - 0.5 * poll_period_s
        self._assembler = ObservationAssembler(joint_names, ())
        self._subscription = node.create_subscription(JointState, "joint_states", self._on_joint_state, 10)
        self.start()

    def start(self) -> None:
        """Begin anew."""
        self.is_reset_asked = False
        self.missed_steps = 0
        self._episode: int | None = None
        self._beat, self._acted_ns = ControlBeat(self._period_ns), 0
        self._beat.begin(0)
        self._status_ns: int | None = None
        self._begins_ns = -1
        """Stamp of the first state of this episode, which may be still on its way [ns]."""
        self._received_s = self._acted_s = -np.inf
        self._states_since_command = 0

    def stop(self) -> None:
        """Make no more steps."""

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def diagnose(self) -> dict[str, object]:
        """Values for `/diagnostics`."""
        return {}

    @property
    def conflict(self) -> str:
        """Who sends states beside the simulator: it has a topic of its own."""
        return ""

    @property
    def waits_for(self) -> str:
        """Why the arm was not taken over yet."""
        return "no joint states"

    @property
    def age_s(self) -> float:
        """Time since the last joint state was received [s]; infinite before the first."""
        return self._node.now_s() - self._received_s

    @property
    def joint_positions(self) -> np.ndarray:
        """Measured positions (Da,); only where `age_s` is finite."""
        return self._assembler.joint_positions()

    def why_latched(self) -> str:
        """What keeps a latch from being released, or nothing."""
        return "" if self.age_s <= self._max_age_s else "there are no fresh joint states"

    def release_latch(self) -> None:
        """Go on where the arm is measured, on somebody's demand; raises CommandError where it cannot."""
        self._steps.release_latch(self.joint_positions, self.age_s)

    def task_told(self, status: TaskStatus) -> None:
        """Follow the control steps' beat, and begin again after a reset of the scene."""
        if self._episode != status.episode:
            # After a fault or a stop only a reset that was asked for here lets the arm move again.
            is_held = bool(self._steps.stop_reason) or self._steps.state is SafetyState.LATCHED
            if self.is_reset_asked or not is_held:
                self._steps.begin_anew(with_release=self.is_reset_asked)
            self.is_reset_asked = False
            self._episode = status.episode
            self._begins_ns = stamp_ns(status.header.stamp)
        self._status_ns = begins_ns = stamp_ns(status.header.stamp)
        self._begins_ns = min(self._begins_ns, begins_ns)  # time went back: the simulator was started again
        self._beat.begin(begins_ns if begins_ns > self._acted_ns else begins_ns + self._period_ns)
        self._act_when_due()

    def watch(self) -> None:
        """Fifty times a second: what time alone brings."""
        self._act_when_due()
        now_s, age_s = self._node.now_s(), self.age_s
        is_silent = self._steps.has_begun and age_s > self._max_age_s
        if is_silent and self._steps.state is not SafetyState.LATCHED and now_s > self._acted_s + self._period_s:
            self._acted_s = now_s
            self._steps.without_measurement(age_s)

    def _on_joint_state(self, message: JointState) -> None:
        if not self._node.is_active:
            return
        try:
            is_ours = self._assembler.update_joint_state(
                list(message.name), list(message.position), stamp_ns(message.header.stamp), self._node.now_s()
            )
        except ObservationError as error:
            self._node.get_logger().error(f"ignored: {error}", throttle_duration_sec=1.0)
            return
        if not is_ours:
            return
        self._received_s = self._node.now_s()
        self._states_since_command += 1
        self._act_when_due()

    def _act_when_due(self) -> None:
        """Send one command per control step."""
        now_s, measured_ns = self._node.now_s(), self._assembler.stamp_ns
        is_due = measured_ns != self._acted_ns and self._beat.is_due(measured_ns, self._status_ns)
        # In lockstep, time waits for a command that was lost: act on the repeated state.
        is_stalled = self._received_s > self._acted_s and now_s > self._acted_s + STALLED_S
        # States in between say that time advances without commands.
        is_early = self._states_since_command <= 1 and now_s < self._acted_s + self._lockstep_period_s
        if not (is_due or is_stalled) or is_early or measured_ns < self._begins_ns:
            return
        age_s = now_s - self._received_s
        if self.is_reset_asked or not age_s <= self._max_age_s:
            return
        self._acted_s, self._acted_ns = now_s, measured_ns
        self._states_since_command = 0
        missed_steps = self._beat.make_step(measured_ns)
        self.missed_steps += missed_steps if self._steps.has_begun else 0
        act: Callable[[np.ndarray, float], None] = self._steps.step if self._steps.has_begun else self._steps.begin
        act(self.joint_positions, age_s)
