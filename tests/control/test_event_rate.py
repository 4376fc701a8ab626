import pytest

from spirl_ros.control.event_rate import EventRate


def test_rate_and_longest_gap_of_the_time_since_the_last_report() -> None:
    rate = EventRate("commands")
    for now_s in (10.0, 10.1, 10.2, 10.5):
        rate.mark(now_s)
    assert rate.diagnose(10.6) == {"commands [Hz]": 6.0, "longest gap of commands [ms]": pytest.approx(300.0)}
    rate.mark(10.7)  # 0.2 s after the last one, which was reported already
    assert rate.diagnose(10.7) == {
        "commands [Hz]": pytest.approx(5.0),
        "longest gap of commands [ms]": pytest.approx(200.0),
    }


def test_silence_counts_as_a_gap_and_at_last_as_no_rate() -> None:
    rate = EventRate("commands")
    rate.mark(0.0)
    rate.mark(0.5)
    rate.diagnose(0.5)
    assert rate.diagnose(2.5) == {"commands [Hz]": 2.0, "longest gap of commands [ms]": pytest.approx(2000.0)}
    assert rate.diagnose(6.0) == {"commands [Hz]": 0.0}


def test_pause_does_not_count_as_slowness_afterwards() -> None:
    rate = EventRate("commands")
    for now_s in (0.0, 0.1):
        rate.mark(now_s)
    rate.diagnose(0.1)
    rate.diagnose(60.0)
    for now_s in (60.2, 60.3):
        rate.mark(now_s)
    assert rate.diagnose(60.3) == {
        "commands [Hz]": pytest.approx(10.0),
        "longest gap of commands [ms]": pytest.approx(100.0),
    }


def test_before_the_first_event_there_is_no_gap() -> None:
    assert EventRate("commands").diagnose(3.0) == {"commands [Hz]": 0.0}
