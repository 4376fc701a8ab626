import threading
import time
from itertools import pairwise

from spirl_ros.control.periodic_thread import PeriodicThread


def test_calls_keep_the_rate_and_stop() -> None:
    calls: list[float] = []
    thread = PeriodicThread("test", 0.02, lambda: calls.append(time.monotonic()), on_error=lambda _: None)
    thread.start()
    time.sleep(0.5)
    thread.stop()
    count = len(calls)
    timing = thread.timing()
    # 25 are due; what a busy machine makes late is left out and counted.
    assert count + timing.missed in range(23, 29)
    assert timing.ticks >= count - 1
    time.sleep(0.1)
    assert len(calls) == count


def test_late_call_is_left_out_not_made_up() -> None:
    due: list[float] = []

    def slow_once() -> None:
        due.append(thread.due_s)
        if len(due) == 1:
            time.sleep(0.25)

    thread = PeriodicThread("test", 0.05, slow_once, on_error=lambda _: None)
    thread.start()
    time.sleep(0.6)
    thread.stop()
    timing = thread.timing()
    assert timing.missed >= 3
    assert timing.worst_lateness_s >= 0.15
    # Made up, the second call would have been due 0.05 s after the first.
    assert due[1] - due[0] > 0.19
    assert min(after - before for before, after in pairwise(due)) > 0.049


def test_error_ends_the_thread_and_is_reported() -> None:
    reported = threading.Event()

    def fail() -> None:
        raise ValueError("broken")

    thread = PeriodicThread("test", 0.01, fail, on_error=lambda error: reported.set())
    thread.start()
    assert reported.wait(2.0)
    thread.stop()


def test_rehearsal_comes_before_each_call_and_makes_none_early() -> None:
    events: list[tuple[str, float]] = []
    thread: PeriodicThread = PeriodicThread(
        "test",
        0.02,
        lambda: events.append(("call", time.monotonic() - thread.due_s)),
        on_error=lambda _: None,
        rehearse=lambda: events.append(("rehearsal", 0.0)),
    )
    thread.start()
    time.sleep(0.3)
    thread.stop()
    assert min(late_s for _, late_s in events) >= 0.0
    names = [name for name, _ in events]
    assert names.count("rehearsal") >= 1  # a late call has none
    assert all(after == "call" for before, after in pairwise(names) if before == "rehearsal")


def test_periods_of_a_simulator_are_of_its_own_time() -> None:
    """Beside a simulator at half speed skills went 67 % of their way: commands came twice as often as they lasted."""
    begin_s, due = time.monotonic(), []
    thread = PeriodicThread(
        "test",
        0.05,
        lambda: due.append(thread.due_s),
        on_error=lambda _: None,
        simulated_s=lambda: 100.0 + 0.25 * (time.monotonic() - begin_s),
    )
    thread.start()
    time.sleep(1.0)
    thread.stop()
    # 1 s is 0.25 s there: the first at once and five more; what a busy machine makes late is left out.
    assert len(due) + thread.timing().missed in (5, 6, 7)
    assert min(after - before for before, after in pairwise(due)) > 0.049


def test_simulator_that_begins_anew_is_followed_at_once() -> None:
    now = [50.0]
    calls: list[float] = []
    thread = PeriodicThread("test", 0.05, lambda: calls.append(now[0]), lambda _: None, simulated_s=lambda: now[0])
    thread.start()
    time.sleep(0.05)
    now[0] = 1.0
    time.sleep(0.05)
    now[0] = 1.06
    time.sleep(0.05)
    thread.stop()
    assert calls == [50.0, 1.06]
