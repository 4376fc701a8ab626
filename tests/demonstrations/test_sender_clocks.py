"""Clocks that were set while messages were recorded, told from networks that stall."""

import numpy as np
import pytest

from spirl_ros.demonstrations.sender_clocks import clock_steps, sending_times, without_steps
from spirl_ros.errors import DatasetError

TRUE_NS = 1_700_000_000 * 10**9 + np.arange(1000) * 10_000_000
"""When a hundred messages a second for 10 s were sent [ns]."""
RECEIVED_NS = TRUE_NS + np.random.default_rng(0).integers(200_000, 3_000_000, 1000)
"""0.2 to 3 ms later."""


def set_at(index: int, moved_s: float, stamps_ns: np.ndarray = TRUE_NS) -> np.ndarray:
    """Stamps of a clock that was set before it stamped message `index`."""
    return stamps_ns + np.where(np.arange(len(stamps_ns)) >= index, round(moved_s * 1e9), 0)


@pytest.mark.parametrize("moved_s", [-86_400.0, -1.5, -0.05, 0.06, 1.5, 10.0, 86_400.0, 5e8])
@pytest.mark.parametrize("index", [1, 300, 998])
def test_clock_that_is_set_is_found_and_undone(moved_s: float, index: int) -> None:
    stamps = set_at(index, moved_s)
    (step,) = clock_steps(stamps, RECEIVED_NS)
    assert step.index == index
    # Known to the difference of the smallest latencies on either side, below 3 ms.
    assert step.moved_ns * 1e-9 == pytest.approx(moved_s, abs=3e-3)
    np.testing.assert_allclose(without_steps(stamps, [step]) - TRUE_NS, 0.0, atol=3e6)


def test_clock_that_is_set_back_and_forward_again_is_found_twice() -> None:
    stamps = set_at(450, 1.5, set_at(400, -1.5))
    steps = clock_steps(stamps, RECEIVED_NS)
    assert [step.index for step in steps] == [400, 450]
    np.testing.assert_allclose(without_steps(stamps, steps) - TRUE_NS, 0.0, atol=3e6)


@pytest.mark.parametrize("period_ns", [2_000_000, 10_000_000, 50_000_000])
@pytest.mark.parametrize("stall_s", [0.2, 0.9, 4.0])
def test_network_that_stalls_sets_no_clock(period_ns: int, stall_s: float) -> None:
    """What was sent meanwhile arrives at once, in order."""
    sent = 1_700_000_000 * 10**9 + np.arange(1000) * period_ns
    received = sent + RECEIVED_NS - TRUE_NS
    begin = sent[100]
    is_late = (received > begin) & (received < begin + stall_s * 1e9)
    received[is_late] = begin + round(stall_s * 1e9) + np.arange(is_late.sum()) * 10_000
    assert clock_steps(sent, np.maximum.accumulate(received)) == []


def test_wireless_link_that_gets_slower_for_a_while_sets_no_clock() -> None:
    late = np.where((np.arange(1000) > 300) & (np.arange(1000) < 600), 80_000_000, 0)
    assert clock_steps(TRUE_NS, np.maximum.accumulate(RECEIVED_NS + late)) == []


def test_message_that_was_overtaken_sets_no_clock() -> None:
    stamps = TRUE_NS.copy()
    stamps[[200, 201]] = stamps[[201, 200]]
    assert clock_steps(stamps, RECEIVED_NS) == []
    assert clock_steps(stamps - TRUE_NS[0], RECEIVED_NS) == []


@pytest.mark.parametrize("rate", [0.25, 0.5, 1.0, 20.0])
def test_clock_of_a_simulation_may_be_slow_or_fast_and_wait(rate: float) -> None:
    stamps = (rate * (TRUE_NS - TRUE_NS[0])).astype(np.int64)
    received = RECEIVED_NS + np.where(np.arange(1000) >= 500, 3 * 10**9, 0)  # paused for 3 s
    assert clock_steps(stamps, received) == []
    if rate != 1.0:
        assert clock_steps(stamps + 1_700_000_000 * 10**9, RECEIVED_NS) == []
    stamps[700:] -= stamps[700]  # the simulation was started anew
    assert [step.index for step in clock_steps(stamps, received)] == [700]


def test_machines_that_agree_keep_their_sending_times() -> None:
    topics = {"states": (TRUE_NS, RECEIVED_NS), "said": ([TRUE_NS[0] - 80 * 10**9], [TRUE_NS[0]])}
    times = sending_times(topics)
    np.testing.assert_array_equal(times["states"], TRUE_NS)
    assert times["said"].tolist() == [TRUE_NS[0] - 80 * 10**9]


@pytest.mark.parametrize("offset_s", [-3600.0, -0.3, 0.05, 3600.0])
def test_machines_that_disagree_are_put_on_the_receivers_clock(offset_s: float) -> None:
    """Actions of an operator's computer were assigned to the control steps of another time."""
    there = TRUE_NS + round(offset_s * 1e9)
    times = sending_times(
        {"status": (TRUE_NS, RECEIVED_NS), "operator_action": (there + 5_000_000, RECEIVED_NS + 5_000_000)}
    )
    np.testing.assert_allclose(times["operator_action"] - times["status"], 5e6, atol=3e6)


def test_recording_computer_that_was_set_back_is_refused_with_the_time() -> None:
    received = set_at(400, -1.5, RECEIVED_NS)
    with pytest.raises(
        DatasetError, match=r"set back by about 1\.(49|50)\d s, [34]\.\d+ s after the first message on states"
    ):
        sending_times({"states": (set_at(400, -1.5), received)})
