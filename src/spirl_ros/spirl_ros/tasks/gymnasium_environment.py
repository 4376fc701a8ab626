"""Episodes in an environment of Gymnasium: commands in, flat observations and one sparse reward out."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spirl_ros.control.observation_fields import STATE, Observation
from spirl_ros.errors import CommandError, ConfigError
from spirl_ros.tasks.progress import SubtaskProgress
from spirl_ros.tasks.task import NO_NOISE, EpisodeConfig, Measurement, MeasurementNoise, StepResult

if TYPE_CHECKING:
    from spirl_ros.tasks.gymnasium_family import GymnasiumFamily

REACHED = "reached"
"""The only subtask: the environment has said that it succeeded."""
SUCCESS = ("success", "is_success")
"""Names under which environments say so in their info."""


class EnvironmentState(NamedTuple):
    """A moment of an episode as the way to it: an environment's own parts cannot be copied in general.

    Those of gymnasium-robotics make a new one of themselves when they are copied, at the beginning of an episode.
    """

    seed: int
    commands: tuple[np.ndarray, ...]
    """Each (Da,), since the reset."""
    observation: np.ndarray
    """(Do,) at its end."""


class GymnasiumEnvironment:
    """Episodes of one environment. It ends them by `terminated`, also without success; time is counted here.

    `measurement`, `progress`, `step_count` and `seed` describe the current episode and are for reading only.
    Not thread-safe; separate environments run side by side in threads.
    """

    def __init__(self, family: "GymnasiumFamily", config: EpisodeConfig = EpisodeConfig()) -> None:
        """Prepare the first episode with seed 0.

        Raises:
            ConfigError: an unknown task or count, no time, or noise, which these environments have of their own.
        """
        self.max_steps = family.max_steps if config.max_steps is None else config.max_steps
        if self.max_steps < 1:
            raise ConfigError(f"max_steps is {self.max_steps}, expected at least 1.")
        if config.noise not in (None, NO_NOISE):
            raise ConfigError(f"{family.name} has the noise of its environment and no other. Leave noise out.")
        self.family, self.config = family, config
        self.targets = family.task(config.task).goals
        self.noise: MeasurementNoise = NO_NOISE
        self._limits = family.robot.limits
        self._environment = family.make()
        self.reset(seed=0)

    @property
    def has_ended(self) -> bool:
        """Whether the current episode is over: by success, by the environment, or by time."""
        return self._is_terminated or self._is_truncated

    def reset(self, seed: int, positions: np.ndarray | None = None) -> np.ndarray:
        """Begin an episode, with each actuator in the middle of its range, and return its first observation (Do,).

        Raises:
            ConfigError: positions are given; the environment itself says where it begins.
        """
        if positions is not None:
            raise ConfigError(f"{self.family.name} begins where its seed says. Leave positions out.")
        self.seed, self.step_count = seed, 0
        self.progress = SubtaskProgress(self.targets, self.config.count)
        self._commands: list[np.ndarray] = []
        self._is_terminated = self._is_truncated = False
        observation, _ = self._environment.reset(seed=seed)
        middle = 0.5 * (self._limits.position_lower + self._limits.position_upper)
        return self._measure(middle, observation)

    def observe(self) -> Observation:
        """Every field of the observation, as it is now."""
        return {STATE: self.measurement.observation()}

    def step(self, action: np.ndarray) -> StepResult:
        """Act for one control period with an action (Da,), clipped to [-1, 1], unfiltered.

        Raises:
            CommandError: wrong size or not finite; the episode is unchanged.
        """
        action = np.asarray(action, dtype=float)
        if action.shape != self._limits.velocity.shape or not np.isfinite(action).all():
            raise CommandError(f"action is {action}, expected {self._limits.velocity.size} finite values in [-1, 1].")
        robot, last = self.family.robot, self.measurement.joint_positions
        meaning = robot.action_meaning
        return self.step_command(
            meaning.joint_command(action, meaning.led_positions(robot.action_reference, last, last))
        )

    def step_command(self, joint_command: np.ndarray) -> StepResult:
        """Give the environment a command (Da,), one value within its range for each actuator.

        After the end of the episode nothing happens any more.

        Raises:
            CommandError: wrong size or not finite; the episode is unchanged.
        """
        command = np.array(joint_command, dtype=float)
        if command.shape != self._limits.velocity.shape or not np.isfinite(command).all():
            raise CommandError(f"joint command is {command}, expected {self._limits.velocity.size} finite values.")
        if self.has_ended:
            return self._result(0.0)
        observation, _, terminated, truncated, info = self._environment.step(self.family.to_action(command))
        self._commands.append(command)
        self.step_count += 1
        is_reached = any(bool(info.get(name, False)) for name in SUCCESS)
        reward = self.progress.update({REACHED} if is_reached else (), self.step_count)
        ends = self.config.terminate_on_complete and self.progress.is_complete
        self._is_terminated = bool(terminated) or ends
        self._is_truncated = not self._is_terminated and (bool(truncated) or self.step_count >= self.max_steps)
        self._measure(command, observation)
        return self._result(reward)

    def save(self) -> EnvironmentState:
        """The current moment; `restore` continues from it with the same numbers to the last bit."""
        return EnvironmentState(self.seed, tuple(self._commands), self.measurement.observation())

    def restore(self, state: EnvironmentState) -> np.ndarray:
        """Go the way to a saved moment again and return the observation (Do,) of it.

        Raises:
            ConfigError: the same seed and commands lead elsewhere, so the environment cannot be restored.
        """
        self.reset(state.seed)
        for command in state.commands:
            self.step_command(command)
        found = self.measurement.observation()
        if found.tobytes() != state.observation.tobytes():
            raise ConfigError(
                f"{self.family.name} does not repeat an episode: its seed and the same {len(state.commands)} commands "
                "gave another observation. Choose an environment whose reset(seed=…) decides everything."
            )
        return found

    def _measure(self, command: np.ndarray, observation: Any) -> np.ndarray:
        """Actuators are at once where they were sent, and rest there."""
        self.measurement = Measurement(command, np.zeros_like(command), self.family.to_scene(observation))
        return self.measurement.observation()

    def _result(self, reward: float) -> StepResult:
        return StepResult(self.measurement.observation(), reward, self._is_terminated, self._is_truncated)
