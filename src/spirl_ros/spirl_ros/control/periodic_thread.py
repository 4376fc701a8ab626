"""A thread that calls back at a fixed rate on the steady clock and knows how well it kept it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

REHEARSAL_S = 0.0005
"""How long before a call is due its rehearsal begins [s]."""

SIMULATOR_POLL_S = 0.0005
"""How often a simulator's time is looked at [s]."""

SIMULATOR_LEAP = 10
"""So many periods at once were not simulated: the simulator's clock was set."""


@dataclass(frozen=True)
class Timing:
    """How well the rate was kept since the last report."""

    ticks: int
    """Calls made."""
    missed: int
    """Calls left out because the thread was late by more than a whole period."""
    worst_lateness_s: float
    """Longest time between when a call was due and when it began [s]."""
    duration_s: float
    """Wall time the report covers [s]."""


class PeriodicThread:
    """Calls `work` every `period_s`; late calls are left out, never made up in a burst."""

    def __init__(
        self,
        name: str,
        period_s: float,
        work: Callable[[], None],
        on_error: Callable[[Exception], None],
        rehearse: Callable[[], None] | None = None,
        simulated_s: Callable[[], float] | None = None,
    ) -> None:
        """Prepare the thread; `start` runs it.

        Args:
            name: shown by debuggers.
            period_s: time between calls [s].
            work: called from this thread.
            on_error: called once from this thread when `work` raises; the thread then ends.
            rehearse: called shortly before `work`, to fetch what that needs from memory. Between two calls other
                processes take the caches: without this a step of the control loop takes three times as long as when it
                is repeated at once.
            simulated_s: a simulator's time [s], to keep periods of in place of the steady clock's.
        """
        self._simulated_s = simulated_s
        self._clock_s = time.monotonic if simulated_s is None else simulated_s
        self._rehearse = rehearse
        self._period_s = period_s
        self._work = work
        self._on_error = on_error
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._ticks = self._missed = 0
        self._worst_lateness_s = 0.0
        self._reported_s = time.monotonic()
        self.due_s = self._clock_s()
        """When the call under way was due, on the clock of the periods [s]; for `work`."""
        self.missed = 0
        """Calls left out right before the call under way; for `work`."""

    def start(self) -> None:
        """Begin calling."""
        self._reported_s = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """End after the call under way and wait for it. May be called from `work` itself, then without waiting."""
        self._stop.set()
        if threading.current_thread() is not self._thread and self._thread.is_alive():
            self._thread.join()

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to end; for `work` that waits for something."""
        return self._stop.is_set()

    def delay(self, late_s: float) -> None:
        """For `work`: let the next calls come so much later [s]: what this one does begins now and lasts a period."""
        self.due_s += late_s

    def timing(self) -> Timing:
        """How well the rate was kept since this was last asked."""
        with self._lock:
            now_s = time.monotonic()
            timing = Timing(self._ticks, self._missed, self._worst_lateness_s, now_s - self._reported_s)
            self._ticks = self._missed = 0
            self._worst_lateness_s = 0.0
            self._reported_s = now_s
        return timing

    def _run(self) -> None:
        try:
            self.due_s = self._clock_s()
            while not self._stop.is_set():
                self._work()
                self.due_s += self._period_s
                self._wait()
                lateness_s = self._clock_s() - self.due_s
                if self._simulated_s is not None and lateness_s > SIMULATOR_LEAP * self._period_s:
                    self.due_s, lateness_s = self.due_s + lateness_s, 0.0
                self.missed = max(0, int(lateness_s / self._period_s))
                self.due_s += self.missed * self._period_s
                with self._lock:
                    self._ticks += 1
                    self._missed += self.missed
                    self._worst_lateness_s = max(self._worst_lateness_s, lateness_s)
        except Exception as error:  # A dead control thread must stop its owner, whatever killed it.
            self._on_error(error)

    def _wait(self) -> None:
        """Until the next call is due."""
        if self._simulated_s is not None:
            self._wait_for_simulator(self._simulated_s)
            return
        remaining_s = self.due_s - time.monotonic()
        if self._rehearse is not None and remaining_s > REHEARSAL_S:
            time.sleep(remaining_s - REHEARSAL_S)
            self._rehearse()
            while time.monotonic() < self.due_s:
                time.sleep(0)  # Lets other threads run. A real sleep would give the caches away again.
        elif remaining_s > 0:
            time.sleep(remaining_s)

    def _wait_for_simulator(self, simulated_s: Callable[[], float]) -> None:
        while not self._stop.is_set() and (remaining_s := self.due_s - simulated_s()) > 0.0:
            if remaining_s > self._period_s:
                self.due_s -= remaining_s - self._period_s  # The simulator began anew.
            time.sleep(SIMULATOR_POLL_S)
