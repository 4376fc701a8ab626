"""The environments that the high-level policy decides in: skills, or single actions as skills of one control step."""

from typing import Protocol

import numpy as np

from spirl_ros.control.skill_executor import SkillExecutor
from spirl_ros.deployment.bundle import Bundle
from spirl_ros.tasks.kitchen.environment import KitchenConfig, KitchenEnvironment
from spirl_ros.tasks.skill_environment import SkillEnvironment, SkillResult


class DecisionEnvironment(Protocol):
    """What the training loop needs. The same seed and the same latents give the same episode to the last bit."""

    observation: np.ndarray
    """(Do,), the present one."""

    @property
    def completed_in_order(self) -> int:
        """Target subtasks completed in order in this episode, 0 to K."""
        ...

    @property
    def completed(self) -> tuple[str, ...]:
        """Target subtasks completed in this episode, in any order."""
        ...

    def reset(self, seed: int) -> np.ndarray:
        """Begin an episode and return its first observation."""
        ...

    def execute(self, latent: np.ndarray) -> SkillResult:
        """Carry out a latent (Dz,) to its end, or to the episode's."""
        ...


class KitchenDecisions(SkillEnvironment):
    """The kitchen, which tells how far its task has come."""

    @property
    def completed_in_order(self) -> int:
        """Target subtasks completed in order in this episode, 0 to K."""
        return self.environment.progress.completed_in_order

    @property
    def completed(self) -> tuple[str, ...]:
        """Target subtasks completed in this episode, in any order."""
        done = self.environment.progress.completed_at_step
        return tuple(target for target in self.environment.targets if target in done)


class ActionsAsLatents:
    """A decoder for methods without skills: the latent is the action."""

    def decode(self, observation: np.ndarray, latent: np.ndarray, step: int) -> np.ndarray:
        """The latent (Da,)."""
        return latent


def kitchen_skills(bundle: Bundle, config: KitchenConfig) -> KitchenDecisions:
    """A kitchen in which a decision is a skill of the bundle."""
    return KitchenDecisions(KitchenEnvironment(config), bundle.executor())


def kitchen_actions(bundle: Bundle, config: KitchenConfig) -> KitchenDecisions:
    """A kitchen in which a decision is one action."""
    about = bundle.description
    executor = SkillExecutor(ActionsAsLatents(), 1, about.action_size, about.observation_size, about.action_size)
    return KitchenDecisions(KitchenEnvironment(config), executor)
