from spirl_ros.monitoring.page_choice import SETTLES_IN_S, PageChoice


def test_order_holds_against_old_diagnostics_until_newer_ones_must_have_come() -> None:
    """The control flipped back for one to two seconds, since diagnostics still told of the time before the order."""
    choice: PageChoice[str] = PageChoice()
    assert choice.shown("policy", 0.0) == "policy"
    choice.order("prior", until_s=5.0)
    assert choice.shown("policy", 1.0) == "prior" and choice.awaits_answer(1.0)
    choice.answered(2.0)
    assert choice.shown("policy", 2.0 + SETTLES_IN_S) == "prior" and not choice.awaits_answer(2.0)
    assert choice.shown("policy", 2.1 + SETTLES_IN_S) == "policy"  # somebody else has chosen since


def test_order_that_is_refused_or_never_answered_does_not_hold() -> None:
    choice: PageChoice[bool] = PageChoice()
    choice.order(True, until_s=5.0)
    assert choice.shown(False, 5.1) is False and not choice.awaits_answer(5.1)
    choice.order(True, until_s=9.0)
    choice.refused()
    assert choice.shown(False, 6.0) is False and not choice.awaits_answer(6.0)
