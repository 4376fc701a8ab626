"""The skill that was chosen and has not begun yet."""

from spirl_ros.monitoring.views import EXECUTING, ChoiceView, SkillView

FRESH_S = 2.0
"""A choice that has not begun after so long [s] was refused or lost."""
_TAKES_SKILLS = ("idle", EXECUTING)


class ComingSkill:
    """Follows choices until the skill executor takes them up, refuses them or keeps silent. One thread."""

    def __init__(self) -> None:
        """Begin with nothing to come."""
        self._choice: ChoiceView | None = None
        self._heard_s = -float("inf")

    def look(
        self, choice: ChoiceView | None, heard_s: float, skill: SkillView | None, now_s: float, is_new_episode: bool
    ) -> ChoiceView | None:
        """What is to come now.

        Args:
            choice: the newest one, if there is any.
            heard_s: when it was heard [s].
            skill: what the executor says; None where there is no executor any more.
            now_s: now, on the clock of `heard_s` [s].
            is_new_episode: has an episode begun since the look before. What was chosen before it is not executed any
                more.
        """
        if is_new_episode:
            self._choice = None
        if heard_s > self._heard_s:
            self._choice, self._heard_s = choice, heard_s
        if (
            skill is None
            or skill.state not in _TAKES_SKILLS
            or now_s - self._heard_s > FRESH_S
            or (self._choice is not None and is_of(skill, self._choice))
        ):
            self._choice = None
        return self._choice


def is_of(skill: SkillView, choice: ChoiceView) -> bool:
    """Whether this is the skill of a choice: by its number or, where the action sent none, by its latent."""
    return skill.skill_id == choice.skill_id if skill.skill_id else skill.latent == choice.latent != ()
