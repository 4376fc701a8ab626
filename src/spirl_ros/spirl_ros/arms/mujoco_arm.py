"""A simulated arm with its scene and task on one clock, behind the commands a ros2_control arm takes."""

from typing import NamedTuple

import numpy as np

from spirl_ros.arms.joint_trajectory import JointTrajectory, TrajectoryFollower
from spirl_ros.errors import CommandError, ConfigError
from spirl_ros.tasks.families import full_task, split_task
from spirl_ros.tasks.mujoco_environment import MujocoEnvironment
from spirl_ros.tasks.task import Measurement, StepResult

TRAJECTORY_PHYSICS_STEPS = 5
"""Physics steps between two set-points of a trajectory: 10 ms, the rate of a 100 Hz controller manager."""


class SimulatedStep(NamedTuple):
    """What happened while time advanced."""

    measurement: Measurement
    """Sensors at the end of it."""
    step: StepResult | None
    """The control step that ended with it, if one did."""


class MujocoArm:
    """Advances simulated time; the last command, a position or a trajectory, stays in force until the next.

    Time never goes back: a reset takes one control period. Not thread-safe: the caller holds a lock.
    """

    def __init__(self, environment: MujocoEnvironment) -> None:
        """Take over an environment; its current episode is number 1."""
        self.environment = environment
        self.episode = 1
        self._name_task(environment.config.task)
        self.total_reward = 0.0
        self._task_of_next_episode = environment.config.task
        self._physics_step_ns = round(environment.scene.model.opt.timestep * 1e9)
        self._physics_steps_per_control_step = environment.scene.physics_steps_per_control_step
        self._time_ns = 0
        self._physics_steps_in_control_step = 0
        self._follower: TrajectoryFollower | None = None

    @property
    def time_ns(self) -> int:
        """Simulated time since this object was made [ns]."""
        return self._time_ns

    @property
    def time_s(self) -> float:
        """Simulated time since this object was made [s]."""
        return self._time_ns * 1e-9

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The arm's joints, in the order of position commands."""
        return self.environment.scene.joint_names

    def physics_steps_per_tick(self, state_rate_hz: float) -> int:
        """Physics steps between two states published at a rate [Hz].

        Raises:
            ConfigError: no whole number of them, or none that divides the control step.
        """
        per_control_step = self._physics_steps_per_control_step
        physics_rate_hz = 1e9 / self._physics_step_ns
        if not (physics_rate_hz / state_rate_hz).is_integer() or per_control_step % (physics_rate_hz / state_rate_hz):
            rates = [
                physics_rate_hz / steps for steps in range(per_control_step, 0, -1) if per_control_step % steps == 0
            ]
            raise ConfigError(
                f"state_rate_hz is {state_rate_hz}, expected a rate that divides the control step into whole physics "
                f"steps: {', '.join(f'{rate:g}' for rate in rates)}."
            )
        return int(physics_rate_hz / state_rate_hz)

    def command_positions(self, positions: np.ndarray) -> None:
        """Hold a position (Da,) [rad, m], as a forward command controller does.

        Raises:
            CommandError: wrong size or not finite. What was in force stays in force.
        """
        self.environment.simulation.command(positions)
        self._follower = None

    def command_trajectory(self, trajectory: JointTrajectory, start_s: float | None = None) -> None:
        """Follow a trajectory from the desired state of this moment, replacing what was in force.

        Args:
            trajectory: what to follow.
            start_s: simulated time of its zero; None is now.

        Raises:
            CommandError: it would end in the past. What was in force stays in force.
        """
        if start_s is None:
            start_s = self.time_s
        elif start_s + trajectory.times_s[-1] < self.time_s:
            raise CommandError(
                f"trajectory ends at {start_s + trajectory.times_s[-1]:.3f} s, but it is {self.time_s:.3f} s now. "
                "Stamp it with the arm's clock, or with 0 to start at once."
            )
        position, velocity = self._desired()
        self._follower = TrajectoryFollower(trajectory, start_s, position, velocity, arrived_s=self.time_s)

    def advance(self, physics_steps: int) -> SimulatedStep:
        """Let time pass and read the sensors. A control step must not end in the middle of it."""
        remaining = physics_steps
        while remaining > 0:
            chunk = remaining if self._follower is None else min(remaining, TRAJECTORY_PHYSICS_STEPS)
            if self._follower is not None:
                at_end_s = (self._time_ns + chunk * self._physics_step_ns) * 1e-9
                self.environment.simulation.command(self._follower.sample(at_end_s)[0])
            self.environment.simulation.advance(chunk)
            self._time_ns += chunk * self._physics_step_ns
            self._physics_steps_in_control_step += chunk
            remaining -= chunk
        if self._physics_steps_in_control_step < self._physics_steps_per_control_step:
            return SimulatedStep(self.environment.simulation.measure(), None)
        self._physics_steps_in_control_step = 0
        step = self.environment.finish_step()
        self.total_reward += step.reward
        return SimulatedStep(self.environment.measurement, step)

    def advance_control_step(self) -> SimulatedStep:
        """Let one whole control period pass."""
        return self.advance(self._physics_steps_per_control_step)

    def reset(self, seed: int) -> SimulatedStep:
        """Begin a new episode, with the task set last. The arm holds its initial position."""
        if self._task_of_next_episode != self.environment.config.task:
            self.environment.set_task(self._task_of_next_episode)
            self._name_task(self._task_of_next_episode)
        self.environment.reset(seed)
        self.episode += 1
        self.total_reward = 0.0
        self._follower = None
        self._physics_steps_in_control_step = 0
        self._time_ns += self._physics_steps_per_control_step * self._physics_step_ns
        return SimulatedStep(self.environment.measurement, None)

    def set_task(self, task: str) -> tuple[str, ...]:
        """Choose the task of the next episode, with or without the family's name before it.

        Returns:
            Its target subtasks.

        Raises:
            ConfigError: an unknown one, or one of another family.
        """
        own = self.environment.family.name
        family, spec = split_task(task, default=own)
        if family.name != own:
            raise ConfigError(
                f"task is '{task}', but what is simulated is the family {own}. Choose one of its tasks, or start the "
                "simulator of the other one."
            )
        self._task_of_next_episode = spec.text
        return spec.goals

    def _name_task(self, text: str) -> None:
        family = self.environment.family
        self.task = full_task(f"{family.name}:{family.task(text).text}")
        """Of the current episode, with its family where that is not the default one."""

    def _desired(self) -> tuple[np.ndarray, np.ndarray]:
        """Position and velocity (Da,) that are commanded at this moment."""
        if self._follower is not None:
            return self._follower.sample(self.time_s)
        position = self.environment.simulation.data.ctrl.copy()
        return position, np.zeros_like(position)
