"""A task at two time scales: single actions, or whole skills, through the very objects that run on the robot."""

from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from spirl_ros.control.observation_fields import STATE, Observation
from spirl_ros.control.safe_arm import SafeArm
from spirl_ros.control.skill_executor import SkillExecutor
from spirl_ros.errors import ConfigError
from spirl_ros.tasks.task import StepResult


class CommandedEnvironment(Protocol):
    """What is asked here of an environment, see Environment in tasks/task.py."""

    def reset(self, seed: int) -> np.ndarray:
        """Begin an episode and return its first state (Do,), the joints first."""
        ...

    def step_command(self, joint_command: np.ndarray) -> StepResult:
        """Hold a joint command (Da,) [rad, m] for one control period."""
        ...

    def restore(self, state: Any) -> np.ndarray:
        """Go back to a saved moment and return its state (Do,)."""
        ...

    def observe(self) -> Observation:
        """Every field of the observation, as it is now."""
        ...


_Environment = TypeVar("_Environment", bound=CommandedEnvironment)


class SkillResult(NamedTuple):
    """What one skill gave."""

    observation: np.ndarray
    """The state (Do,) after its last control step."""
    reward: float
    """Undiscounted sum over its control steps (Pertsch et al. 2020, section 3.3)."""
    terminated: bool
    """Whether the task ended within the skill."""
    truncated: bool
    """Whether time ran out within the skill."""
    steps: int
    """Control steps carried out: H, or fewer when the episode ended."""


class SkillEnvironment(Generic[_Environment]):
    """An environment whose actions pass the safety filter, one at a time or H of them decoded from a latent.

    Not thread-safe; separate ones run side by side in threads.
    """

    def __init__(self, environment: _Environment, arm: SafeArm, executor: SkillExecutor | None = None) -> None:
        """Wrap an environment, and begin its episode of seed 0.

        Args:
            environment: carries out commands.
            arm: makes them of actions; of this environment alone.
            executor: decodes skills; without it there are single actions only.
        """
        self.environment = environment
        self.observation = np.empty(0)
        self._arm, self._executor = arm, executor
        self._joint_count = len(arm.limits.joint_names)
        self.reset(seed=0)

    @property
    def interventions(self) -> int:
        """Commands that the safety filter has changed or refused since the last reset."""
        return self._arm.interventions_since_begin

    def observe(self) -> Observation:
        """Every field of the observation, as it is now: what skills are chosen on."""
        return {**self.environment.observe(), STATE: self.observation}

    def reset(self, seed: int) -> np.ndarray:
        """Begin an episode and return its first state (Do,)."""
        return self._begin(self.environment.reset(seed))

    def restore(self, state: Any) -> np.ndarray:
        """Go back to a moment that `environment.save()` gave, the arm being at rest there."""
        return self._begin(self.environment.restore(state))

    def step(self, action: np.ndarray) -> StepResult:
        """Carry out one action (Da,), safety-filtered."""
        command = self._arm.act(action, self._joint_positions, age_s=0.0)
        result = self.environment.step_command(command.joint_positions)
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

    @property
    def _joint_positions(self) -> np.ndarray:
        """Measured (Da,) [rad, m], which the observation begins with."""
        return self.observation[: self._joint_count]

    def _begin(self, observation: np.ndarray) -> np.ndarray:
        self.observation = observation
        if self._executor is not None:
            self._executor.abort()
        self._arm.begin(self._joint_positions)
        return observation
