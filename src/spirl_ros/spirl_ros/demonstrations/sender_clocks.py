"""Tells where the clock of whoever sent messages was set while they were recorded, by the times at which they arrived.

Latency only ever makes a message late. So the *lead* of a clock, its time less the receiver's, is highest for messages
that came at once, and a network that stalls lowers it for a while; a clock that was set changes its highest lead for
good.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from spirl_ros.errors import DatasetError

_LEAST_STEP_NS = 20_000_000
"""Less cannot be told from the latency of a network [ns]; at 20 Hz it is less than half a control step."""
_AFTER_NS = 1_000_000_000
"""The highest lead after a moment is looked for during this time [ns]: longer than messages come late one after the
other."""
_BEFORE_NS = 30_000_000_000
"""And the one before it [ns]: longer than networks stall, and at 100 ppm clocks drift by 3 ms."""
_LATE_NS = 250_000_000
"""Messages that go on to come later than before by more say that a clock was set back, even where stamps rise [ns]."""
_LONGEST_OFFSET_NS = 365 * 86_400 * 10**9
"""Clocks that differ by more do not both tell the time of day: one is a simulation's, or counts since power came on
[ns]."""
_FEWEST_MESSAGES = 10
"""With fewer nothing is said about a clock."""
_REAL_TIME = (0.9, 1.1)
"""Rates of a clock that is not a simulation's, relative to the receiver's."""
_OUT_OF_ORDER_NS = 100_000_000
"""Receive times that go back by less stand in another order in the file, but were of one clock [ns]."""
TWO_MACHINES_NS = 20_000_000, 200_000_000
"""Leads above the first, or below minus the second, are another machine's clock and not latency [ns]."""


Times = Sequence[int] | np.ndarray


class ClockStep(NamedTuple):
    """A clock was set."""

    index: int
    """The first message that it stamped afterwards."""
    moved_ns: int
    """By how much, forward or (below 0) back [ns]."""

    def __str__(self) -> str:
        """In words."""
        return f"set {'forward' if self.moved_ns > 0 else 'back'} by {abs(self.moved_ns) * 1e-9:.3f} s"


def clock_steps(stamps_ns: Times, received_ns: Times) -> list[ClockStep]:
    """Where the clock that stamped messages was set.

    A clock of another rate or of another age is taken for a simulation's, which may wait or hurry: only going back and
    leaps of more than a second count there.

    Args:
        stamps_ns: (N,) [ns], each different from the one before, in the order of arrival.
        received_ns: (N,) when each arrived [ns], on a clock that was not set.
    """
    stamps = np.asarray(stamps_ns, dtype=np.int64)
    received = np.maximum.accumulate(np.asarray(received_ns, dtype=np.int64))
    if len(stamps) < _FEWEST_MESSAGES:
        return []
    if not _tells_the_time(stamps, received):
        return _restarts(stamps, received)
    lead, between = stamps - received, np.diff(stamps)
    leaps = np.diff(lead)
    # What waited behind a stall arrives with a period between its stamps; more than that at once is no catching up.
    is_forward = leaps > _LEAST_STEP_NS + 2 * int(np.median(between))
    is_back = (between < 0) | (leaps < -_LATE_NS)
    ends = np.append(np.flatnonzero(is_forward) + 1, len(stamps))
    steps: list[ClockStep] = []
    for index in map(int, np.flatnonzero(is_forward | is_back) + 1):
        begin = int(np.searchsorted(received, received[index - 1] - _BEFORE_NS))
        end = min(int(np.searchsorted(received, received[index] + _AFTER_NS)), int(ends[ends > index][0]))
        earlier = max(begin, steps[-1].index if steps else 0)
        moved = int(lead[index:end].max() - lead[earlier:index].max())
        if moved > _LEAST_STEP_NS if is_forward[index - 1] else moved < -_LEAST_STEP_NS:
            steps.append(ClockStep(index, moved))
    return steps


def without_steps(stamps_ns: Times, steps: Sequence[ClockStep]) -> np.ndarray:
    """Stamps (N,) [ns] as a clock that nobody set would have given."""
    times = np.array(stamps_ns, dtype=np.int64)
    for step in steps:
        times[step.index :] -= step.moved_ns
    return times


def sending_times(topics: Mapping[str, tuple[Times, Times]]) -> dict[str, np.ndarray]:
    """When messages were sent, on one clock: the senders' as long as they agree, else the receiver's.

    Args:
        topics: of each, when its messages were sent and received [ns], in the order in which they were recorded.

    Raises:
        DatasetError: the clock of the computer that recorded was set back.
    """
    for topic, (_, received_ns) in topics.items():
        _require_one_receive_clock(topic, received_ns)
    steps = {topic: clock_steps(sent_ns, received_ns) for topic, (sent_ns, received_ns) in topics.items()}
    do_agree = not any(steps.values()) and not any(_is_of_another_machine(*times) for times in topics.values())
    return {
        topic: np.array(sent_ns, dtype=np.int64) if do_agree else _as_received(sent_ns, received_ns, steps[topic])
        for topic, (sent_ns, received_ns) in topics.items()
    }


def _tells_the_time(stamps: np.ndarray, received: np.ndarray) -> bool:
    """Whether the clock is that of a machine, however wrong, and not a simulation's."""
    if abs(float(np.median(stamps - received))) > _LONGEST_OFFSET_NS:
        return False
    stride = max(1, len(stamps) // 10)
    elapsed = np.maximum(received[stride:] - received[:-stride], 1)
    rate = float(np.median((stamps[stride:] - stamps[:-stride]) / elapsed))
    return _REAL_TIME[0] < rate < _REAL_TIME[1]


def _restarts(stamps: np.ndarray, received: np.ndarray) -> list[ClockStep]:
    """Where a clock that may wait or hurry began anew; the time until then is what the receiver's says."""
    steps = []
    for index in range(1, len(stamps)):
        coming = np.median(stamps[index : index + 5]) - stamps[index - 1]  # one message alone was overtaken on its way
        leap = int(stamps[index] - stamps[index - 1] - received[index] + received[index - 1])
        if (stamps[index] < stamps[index - 1] and coming < 0) or (leap > _AFTER_NS and coming > _AFTER_NS):
            steps.append(ClockStep(index, leap))
    return steps


def _as_received(sent_ns: Times, received_ns: Times, steps: Sequence[ClockStep]) -> np.ndarray:
    """Sending times on the receiver's clock; those of a topic with few messages are when they were received."""
    sent, received = np.asarray(sent_ns, dtype=np.int64), np.asarray(received_ns, dtype=np.int64)
    if len(sent) < _FEWEST_MESSAGES:
        return received.copy()
    times = without_steps(sent, steps)
    return times - (times - received).max()


def _is_of_another_machine(sent_ns: Times, received_ns: Times) -> bool:
    """Whether sender and receiver disagree by more than latency explains."""
    if len(sent_ns) < _FEWEST_MESSAGES:
        return False
    lead = int((np.asarray(sent_ns, dtype=np.int64) - np.asarray(received_ns, dtype=np.int64)).max())
    return lead > TWO_MACHINES_NS[0] or lead < -TWO_MACHINES_NS[1]


def _require_one_receive_clock(topic: str, received_ns: Times) -> None:
    received = np.asarray(received_ns, dtype=np.int64)
    if len(received) < 2:
        return
    between = np.diff(received)
    worst = int(between.argmin())
    if between[worst] < -_OUT_OF_ORDER_NS:
        period_ns = float(np.median(between))
        raise DatasetError(
            "the clock of the computer that recorded was set back by about "
            f"{(period_ns - between[worst]) * 1e-9:.3f} s, "
            f"{(received[worst] - received[0]) * 1e-9:.3f} s after the first message on {topic}. How long it was "
            "wrong is not known: cut the recording there, or record again with the recorder of spirl_ros, whose times "
            "follow a clock that cannot be set."
        )
