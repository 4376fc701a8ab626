"""One decision of the high-level policy and what came of it."""

from typing import Any, NamedTuple


class SkillTransition(NamedTuple):
    """A skill, or a batch of B of them: then every field has a leading B. Arrays or tensors."""

    observation: Any
    """(Do,): exactly the one that the skill was chosen on."""
    progress: Any
    """Target subtasks completed in order then, 0 to K."""
    latent: Any
    """(Dz,) as executed, within the latent limit."""
    reward: Any
    """Undiscounted sum over the skill's control steps (Pertsch et al. 2020, section 3.3)."""
    next_observation: Any
    """(Do,) after the last control step."""
    next_progress: Any
    """Target subtasks completed in order after it."""
    terminated: Any
    """The task ended within the skill: nothing more is to be had."""
    truncated: Any
    """Time ran out within the skill: what would have followed still counts."""
