"""Makes the control steps of a running arm: one per period of the steady clock, from a thread of its own."""

import time
from collections import deque
from collections.abc import Callable

import numpy as np
from rclpy.node import Node

from spirl_ros.control.periodic_thread import PeriodicThread
from spirl_ros.control.realtime_priority import ask_for_process, ask_for_realtime_priority
from spirl_ros.nodes.control_steps import RECENT, ControlSteps
from spirl_ros.nodes.skill_executor_parameters import SkillExecutorConfig

_LATE_S = 0.001
"""A step that is late by more [s] finds an arm that has begun to brake by itself."""


class RealtimePace:
    """The loop's time is the steady clock, and what happens in between waits for the next step.

    With `use_sim_time` it is the simulator's: periods, and ages of measurements, last as long there as the motion does.
    """

    def __init__(
        self,
        node: Node,
        steps: ControlSteps,
        config: SkillExecutorConfig,
        period_s: float,
        on_step: Callable[[], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        """Prepare; `start` begins.

        Args:
            node: has the ROS clock.
            steps: are made here.
            config: of the executor.
            period_s: time between two steps [s].
            on_step: called after each from the control thread; it must not wait.
            on_error: called once when a step raises.
        """
        self._node, self._steps, self._config, self._on_step = node, steps, config, on_step
        self._is_simulated = bool(node.get_parameter("use_sim_time").value)
        self._scheduling = ""
        self._period_s = period_s
        self._latenesses_s: deque[float] = deque(maxlen=RECENT)
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

    def time_s(self) -> float:
        """The loop's time now [s]."""
        return self._simulated_s() if self._is_simulated else time.monotonic()

    def received_s(self, measured_ns: int) -> float:
        """When a measurement that arrives now was received, in the loop's time [s]."""
        return self.time_s()

    def task_told(self, stamp_ns: int) -> None:
        """The task has said how a control step went."""

    def skill_begins(self) -> None:
        """A skill is asked for: the next period begins it."""

    def advance(self) -> None:
        """Something happened: the next period sees to it."""

    def begin_episode(self) -> None:
        """The scene was put back."""

    def watch(self) -> None:
        """The control thread looks after itself."""

    def diagnose(self) -> dict[str, object]:
        """Values for `/diagnostics`."""
        timing = self._thread.timing()
        with self._steps.lock:
            latenesses_s = list(self._latenesses_s) or [0.0]
        return {
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
        with self._steps.lock:
            self._steps.loop.rehearse()

    def _on_period(self) -> None:
        if not self._scheduling:
            priority = self._config.realtime_priority
            self._scheduling = ask_for_realtime_priority(priority) if priority else "not asked for"
        thread = self._thread
        late_s, missed = self.time_s() - thread.due_s, float(thread.missed)
        with self._steps.lock:
            self._latenesses_s.append(late_s)
            braked_s = self._braked_s()
            if braked_s is not None:
                if self._steps.loop.is_moving:
                    missed = braked_s / self._period_s
                if braked_s > 0.0:
                    thread.delay(late_s)
            elif late_s > _LATE_S and not self._steps.command_topic.takes_positions:
                # The arm is on its braking tail: it goes on from there, and this command has its whole period.
                missed += late_s / self._period_s
                thread.delay(late_s)
            due_s = None if self._is_simulated else thread.due_s
            self._steps.step(self.time_s(), missed=missed, due_s=due_s)
        self._on_step()

    def _braked_s(self) -> float | None:
        """See ArmCommandTopic, which hears of the newest joint state here."""
        now_s, loop = time.monotonic(), self._steps.loop
        if not self._is_simulated and loop.measured_ns >= 0:
            self._steps.command_topic.hear(loop.measured_ns, now_s - loop.age_s(now_s))
        return self._steps.command_topic.braked_s()
