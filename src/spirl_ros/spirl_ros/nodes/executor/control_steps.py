"""Makes the steps of a control loop, by a clock or by a simulator's states, and sends each command at once."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
from rclpy.node import Node

from spirl_ros.control.control_loop import ControlLoop, LoopState, Tick
from spirl_ros.control.event_rate import EventRate
from spirl_ros.control.periodic_thread import PeriodicThread
from spirl_ros.control.realtime_priority import ask_for_process, ask_for_realtime_priority
from spirl_ros.nodes.executor.arm_command_topic import SILENT_PERIODS, ArmCommandTopic
from spirl_ros.nodes.executor.executor_status import StepRecord
from spirl_ros.nodes.executor.skill_executor_parameters import SkillExecutorConfig

RESEND_S = 1.0
"""A command that the simulator did not act on for so long [s] is sent again, in case it was lost."""
_RECENT = 1000
"""Steps that times in diagnostics are of."""
_LATE_S = 0.001
"""A step that is late by more [s] finds an arm that has begun to brake by itself."""
_ROUNDING_NS = 1_000
_LOOK_S = 0.001
"""How often a silent arm is looked at [s]."""


class ControlSteps:
    """A loop, the topic its commands go to, and the lock that keeps threads apart. Nothing is done under it that waits.

    Whoever touches the loop holds `lock`. RealtimeSteps and LockstepSteps say when a step is made.
    """

    def __init__(
        self,
        loop: ControlLoop,
        command_topic: ArmCommandTopic,
        lock: threading.RLock,
        not_ready: Callable[[], str],
    ) -> None:
        """Nothing is sent before the first step.

        Args:
            loop: decides on the commands.
            command_topic: takes them.
            lock: see above.
            not_ready: why the arm must not be taken over yet; empty when it may. Asked before the first command.
        """
        self.loop, self.command_topic, self.lock = loop, command_topic, lock
        self._not_ready = not_ready
        self._records: deque[StepRecord] = deque()
        self.reason = ""
        """Why the arm is braking, latched or not taken over, as of the last step."""
        self._sent_s = time.monotonic()
        self._latencies_s: deque[float] = deque(maxlen=_RECENT)
        self._rate = EventRate("commands")

    def start(self) -> None:
        """Begin to step."""

    def stop(self) -> None:
        """End after the step under way."""

    def time_s(self) -> float:
        """The loop's time now [s]."""
        raise NotImplementedError

    def received_s(self, measured_ns: int) -> float:
        """When a measurement that arrives now was received, in the loop's time [s]."""
        raise NotImplementedError

    def task_told(self, stamp_ns: int) -> None:
        """The task has said how the control step before this moment went. Lock held, as for all that follow."""

    def skill_begins(self) -> None:
        """A skill is asked for."""

    def advance(self) -> None:
        """Something happened that the next step may have waited for."""

    def begin_episode(self) -> None:
        """The scene was put back."""

    def watch(self) -> None:
        """What silence leaves undone; called ten times a second."""

    def step(self, missed: float = 0.0, due_s: float | None = None) -> bool:
        """Step the loop and send its command, if there is one. Call with the lock held.

        Args:
            missed: periods, and parts of one, left out before this one.
            due_s: when this step was due, on the steady clock [s]; None for now.

        Returns:
            Whether a command was sent.
        """
        now_s, begin_s = self.time_s(), time.monotonic()
        not_ready = "" if self.command_topic.has_sent else self._not_ready()
        tick = Tick(None, self.loop.state, not_ready) if not_ready else self.loop.step(now_s, missed)
        if tick.command is not None:
            late_s = 0.0 if due_s is None else time.monotonic() - due_s
            self.command_topic.send(tick.command, late_s)
            self._sent_s = time.monotonic()
            self._latencies_s.append(self._sent_s - begin_s)
            self._rate.mark(self._sent_s)
        else:
            self.command_topic.show_life()
        self.reason = tick.reason
        self._records.append(StepRecord.of(self.loop, tick, now_s))
        return tick.command is not None

    def brake_to_rest(self, wait: Callable[[], object]) -> None:
        """Send the whole way to rest, after `loop.stop`; `wait` passes the time between two commands. Lock held."""
        while self.loop.state is LoopState.BRAKING:
            self.step()
            wait()

    def take_records(self) -> Iterator[StepRecord]:
        """What there is to tell of the steps made since, oldest first; needs no lock."""
        while self._records:
            yield self._records.popleft()

    def diagnose(self) -> dict[str, object]:
        """Commands per second, and how long they took from the beginning of a step, over the recent ones."""
        with self.lock:
            latencies_s, values = list(self._latencies_s), self._rate.diagnose(time.monotonic())
        if not latencies_s:
            return values
        p50_s, p99_s = np.percentile(latencies_s, (50.0, 99.0))
        return values | {"tick to command p50 [ms]": float(p50_s) * 1e3, "tick to command p99 [ms]": float(p99_s) * 1e3}


class RealtimeSteps(ControlSteps):
    """One step per period, from a thread of its own.

    The loop's time is the steady clock, and what happens waits for the next.

    With `use_sim_time` it is the simulator's: periods, and ages of measurements, last as long there as the motion does.
    """

    def __init__(
        self,
        loop: ControlLoop,
        command_topic: ArmCommandTopic,
        lock: threading.RLock,
        not_ready: Callable[[], str],
        node: Node,
        config: SkillExecutorConfig,
        period_s: float,
        on_step: Callable[[], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        """Prepare; `start` begins.

        Args:
            loop: these four as for ControlSteps.
            command_topic: takes its commands.
            lock: keeps threads apart.
            not_ready: why the arm must not be taken over yet.
            node: has the ROS clock.
            config: of the executor.
            period_s: time between two steps [s].
            on_step: called after each from the control thread; it must not wait.
            on_error: called once when a step raises.
        """
        super().__init__(loop, command_topic, lock, not_ready)
        self._node, self._config, self._on_step = node, config, on_step
        self._is_simulated = bool(node.get_parameter("use_sim_time").value)
        self._scheduling = ""
        self._period_s = period_s
        self._latenesses_s: deque[float] = deque(maxlen=_RECENT)
        simulated_s = self._simulated_s if self._is_simulated else None
        self._thread = PeriodicThread("control", period_s, self._on_period, on_error, self._rehearse, simulated_s)

    def start(self) -> None:
        """Begin to step."""
        self._told_s, self._told_simulated_s = time.monotonic(), self._simulated_s()
        if self._config.realtime_priority > 1:
            ask_for_process(self._config.realtime_priority - 1)
        self._thread.start()

    def stop(self) -> None:
        """End after the step under way."""
        self._thread.stop()
        if self._config.realtime_priority > 1:
            ask_for_process(0)

    def brake_to_rest(self, wait: Callable[[], object]) -> None:
        """Send the whole way to rest from the next period on, unless the arm goes it by itself."""
        if self.command_topic.silent_s:
            self.command_topic.withhold()
        time.sleep(self.command_topic.early_s)
        super().brake_to_rest(wait)

    def time_s(self) -> float:
        """The loop's time now [s]."""
        return self._simulated_s() if self._is_simulated else time.monotonic()

    def received_s(self, measured_ns: int) -> float:
        """When a measurement that arrives now was received, in the loop's time [s]."""
        return self.time_s()

    def diagnose(self) -> dict[str, object]:
        """The same, with how punctual the steps are."""
        timing = self._thread.timing()
        with self.lock:
            latenesses_s = list(self._latenesses_s) or [0.0]
        return super().diagnose() | {
            "control rate asked for [Hz]": 1.0 / self._period_s,
            "scheduling": self._scheduling,
            "lateness p99 [ms]": float(np.percentile(latenesses_s, 99.0)) * 1e3,
            "worst lateness [ms]": timing.worst_lateness_s * 1e3,
            "missed ticks": timing.missed,
            **self._simulator_speed(),
        }

    def _simulated_s(self) -> float:
        return self._node.get_clock().now().nanoseconds * 1e-9

    def _simulator_speed(self) -> dict[str, object]:
        """How fast the simulator's time passed since this was last asked."""
        if not self._is_simulated:
            return {}
        now_s, simulated_s = time.monotonic(), self._simulated_s()
        speed = (simulated_s - self._told_simulated_s) / (now_s - self._told_s)
        self._told_s, self._told_simulated_s = now_s, simulated_s
        return {"simulated time per second": speed}

    def _rehearse(self) -> None:
        with self.lock:
            self.loop.rehearse()

    def _on_period(self) -> None:
        if not self._scheduling:
            priority = self._config.realtime_priority
            self._scheduling = ask_for_realtime_priority(priority) if priority else "not asked for"
        thread = self._thread
        self._await_state()
        if thread.is_stopping:
            return
        late_s, missed = self.time_s() - thread.due_s, float(thread.missed)
        with self.lock:
            self._latenesses_s.append(late_s)
            braked_s = self._braked_s()
            if braked_s is not None:
                if self.loop.arm.is_moving:
                    missed = braked_s / self._period_s
                if braked_s > 0.0:
                    thread.delay(late_s)
            elif late_s > _LATE_S and not self.command_topic.takes_positions:
                # The arm is on its braking tail: it goes on from there, and this command has its whole period.
                missed += late_s / self._period_s
                thread.delay(late_s)
            due_s = None if self._is_simulated else thread.due_s
            self.step(missed, due_s)
        self._on_step()

    def _await_state(self) -> None:
        """Wait while an arm says nothing that has something to do. In motion it brakes by itself meanwhile.

        When that takes too long, it does so for good.
        """
        loop, max_age_s, told_s = self.loop, self._config.max_age_s, np.inf
        while not self._thread.is_stopping:
            with self.lock:
                self._hear()
                silent_s = self.command_topic.silent_s
                if not silent_s or not loop.is_busy:
                    return
                reason = f"no joint state for {silent_s:.3f} s, expected at most {max_age_s:.3f} s"
                if silent_s > max_age_s + SILENT_PERIODS * self._period_s:
                    if loop.arm.is_moving:
                        loop.stop(reason)
                        self.command_topic.withhold()
                    return
                if tells := max_age_s < silent_s < told_s:
                    told_s, self.reason = silent_s, loop.arm.brake_reason or reason
                    self._records.append(StepRecord.of(loop, Tick(None, loop.state, self.reason), self.time_s()))
            if tells:
                self._on_step()
            self.command_topic.show_life()
            time.sleep(_LOOK_S)

    def _hear(self) -> None:
        """Have the command topic hear of the newest joint state."""
        now_s, observation = time.monotonic(), self.loop.observation
        if not self._is_simulated and observation.measured_ns >= 0:
            self.command_topic.hear(observation.measured_ns, now_s - observation.age_s(now_s))

    def _braked_s(self) -> float | None:
        """See ArmCommandTopic."""
        self._hear()
        return self.command_topic.braked_s()


class LockstepSteps(ControlSteps):
    """One step per new state of a simulator that waits for commands.

    The loop's time is the simulator's, and everything that happens may be what the next step waited for.
    """

    def __init__(
        self,
        loop: ControlLoop,
        command_topic: ArmCommandTopic,
        lock: threading.RLock,
        not_ready: Callable[[], str],
        config: SkillExecutorConfig,
        period_s: float,
        on_step: Callable[[], None],
    ) -> None:
        """Prepare; the first state begins.

        Args:
            loop: these four as for ControlSteps.
            command_topic: takes its commands.
            lock: keeps threads apart.
            not_ready: why the arm must not be taken over yet.
            config: of the executor.
            period_s: simulated time that one command has to last [s].
            on_step: called after each step.
        """
        super().__init__(loop, command_topic, lock, not_ready)
        self._config, self._on_step = config, on_step
        self._period_ns = round(period_s * 1e9)
        self._task_ns = self._stepped_ns = -1
        self._awaits_answer = False
        self._new_state_s = time.monotonic()

    def time_s(self) -> float:
        """The loop's time now [s]."""
        return self.loop.observation.measured_ns * 1e-9

    def received_s(self, measured_ns: int) -> float:
        """When a measurement that arrives now was received, in the loop's time [s]."""
        return measured_ns * 1e-9

    def task_told(self, stamp_ns: int) -> None:
        """The task has said how the control step before this moment went."""
        self._task_ns = stamp_ns

    def advance(self) -> None:
        """Step if there is a new state, and the task has said how the step before it went."""
        measured_ns = self.loop.observation.measured_ns
        if measured_ns < 0 or measured_ns == self._stepped_ns or self._task_ns < measured_ns:
            return
        if self.loop.is_ahead:
            return  # Who chose the skill has heard of a reset, say, that is still on its way here.
        if self._awaits_answer:
            self._awaits_answer = False
            self._check_period(measured_ns - self._stepped_ns)
        self._new_state_s = time.monotonic()
        if self.step():
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
        loop, now_s = self.loop, time.monotonic()
        silent_s = now_s - self._new_state_s
        if loop.is_ahead and silent_s > self._config.lockstep_patience_s:
            loop.cancel(f"the observation that the skill was chosen on has not come for {silent_s:.1f} s")
            self.step()
            self._on_step()
        if loop.state not in (LoopState.EXECUTING, LoopState.BRAKING):
            return
        if silent_s > self._config.lockstep_patience_s:
            if loop.state is LoopState.EXECUTING:  # an arm that is braking keeps its reason
                loop.stop(f"no new state for {silent_s:.1f} s")
            # Without a state in between: the simulator may be there and only its states lost.
            self.brake_to_rest(wait=lambda: None)
            self.begin_episode()  # of a simulator that was started again: its time may be that of the last step
            self._on_step()
        elif now_s > max(self._sent_s, self._new_state_s) + RESEND_S:
            self.command_topic.send_again()
            self._sent_s = now_s
            self._awaits_answer = False  # It may be answered twice.

    def _check_period(self, passed_ns: int) -> None:
        """Stop where a command does not last as long as skills were trained for."""
        if abs(passed_ns - self._period_ns) > _ROUNDING_NS:
            self.loop.stop(
                f"a command lasted {passed_ns * 1e-9:.4f} s in the simulator, expected "
                f"{self._period_ns * 1e-9:.4f} s: it "
                "has another control rate than the bundle, or somebody else commands it, too"
            )
