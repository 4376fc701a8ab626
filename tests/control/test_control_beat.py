"""When control steps are due on an arm with a time of its own."""

from spirl_ros.control.control_beat import ControlBeat

PERIOD_NS = 80


def test_nothing_is_due_before_it_has_begun_and_after_it_has_ended():
    beat = ControlBeat(PERIOD_NS)
    assert not beat.has_begun and not beat.is_due(1000, None)
    beat.begin(100)
    assert beat.has_begun and beat.is_due(100, None)
    beat.begin(None)
    assert not beat.has_begun and not beat.is_due(100, None)


def test_step_waits_for_its_state_and_for_what_the_task_says_of_the_step_before():
    beat = ControlBeat(PERIOD_NS)
    beat.begin(100)
    assert not beat.is_due(99, 100) and not beat.is_due(100, 99) and beat.is_due(100, 100)
    assert beat.make_step(100) == 0
    assert not beat.is_due(179, 180) and not beat.is_due(180, 100) and beat.is_due(180, 180)


def test_missed_steps_are_counted_and_left_out():
    beat = ControlBeat(PERIOD_NS)
    beat.begin(100)
    # 100 + 2 * 80 = 260 has passed, so two steps were missed, and the next is due at 340.
    assert beat.make_step(300) == 2
    assert not beat.is_due(339, None) and beat.is_due(340, None)


def test_lost_command_is_made_up_for_on_the_same_state_without_a_missed_step():
    """A simulator in lockstep repeats the state whose command was lost. That counted as minus one missed step."""
    beat = ControlBeat(PERIOD_NS)
    beat.begin(100)
    beat.make_step(100)
    assert beat.make_step(100) == 0 and beat.is_due(180, None)
