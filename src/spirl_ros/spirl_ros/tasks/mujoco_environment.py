"""Episodes of a task in a MuJoCo scene: actions, observations and sparse rewards."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from spirl_ros.control.observation_fields import STATE, Field, Observation
from spirl_ros.control.velocity_action import VelocityAction
from spirl_ros.errors import CommandError, ConfigError
from spirl_ros.tasks.mujoco_scene import MujocoScene
from spirl_ros.tasks.mujoco_simulation import MujocoSimulation, SimulationState
from spirl_ros.tasks.progress import SubtaskProgress
from spirl_ros.tasks.scene_cameras import SceneCameras
from spirl_ros.tasks.task import EpisodeConfig, Measurement, StepResult

if TYPE_CHECKING:
    from spirl_ros.tasks.mujoco_family import MujocoFamily


@dataclass(frozen=True)
class EnvironmentState:
    """A moment of an episode, to continue from later."""

    simulation: SimulationState
    measurement: Measurement
    progress: SubtaskProgress
    step: int
    seed: int


class MujocoEnvironment:
    """Episodes of a task. Actions are joint velocities in [-1, 1], see VelocityAction.

    `measurement`, `progress`, `step_count` and `seed` describe the current episode and are for reading only.
    Not thread-safe; separate environments run side by side in threads.
    """

    def __init__(
        self, family: "MujocoFamily", config: EpisodeConfig = EpisodeConfig(), scene: MujocoScene | None = None
    ) -> None:
        """Prepare the first episode with seed 0.

        Args:
            family: scene, names and what is done when.
            config: the task.
            scene: the compiled scene; by default the one without visual geometry.

        Raises:
            ConfigError: an unknown task or count, or no time.
        """
        self.max_steps = family.max_steps if config.max_steps is None else config.max_steps
        if self.max_steps < 1:
            raise ConfigError(f"max_steps is {self.max_steps}, expected at least 1.")
        self.family, self.config = family, config
        self.scene = family.load_scene() if scene is None else scene
        self.targets = family.task(config.task).goals
        self.noise = family.noise if config.noise is None else config.noise
        self.simulation = MujocoSimulation(self.scene, self.noise)
        self.action_meaning = VelocityAction(
            self.scene.position_lower, self.scene.position_upper, self.scene.control_period_s, family.velocity_scale
        )
        self._physics_steps = self.scene.physics_steps_per_control_step
        self.reset(seed=0)

    @property
    def has_ended(self) -> bool:
        """Whether the current episode is over, by completion or by time."""
        return self.step_count >= self.max_steps or (self.config.terminate_on_complete and self.progress.is_complete)

    def set_task(self, task: str) -> None:
        """Choose the task of the episodes after the next reset. Raises ConfigError for an unknown one."""
        self.targets = self.family.task(task).goals
        self.config = replace(self.config, task=task)

    def reset(self, seed: int, positions: np.ndarray | None = None) -> np.ndarray:
        """Begin an episode, usually from the initial positions (Do,), and return its first observation (Do,)."""
        self.seed = seed
        self.step_count = 0
        self.progress = SubtaskProgress(self.targets, self.config.count)
        self.simulation.reset(seed, positions)
        self.measurement = self.simulation.measure()
        return self.measurement.observation()

    @functools.cached_property
    def cameras(self) -> SceneCameras | None:
        """Draws the pictures that the family does not give itself; None where there are none.

        Raises:
            ConfigError: such a picture's source is no camera of the model.
        """
        given = self.family.observe_more(self)
        pictures = tuple(field for field in self.family.robot.observation.pictures if field.name not in given)
        return _cameras(self.family, pictures) if pictures else None

    def observe(self) -> Observation:
        """Every field of the observation, as it is now. Raises PlotError where cameras cannot be drawn."""
        return self.observe_soon()()

    def observe_soon(self) -> Callable[[], Observation]:
        """Gives every field of the observation as it is now, when called; until then time may pass here.

        What is called waits for the cameras' thread; it may be called in any other.
        """
        given = {STATE: self.measurement.observation(), **self.family.observe_more(self)}
        if self.cameras is None:
            return lambda: given
        pictures = self.cameras.draw(self.simulation.scene.model, self.simulation.data)
        return lambda: {**given, **pictures.result()}

    def step(self, action: np.ndarray) -> StepResult:
        """Act for one control period with an action (Da,), as FrankaKitchen-v1: clipped to [-1, 1], unfiltered.

        Who controls an arm does that through a SafeArm, and `step_command`.

        Raises:
            CommandError: wrong size or not finite; the episode is unchanged.
        """
        action = np.asarray(action, dtype=float)
        if action.shape != (self.scene.joint_count,) or not np.isfinite(action).all():
            raise CommandError(f"action is {action}, expected {self.scene.joint_count} finite values in [-1, 1].")
        measured, commanded = self.measurement.joint_positions, self.simulation.data.ctrl
        led = self.action_meaning.led_positions(self.family.action_reference, measured, commanded)
        self.simulation.command_checked(self.action_meaning.joint_command(action, led))
        self.simulation.advance(self._physics_steps)
        return self.finish_step()

    def step_command(self, joint_command: np.ndarray) -> StepResult:
        """Hold a joint command (Da,) [rad, m] for one control period.

        Raises:
            CommandError: wrong size or not finite; the episode is unchanged.
        """
        self.simulation.command(joint_command)
        self.simulation.advance(self._physics_steps)
        return self.finish_step()

    def done_now(self) -> set[str]:
        """Subtasks that are done now."""
        return self.family.done_now(self.simulation.true_positions())

    def finish_step(self) -> StepResult:
        """Measure and judge after one control period has passed in the simulation.

        After the end of the episode time may pass on, but nothing counts any more.
        """
        has_ended = self.has_ended
        self.measurement = self.simulation.measure()
        reward = 0.0
        if not has_ended:
            self.step_count += 1
            reward = self.progress.update(self.done_now(), self.step_count)
        terminated = self.config.terminate_on_complete and self.progress.is_complete
        truncated = not terminated and self.step_count >= self.max_steps
        return StepResult(self.measurement.observation(), reward, terminated, truncated)

    def save(self) -> EnvironmentState:
        """The current moment; `restore` continues from it with the same numbers to the last bit."""
        return EnvironmentState(
            self.simulation.save(), self.measurement, self.progress.copy(), self.step_count, self.seed
        )

    def restore(self, state: EnvironmentState) -> np.ndarray:
        """Go back to a saved moment and return the observation (Do,) of it."""
        self.simulation.restore(state.simulation)
        self.measurement = state.measurement
        self.progress = state.progress.copy()
        self.step_count = state.step
        self.seed = state.seed
        return self.measurement.observation()


@functools.cache
def _cameras(family: "MujocoFamily", pictures: tuple[Field, ...]) -> SceneCameras:
    return SceneCameras(family.load_scene(with_visuals=True).model, pictures)
