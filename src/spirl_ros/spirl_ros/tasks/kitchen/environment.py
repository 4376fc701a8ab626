"""The kitchen as a task: episodes of actions, observations and sparse rewards."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from spirl_ros.control.velocity_action import VelocityAction
from spirl_ros.errors import CommandError, ConfigError
from spirl_ros.tasks.kitchen.scene import CONTROL_PERIOD_S, INITIAL_POSITIONS, KitchenScene, load_kitchen_scene
from spirl_ros.tasks.kitchen.simulation import KitchenSimulation, Measurement, MeasurementNoise, SimulationState
from spirl_ros.tasks.kitchen.subtasks import SubtaskDetector, target_subtasks
from spirl_ros.tasks.progress import SubtaskProgress


@dataclass(frozen=True)
class KitchenConfig:
    """What an episode in the kitchen is."""

    task: str = "kitchen"
    """A task's name, or target subtasks in order, separated by commas."""
    count: str = "ordered"
    """Which completions are rewarded: `ordered` as in the paper, `any` as in gymnasium-robotics."""
    max_steps: int = 280
    """Control steps until the episode is truncated."""
    terminate_on_complete: bool = True
    """End the episode when the target subtasks are completed."""
    noise: MeasurementNoise = MeasurementNoise()
    """Noise on every measurement."""


class StepResult(NamedTuple):
    """What one control step gave."""

    observation: np.ndarray
    """(30,): joint positions, then scene positions, with noise."""
    reward: float
    """1 for each target subtask newly counted."""
    terminated: bool
    """The task is complete. Only this stops bootstrapping."""
    truncated: bool
    """Time ran out before that."""


@dataclass(frozen=True)
class EnvironmentState:
    """A moment of an episode, to continue from later."""

    simulation: SimulationState
    measurement: Measurement
    progress: SubtaskProgress
    step: int
    seed: int


class KitchenEnvironment:
    """Episodes of the kitchen task. Actions are joint velocities in [-1, 1], see VelocityAction.

    `measurement`, `progress`, `step_count` and `seed` describe the current episode and are for reading only.
    Not thread-safe; separate environments run side by side in threads.
    """

    def __init__(self, config: KitchenConfig = KitchenConfig(), scene: KitchenScene | None = None) -> None:
        """Prepare the first episode with seed 0.

        Args:
            config: the task.
            scene: the compiled scene; by default the one without visual geometry.

        Raises:
            ConfigError: an unknown task or count, or no time.
        """
        if config.max_steps < 1:
            raise ConfigError(f"max_steps is {config.max_steps}, expected at least 1.")
        self.config = config
        self.scene = load_kitchen_scene() if scene is None else scene
        self.targets = target_subtasks(config.task)
        self.simulation = KitchenSimulation(self.scene, config.noise)
        self.action_meaning = VelocityAction(self.scene.position_lower, self.scene.position_upper, CONTROL_PERIOD_S)
        self._detector = SubtaskDetector(self.scene.scene_names)
        self._physics_steps = self.scene.physics_steps_per_control_step
        self.reset(seed=0)

    @property
    def has_ended(self) -> bool:
        """Is the current episode over, by completion or by time."""
        return self.step_count >= self.config.max_steps or (
            self.config.terminate_on_complete and self.progress.is_complete
        )

    def set_task(self, task: str) -> None:
        """Choose the task of the episodes after the next reset. Raises ConfigError for an unknown one."""
        self.targets = target_subtasks(task)
        self.config = replace(self.config, task=task)

    def reset(self, seed: int, positions: np.ndarray = INITIAL_POSITIONS) -> np.ndarray:
        """Begin an episode, usually from the initial positions (30,), and return its first observation (30,)."""
        self.seed = seed
        self.step_count = 0
        self.progress = SubtaskProgress(self.targets, self.config.count)
        self.simulation.reset(seed, positions)
        self.measurement = self.simulation.measure()
        return self.measurement.observation()

    def step(self, action: np.ndarray) -> StepResult:
        """Act for one control period with an action (9,); values outside [-1, 1] are clipped.

        Raises:
            CommandError: wrong size or not finite; the episode is unchanged.
        """
        action = np.asarray(action, dtype=float)
        if action.shape != (self.scene.joint_count,) or not np.isfinite(action).all():
            raise CommandError(f"action is {action}, expected {self.scene.joint_count} finite values in [-1, 1].")
        self.simulation.command_checked(self.action_meaning.joint_command(action, self.measurement.joint_positions))
        self.simulation.advance(self._physics_steps)
        return self.finish_step()

    def step_command(self, joint_command: np.ndarray) -> StepResult:
        """Hold a joint command (9,) [rad, m] for one control period.

        Raises:
            CommandError: wrong size or not finite; the episode is unchanged.
        """
        self.simulation.command(joint_command)
        self.simulation.advance(self._physics_steps)
        return self.finish_step()

    def finish_step(self) -> StepResult:
        """Measure and judge after one control period has passed in the simulation.

        After the end of the episode time may pass on, but nothing counts any more.
        """
        has_ended = self.has_ended
        self.measurement = self.simulation.measure()
        reward = 0.0
        if not has_ended:
            self.step_count += 1
            reward = self.progress.update(self._detector.done(self.simulation.true_scene_positions()), self.step_count)
        terminated = self.config.terminate_on_complete and self.progress.is_complete
        truncated = not terminated and self.step_count >= self.config.max_steps
        return StepResult(self.measurement.observation(), reward, terminated, truncated)

    def save(self) -> EnvironmentState:
        """The current moment; `restore` continues from it with the same numbers to the last bit."""
        return EnvironmentState(
            self.simulation.save(), self.measurement, self.progress.copy(), self.step_count, self.seed
        )

    def restore(self, state: EnvironmentState) -> np.ndarray:
        """Go back to a saved moment and return the observation (30,) of it."""
        self.simulation.restore(state.simulation)
        self.measurement = state.measurement
        self.progress = state.progress.copy()
        self.step_count = state.step
        self.seed = state.seed
        return self.measurement.observation()
