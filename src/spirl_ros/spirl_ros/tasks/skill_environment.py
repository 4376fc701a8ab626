"""The kitchen at two time scales: single actions, or whole skills, through the very objects that run on the robot."""

from typing import NamedTuple

import numpy as np

from spirl_ros.control.safety_filter import SafetyFilter
from spirl_ros.control.skill_executor import SkillExecutor
from spirl_ros.errors import ConfigError
from spirl_ros.tasks.kitchen.environment import KitchenEnvironment, StepResult
from spirl_ros.tasks.kitchen.joint_limits import kitchen_joint_limits
from spirl_ros.tasks.kitchen.scene import CONTROL_PERIOD_S


class SkillResult(NamedTuple):
    """What one skill gave."""

    observation: np.ndarray
    """(Do,) after its last control step."""
    reward: float
    """Undiscounted sum over its control steps (Pertsch et al. 2020, section 3.3)."""
    terminated: bool
    """The task ended within the skill."""
    truncated: bool
    """Time ran out within the skill."""
    steps: int
    """Control steps carried out: H, or fewer when the episode ended."""


class SkillEnvironment:
    """An environment whose actions pass the safety filter, one at a time or H of them decoded from a latent.

    Not thread-safe; separate ones run side by side in threads.
    """

    def __init__(self, environment: KitchenEnvironment, executor: SkillExecutor | None = None) -> None:
        """Wrap an environment. `executor` decodes skills; without it there are single actions only."""
        self.environment = environment
        self.observation = np.empty(0)
        self.interventions = 0
        self._executor = executor
        self._filter = SafetyFilter(
            kitchen_joint_limits(environment.scene), CONTROL_PERIOD_S, max_age_s=CONTROL_PERIOD_S
        )
        self.reset(seed=0)

    def reset(self, seed: int) -> np.ndarray:
        """Begin an episode and return its first observation (Do,)."""
        return self._begin(self.environment.reset(seed))

    def restore(self, state) -> np.ndarray:
        """Go back to a moment that `environment.save()` gave, the filter being at rest there."""
        return self._begin(self.environment.restore(state))

    def step(self, action: np.ndarray) -> StepResult:
        """Carry out one action (Da,), safety-filtered."""
        environment = self.environment
        command = environment.action_meaning.joint_command(action, environment.measurement.joint_positions)
        filtered = self._filter.filter(command, age_s=0.0)
        self.interventions += bool(filtered.interventions)
        result = environment.step_command(filtered.joint_positions)
        self.observation = result.observation
        return result

    def execute(self, latent: np.ndarray) -> SkillResult:
        """Carry out a skill (Dz,) to its end, or to the episode's."""
        executor = self._executor
        if executor is None:
            raise ConfigError("this environment has no skill executor, so it takes single actions only.")
        executor.abort()
        executor.start(latent)
        reward = 0.0
        while True:
            result = self.step(executor.step(self.observation))
            reward += result.reward
            if executor.is_done or result.terminated or result.truncated:
                return SkillResult(result.observation, reward, result.terminated, result.truncated, executor.steps_done)

    def _begin(self, observation: np.ndarray) -> np.ndarray:
        self.observation = observation
        self.interventions = 0
        if self._executor is not None:
            self._executor.abort()
        self._filter.activate(self.environment.measurement.joint_positions)
        return observation
