from spirl_ros.monitoring.coming_skill import FRESH_S, ComingSkill, is_of
from spirl_ros.monitoring.views import ChoiceView, SkillView

OLD, NEW = (0.1, 0.2), (0.3, 0.4)


def skill(skill_id: int, latent: tuple[float, ...] = OLD, state: str = "idle") -> SkillView:
    return SkillView(state, skill_id, 0, 10, latent, "kitchen", "")


def choice(skill_id: int, latent: tuple[float, ...] = NEW) -> ChoiceView:
    return ChoiceView(skill_id, "policy", 1.0, latent)


def test_choice_is_to_come_until_its_skill_begins() -> None:
    coming, new = ComingSkill(), choice(8)
    assert coming.look(None, -float("inf"), skill(7), 0.0, False) is None
    for state in ("executing", "idle"):
        assert coming.look(new, 1.0, skill(7, state=state), 1.1, False) == new
    assert coming.look(new, 1.0, skill(8, NEW, "executing"), 1.2, False) is None
    assert coming.look(new, 1.0, skill(7), 1.3, False) is None  # it has been


def test_skill_without_number_is_known_by_its_latent() -> None:
    """Skills that were asked for by the action have the number 0, so nothing of them was ever shown."""
    coming, new = ComingSkill(), choice(1)
    assert coming.look(new, 1.0, skill(0, OLD, "executing"), 1.0, False) == new
    assert coming.look(new, 1.0, skill(0, NEW, "executing"), 1.1, False) is None
    assert not is_of(skill(0, ()), choice(1, ()))  # no skill yet


def test_choice_that_never_begins_does_not_stay() -> None:
    """A skill that was refused while latched once was shown for ever."""
    coming, new = ComingSkill(), choice(8)
    assert coming.look(new, 1.0, skill(7), 1.0 + 0.9 * FRESH_S, False) == new
    assert coming.look(new, 1.0, skill(7), 1.0 + 1.1 * FRESH_S, False) is None
    for state in ("braking", "latched"):
        coming = ComingSkill()
        assert coming.look(new, 1.0, skill(7, state=state), 1.1, False) is None
        assert coming.look(new, 1.0, skill(7), 1.2, False) is None  # nor when the latch is released at once


def test_episode_and_executor_take_their_choices_with_them() -> None:
    coming, new, newer = ComingSkill(), choice(8), choice(9)
    assert coming.look(new, 1.0, skill(7), 1.0, False) == new
    assert coming.look(new, 1.0, skill(7), 1.1, True) is None
    assert coming.look(newer, 1.2, skill(7), 1.2, True) == newer  # chosen in the new one
    assert coming.look(newer, 1.2, None, 1.3, False) is None
    assert coming.look(newer, 1.2, skill(0, ()), 1.4, False) is None
