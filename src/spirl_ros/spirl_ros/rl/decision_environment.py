"""The environments that the high-level policy decides in: skills, or single actions as skills of one control step."""

import numpy as np

from spirl_ros.control.observation_fields import Observation, part_of_state
from spirl_ros.control.skill_executor import SkillExecutor
from spirl_ros.errors import ConfigError
from spirl_ros.tasks.disturbance import NO_DISTURBANCE, Disturbance, DisturbedEpisodes
from spirl_ros.tasks.skill_environment import SkillEnvironment
from spirl_ros.tasks.task import Environment, EpisodeConfig, StepResult, TaskFamily


class TaskDecisions(SkillEnvironment[Environment]):
    """A family's simulated robot, which tells how far its task has come.

    A disturbance is in what policy and decoder see and in when their actions take effect. The arm itself knows where it
    is: an encoder that errs errs for its servo too.
    """

    def __init__(
        self,
        family: TaskFamily,
        config: EpisodeConfig,
        executor: SkillExecutor,
        disturbance: Disturbance = NO_DISTURBANCE,
    ) -> None:
        """Make one.

        Raises:
            ConfigError: the family has no simulator, or not what the disturbance is about.
        """
        environment = family.environment(config)
        if environment is None:
            raise ConfigError(
                f"the task family {family.name} has no simulator. Learn on the arm: docs/training_on_the_arm.md."
            )
        spec = family.robot.observation
        columns = {field.name: part_of_state(field, spec.state.names) for field in spec.fields[1:]}
        self._of_state = {name: part for name, part in columns.items() if part is not None}
        self._disturbed, self._physics = None, None
        if disturbance != NO_DISTURBANCE:
            self._disturbed = DisturbedEpisodes(disturbance, family.robot)
            if disturbance.is_physical or disturbance.start:
                from spirl_ros.tasks.disturbed_physics import own_physics  # needs MuJoCo

                self._physics = own_physics(environment, self._disturbed)
        super().__init__(environment, family.robot.safe_arm(), executor)

    def reset(self, seed: int) -> np.ndarray:
        """Begin an episode and return its first observation (Do,)."""
        if self._disturbed is None:
            return super().reset(seed)
        self._disturbed.begin(seed)
        positions = None if self._physics is None else self._physics.begin()
        self._begin(self.environment.reset(seed, positions))
        self.observation = self._disturbed.observe(self.observation)
        return self.observation

    def step(self, action: np.ndarray) -> StepResult:
        """Carry out one action (Da,), safety-filtered."""
        if self._disturbed is None:
            return super().step(action)
        if self._physics is not None:
            self._physics.push()
        result = super().step(self._disturbed.late(action))
        self.observation = self._disturbed.observe(result.observation)
        return result._replace(observation=self.observation)

    def observe(self) -> Observation:
        """Every field of the observation, as it is now; vectors whose values the state has too err like it."""
        parts = {name: self.observation[columns] for name, columns in self._of_state.items()}
        return {**super().observe(), **parts}

    @property
    def _joint_positions(self) -> np.ndarray:
        return self.environment.measurement.joint_positions

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

    def decode(self, state: np.ndarray, latent: np.ndarray, step: int) -> np.ndarray:
        """The latent (Da,)."""
        return latent


def action_executor(observation_size: int, action_size: int) -> SkillExecutor:
    """Carries out single actions as skills of one control step."""
    return SkillExecutor(ActionsAsLatents(), 1, action_size, observation_size, action_size)
