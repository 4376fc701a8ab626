"""Makes the steps of a control loop: sends each command at once, and keeps what there is to tell for later."""

import threading
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np

from spirl_ros.control.control_loop import ControlLoop, LoopState, Tick
from spirl_ros.control.event_rate import EventRate
from spirl_ros.nodes.arm_command_topic import ArmCommandTopic
from spirl_ros.nodes.executor_status import StepRecord

RECENT = 1000
"""Steps that times in diagnostics are of."""


class ControlSteps:
    """A loop, the topic its commands go to, and the lock that keeps threads apart. Nothing is done under it that waits.

    Whoever touches the loop holds `lock`.
    """

    def __init__(
        self,
        loop: ControlLoop,
        command_topic: ArmCommandTopic,
        lock: threading.RLock,
        now_s: Callable[[], float],
        not_ready: Callable[[], str],
    ) -> None:
        """Nothing is sent before the first `step`.

        Args:
            loop: decides on the commands.
            command_topic: takes them.
            lock: see above.
            now_s: the steady clock [s].
            not_ready: why the arm must not be taken over yet; empty when it may. Asked before the first command.
        """
        self.loop, self.command_topic, self.lock = loop, command_topic, lock
        self._now_s, self._not_ready = now_s, not_ready
        self._records: deque[StepRecord] = deque()
        self.reason = ""
        """Why the arm is braking, latched or not taken over, as of the last step."""
        self.sent_s = now_s()
        """When the last command was sent [s]."""
        self._latencies_s: deque[float] = deque(maxlen=RECENT)
        self._rate = EventRate("commands")

    def step(
        self,
        now_s: float,
        *,
        missed: float = 0.0,
        due_s: float | None = None,
    ) -> bool:
        """Step the loop and send its command, if there is one. Call with the lock held.

        Args:
            now_s: the loop's time [s].
            missed: periods, and parts of one, left out before this one.
            due_s: when this step was due, on the steady clock [s]; None for now.

        Returns:
            Whether a command was sent.
        """
        begin_s = self._now_s()
        not_ready = "" if self.command_topic.has_sent else self._not_ready()
        tick = Tick(None, self.loop.state, not_ready) if not_ready else self.loop.step(now_s, missed)
        if tick.command is not None:
            late_s = 0.0 if due_s is None else self._now_s() - due_s
            self.command_topic.send(tick.command, late_s)
            self.sent_s = self._now_s()
            self._latencies_s.append(self.sent_s - begin_s)
            self._rate.mark(self.sent_s)
        else:
            self.command_topic.show_life()
        self.reason = tick.reason
        self._records.append(StepRecord.of(self.loop, tick, now_s))
        return tick.command is not None

    def take_records(self) -> Iterator[StepRecord]:
        """What there is to tell of the steps made since, oldest first; needs no lock."""
        while self._records:
            yield self._records.popleft()

    def diagnose(self) -> dict[str, object]:
        """Commands per second, and how long they took from the beginning of a step, over the last RECENT of them."""
        with self.lock:
            latencies_s, values = list(self._latencies_s), self._rate.diagnose(self._now_s())
        if not latencies_s:
            return values
        p50_s, p99_s = np.percentile(latencies_s, (50.0, 99.0))
        return values | {"tick to command p50 [ms]": float(p50_s) * 1e3, "tick to command p99 [ms]": float(p99_s) * 1e3}

    def brake_to_rest(self, now_s: Callable[[], float], wait: Callable[[], object]) -> None:
        """Send the whole way to rest, after `loop.stop`; `wait` passes the time between two commands. Lock held."""
        while self.loop.state is LoopState.BRAKING:
            self.step(now_s())
            wait()
