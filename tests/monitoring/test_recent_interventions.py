from spirl_ros.monitoring.recent_interventions import SHOWN_S, RecentInterventions
from spirl_ros.monitoring.views import SafetyView


def status(state: str, interventions: int, reason: str = "", joints: tuple[str, ...] = ()) -> SafetyView:
    return SafetyView(state, reason, joints, interventions, 0.01)


def test_intervention_of_one_step_is_shown_for_a_while_with_its_joints_and_the_newest_count() -> None:
    recent = RecentInterventions()
    recent.add(status("passed", 3), 0.0)
    assert recent.shown(0.0) is None
    recent.add(status("limited", 4, "velocity of joint2", ("joint2",)), 0.1)
    recent.add(status("passed", 4), 0.1)
    assert recent.shown(0.1) == status("limited", 4, "velocity of joint2", ("joint2",))
    assert recent.shown(0.1 + 0.9 * SHOWN_S) is not None
    assert recent.shown(0.1 + 1.1 * SHOWN_S) is None


def test_count_tells_of_an_intervention_whose_status_was_missed() -> None:
    recent = RecentInterventions()
    recent.add(status("passed", 3), 0.0)
    recent.add(status("passed", 7), 0.1)
    assert recent.shown(0.2) == status("limited", 7)


def test_executor_that_repeats_its_last_status_does_not_intervene_again() -> None:
    """An idle executor goes on to say what it did to its last command."""
    recent = RecentInterventions()
    for step in range(100):
        recent.add(status("limited", 4, "velocity of joint2"), 0.08 * step)
    assert recent.shown(8.0) is None


def test_latch_is_shown_until_it_is_released() -> None:
    recent = RecentInterventions()
    recent.add(status("passed", 3), 0.0)
    for step in range(100):
        recent.add(status("latched", 4 + step, "stopped"), 0.08 * step)
    assert recent.shown(20.0) == status("latched", 103, "stopped")
    recent.add(status("passed", 103), 20.0)
    assert recent.shown(20.0) is None


def test_another_executor_begins_to_count_anew() -> None:
    recent = RecentInterventions()
    recent.add(status("limited", 9), 0.0)
    recent.add(status("passed", 0), 1.0)
    assert recent.shown(1.0) is None
    recent.add(status("limited", 1), 2.0)
    assert recent.shown(2.0) == status("limited", 1)
    recent.forget()
    assert recent.shown(2.0) is None
