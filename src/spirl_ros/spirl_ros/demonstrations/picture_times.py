"""Which picture belongs to an observation: the one of its moment, or else the newest before it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spirl_ros.demonstrations.measuring_times import Stamped, measuring_times
from spirl_ros.demonstrations.sender_clocks import TWO_MACHINES_NS
from spirl_ros.errors import DatasetError

USUAL_AGE_S = 0.2
"""How much older than an observation a picture may be where nothing else is asked for [s], as for a policy."""


class PictureTimes(NamedTuple):
    """When the pictures of a camera were taken."""

    numbers: np.ndarray
    """(N,) of those that are new: not sent twice, and not overtaken on the way."""
    times_ns: np.ndarray
    """(N,) when they were taken [ns], rising."""
    notes: tuple[str, ...] = ()
    """What was wrong with the stamps, for people."""


class ArmTimes(NamedTuple):
    """When an arm's states were measured."""

    times_ns: np.ndarray
    """(M,) [ns], rising, on the clock that observations go by."""
    received_ns: np.ndarray
    """(M,) when each was received [ns]."""


def simulated_times(shots: Sequence[Stamped]) -> PictureTimes:
    """Of a simulator's camera, by its stamps: those of states and pictures are of one clock."""
    stamps = np.array([shot.stamp_ns for shot in shots], dtype=np.int64)
    times_ns, numbers = np.unique(stamps, return_index=True)
    return PictureTimes(numbers, times_ns)


def times_beside_arm(
    shots: Sequence[Stamped], checksums: Sequence[int], arm: ArmTimes, longest_gap_s: float
) -> PictureTimes:
    """Of a camera beside an arm, on the arm's clock: by its stamps, unless they cannot be true or are another clock's.

    Args:
        shots: of N pictures, at least one, in the order in which they were recorded.
        checksums: (N,) of the pictures: where they differ, the camera has seen something new.
        arm: its states.
        longest_gap_s: between two pictures that are of use [s].
    """
    changes = np.cumsum(np.diff(np.asarray(checksums), prepend=checksums[0]) != 0)[:, None]
    measured = measuring_times(shots, changes, longest_gap_s)
    numbers, times_ns, notes = measured.indices, measured.times_ns, measured.notes
    received_ns = np.array([shot.received_ns for shot in shots], dtype=np.int64)[numbers]
    arm_received_ns = np.maximum.accumulate(arm.received_ns)
    near = np.clip(np.searchsorted(arm_received_ns, received_ns), 0, len(arm_received_ns) - 1)
    arm_lead_ns = (arm.times_ns - arm.received_ns)[near]
    apart_ns = int(np.median(times_ns - received_ns - arm_lead_ns))
    if -TWO_MACHINES_NS[1] <= apart_ns <= TWO_MACHINES_NS[0]:
        return PictureTimes(numbers, times_ns, notes)
    note = f"stamps are {apart_ns * 1e-9:+.3f} s off the arm's: taken when they were received"
    as_received_ns = np.maximum.accumulate(received_ns + arm_lead_ns)
    return PictureTimes(numbers, as_received_ns, (*notes, note))


def pictures_of(moments_ns: np.ndarray, taken: PictureTimes, max_age_s: float | None) -> np.ndarray:
    """Numbers (T+1,) of the pictures that belong to observations.

    Args:
        moments_ns: of the observations (T+1,) [ns].
        taken: at least one picture.
        max_age_s: how much older than its observation a picture may be [s], 0 for not at all. None where nothing was
            asked for: not at all where the camera has one of the very moment of most observations, as a simulator's
            has, because there the others were lost; else USUAL_AGE_S.

    Raises:
        DatasetError: an observation has none.
    """
    at = np.searchsorted(taken.times_ns, moments_ns, side="right") - 1
    ages_ns = np.where(at >= 0, moments_ns - taken.times_ns[at], np.iinfo(np.int64).max)
    if max_age_s is None:
        max_age_s = 0.0 if np.mean(ages_ns == 0) > 0.5 else USUAL_AGE_S
    late = np.flatnonzero(ages_ns > round(max_age_s * 1e9))
    if not late.size:
        return taken.numbers[at]
    first = int(late[0])
    since_s = (moments_ns[first] - moments_ns[0]) * 1e-9
    found = f"the newest is {ages_ns[first] * 1e-9:.3f} s older" if at[first] >= 0 else "there is none before it"
    expected = f"at most {max_age_s:g} s older" if max_age_s else "of the same moment"
    raise DatasetError(
        f"{late.size} of {len(moments_ns)} observations have no picture, the first after {since_s:.3f} s: {found}, "
        f"expected one {expected}. Pictures came late or were lost: record on a computer that keeps up, or allow older "
        "ones with --max-picture-age."
    )
