"""Decides when recorded joint states were measured: as they are stamped, unless the stamps cannot be true."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spirl_ros.demonstrations.sender_clocks import clock_steps, without_steps


class Stamped(NamedTuple):
    """What is known of the time of one message [ns since 1970]."""

    stamp_ns: int
    """When it says that it was measured."""
    sent_ns: int
    received_ns: int


class MeasuringTimes(NamedTuple):
    """When measurements were made."""

    indices: np.ndarray
    """(M,) of the messages that are new: not sent twice, and not overtaken on the way."""
    times_s: np.ndarray
    """(M,) of these since the first [s], rising."""
    begin_ns: int
    """When that was, on the clock that all of them go by [ns]."""
    notes: tuple[str, ...]
    """What was wrong with the stamps, for people."""

    @property
    def times_ns(self) -> np.ndarray:
        """(M,) on that clock [ns]."""
        return self.begin_ns + np.rint(self.times_s * 1e9).astype(np.int64)


def measuring_times(messages: Sequence[Stamped], positions: np.ndarray, longest_gap_s: float) -> MeasuringTimes:
    """When positions were measured.

    Args:
        messages: N of them, at least one, in the order in which they were sent.
        positions: (N, Da) that they tell.
        longest_gap_s: between two measurements that are of use [s].
    """
    stamps, sent, received = (np.array(times, dtype=np.int64) for times in zip(*messages, strict=True))
    if note := _why_not_stamps(stamps, received, positions, longest_gap_s):
        return _rising(np.arange(len(stamps)), sent, (f"{note}: measured when it was sent",))
    fresh = np.flatnonzero(np.diff(stamps, prepend=stamps[0] - 1))
    steps = clock_steps(stamps[fresh], received[fresh])
    since_s = (received[fresh] - received[0]) * 1e-9
    notes = tuple(f"the clock of the stamps was {step}, {since_s[step.index]:.3f} s after the first" for step in steps)
    return _rising(fresh, without_steps(stamps[fresh], steps), notes)


def _why_not_stamps(stamps: np.ndarray, received: np.ndarray, positions: np.ndarray, longest_gap_s: float) -> str:
    """Why stamps are no times of measurement; empty where they are.

    A driver that has lost its arm repeats the last state with its stamp: then nothing moves while the stamp stands.
    """
    if len(stamps) > 1 and not stamps.all():
        return "header.stamp is 0"
    is_repeated = np.diff(stamps) == 0
    if len(stamps) > 1 and is_repeated.all():
        return f"header.stamp stands still at {stamps[0] * 1e-9:.3f} s"
    has_moved = (np.diff(positions, axis=0) != 0.0).any(axis=1)
    fresh = received[np.flatnonzero(np.append(True, ~is_repeated))]
    if (is_repeated & has_moved).any() and np.diff(fresh, append=received[-1]).max() > longest_gap_s * 1e9:
        still_s = np.diff(fresh, append=received[-1]).max() * 1e-9
        return f"header.stamp stands still for {still_s:.3f} s while the arm moves"
    return ""


def _rising(indices: np.ndarray, times_ns: np.ndarray, notes: tuple[str, ...]) -> MeasuringTimes:
    """Leave out what is not later than all before."""
    highest = np.maximum.accumulate(times_ns)
    is_later = np.append(True, times_ns[1:] > highest[:-1])
    times_ns = times_ns[is_later]
    return MeasuringTimes(indices[is_later], (times_ns - times_ns[0]) * 1e-9, int(times_ns[0]), notes)
