"""Makes the control steps of a simulator that waits for commands: one per new state."""

import time
from collections.abc import Callable

from spirl_ros.control.control_loop import LoopState
from spirl_ros.nodes.control_steps import ControlSteps
from spirl_ros.nodes.skill_executor_parameters import SkillExecutorConfig

RESEND_S = 1.0
"""A command that the simulator did not act on for so long [s] is sent again, in case it was lost."""
_ROUNDING_NS = 1_000


class LockstepPace:
    """The loop's time is the simulator's, and everything that happens may be what the next step waited for.

    Its methods are called with the lock of the steps held.
    """

    def __init__(
        self, steps: ControlSteps, config: SkillExecutorConfig, period_s: float, on_step: Callable[[], None]
    ) -> None:
        """Prepare.

        Args:
            steps: are made here.
            config: of the executor.
            period_s: simulated time that one command has to last [s].
            on_step: called after each step.
        """
        self._steps, self._config, self._on_step = steps, config, on_step
        self._period_ns = round(period_s * 1e9)
        self._task_ns = self._stepped_ns = -1
        self._awaits_answer = False
        self._new_state_s = time.monotonic()

    def start(self) -> None:
        """The first state begins."""

    def stop(self) -> None:
        """Without a state nothing is done."""

    def time_s(self) -> float:
        """The loop's time now [s]."""
        return self._steps.loop.measured_ns * 1e-9

    def received_s(self, measured_ns: int) -> float:
        """When a measurement that arrives now was received, in the loop's time [s]."""
        return measured_ns * 1e-9

    def task_told(self, stamp_ns: int) -> None:
        """The task has said how the control step before this moment went."""
        self._task_ns = stamp_ns

    def advance(self) -> None:
        """Step if there is a new state, and the task has said how the step before it went."""
        measured_ns = self._steps.loop.measured_ns
        if measured_ns < 0 or measured_ns == self._stepped_ns or self._task_ns < measured_ns:
            return
        if self._steps.loop.is_ahead:
            return  # Who chose the skill has heard of a reset, say, that is still on its way here.
        if self._awaits_answer:
            self._awaits_answer = False
            self._check_period(measured_ns - self._stepped_ns)
        self._new_state_s = time.monotonic()
        if self._steps.step(self.time_s()):
            self._stepped_ns, self._awaits_answer = measured_ns, True
        self._on_step()

    def skill_begins(self) -> None:
        """A skill is asked for: patience begins anew."""
        self._new_state_s = time.monotonic()
        self.advance()

    def begin_episode(self) -> None:
        """The scene was put back: the state may be the one before, and no command is answered."""
        self._stepped_ns, self._awaits_answer = -1, False

    def watch(self) -> None:
        """What a silent simulator leaves undone; called ten times a second."""
        steps, loop, now_s = self._steps, self._steps.loop, time.monotonic()
        silent_s = now_s - self._new_state_s
        if loop.is_ahead and silent_s > self._config.lockstep_patience_s:
            loop.cancel(f"the observation that the skill was chosen on has not come for {silent_s:.1f} s")
            steps.step(self.time_s())
            self._on_step()
        if loop.state is not LoopState.EXECUTING:
            return
        if silent_s > self._config.lockstep_patience_s:
            loop.stop(f"no new state for {silent_s:.1f} s")
            # Without a state in between: the simulator may be there and only its states lost.
            steps.brake_to_rest(self.time_s, wait=lambda: None)
            self._on_step()
        elif now_s > max(steps.sent_s, self._new_state_s) + RESEND_S:
            steps.command_topic.send_again()
            steps.sent_s = now_s
            self._awaits_answer = False  # It may be answered twice.

    def diagnose(self) -> dict[str, object]:
        """Values for `/diagnostics`: none of its own."""
        return {}

    def _check_period(self, passed_ns: int) -> None:
        """Stop where a command does not last as long as skills were trained for."""
        if abs(passed_ns - self._period_ns) > _ROUNDING_NS:
            self._steps.loop.stop(
                f"a command lasted {passed_ns * 1e-9:.4f} s in the simulator, expected {self._period_ns * 1e-9:.4f} s: it "
                "has another control rate than the bundle, or somebody else commands it, too"
            )
