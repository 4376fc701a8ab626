import pytest

from spirl_ros.recording.receive_clock import ReceiveClock

S = 1_000_000_000


@pytest.mark.parametrize("moved_s", [-3600, -1, 2, 3600])
def test_times_go_on_where_the_computers_clock_is_set(moved_s: int) -> None:
    """A bag lasted as long as the clock had been moved, and its messages changed their order."""
    clock = ReceiveClock(wall_ns=1000 * S, steady_ns=5 * S)
    clock.begin_fetch(1001 * S, 6 * S)
    assert clock.time_ns(1000 * S + S // 2, 6 * S) == 1000 * S + S // 2
    # The clock is set at 6.4 s; one message came before, at 6.3 s, and one after, at 6.5 s.
    clock.begin_fetch((1002 + moved_s) * S, 7 * S)
    earlier, later = (
        clock.time_ns(1001 * S + 3 * S // 10, 7 * S),
        clock.time_ns((1001 + moved_s) * S + S // 2, 7 * S),
    )
    assert 1001 * S <= earlier <= 1002 * S and later == 1001 * S + S // 2
    assert clock.moved_ns == moved_s * S and clock.now_ns == 1002 * S
    assert clock.follow_computer() == moved_s * S
    assert clock.now_ns == (1002 + moved_s) * S and clock.moved_ns == 0


def test_message_that_comes_while_others_are_fetched_keeps_its_time() -> None:
    """On a busy machine a fetch is held up: the message seemed to be received before it was sent, as from another
    computer."""
    clock = ReceiveClock(wall_ns=1000 * S, steady_ns=5 * S)
    clock.begin_fetch(1001 * S, 6 * S)
    assert clock.time_ns(1001 * S + S // 20, 6 * S + S // 10) == 1001 * S + S // 20
    assert clock.time_ns(1009 * S, 6 * S + S // 10) == 1001 * S + S // 10
