"""Physics and sensors of a scene: commands go in, noisy measurements come out, time passes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from spirl_ros.errors import CommandError
from spirl_ros.tasks.mujoco_scene import MujocoScene
from spirl_ros.tasks.task import Measurement, MeasurementNoise


@dataclass(frozen=True)
class SimulationState:
    """Everything that decides what a simulation does next."""

    physics: np.ndarray
    generator: Mapping[str, Any]


class MujocoSimulation:
    """Physics and sensors of one scene. No task, no episode, no clock of its own.

    Not thread-safe; physics releases the interpreter lock, so several simulations run side by side in threads.
    """

    def __init__(self, scene: MujocoScene, noise: MeasurementNoise) -> None:
        """Start at the initial state with seed 0."""
        self.scene = scene
        self.data = mujoco.MjData(scene.model)
        # Views into the simulation's memory: asking `data` for them costs more than what is done with them.
        n = scene.joint_count
        self._positions = self.data.qpos
        self._joint_positions, self._scene_positions = self._positions[:n], self._positions[n:]
        self._joint_velocities, self._ctrl = self.data.qvel[:n], self.data.ctrl
        self._noise = np.concatenate(
            (
                noise.robot_ratio * scene.position_noise[:n],
                noise.robot_ratio * scene.velocity_noise[:n],
                noise.scene_ratio * scene.position_noise[n:],
                noise.scene_ratio * scene.velocity_noise[n:],
            )
        )
        self.reset(seed=0)

    def reset(self, seed: int, positions: np.ndarray | None = None) -> None:
        """Put arm and scene at rest into the initial state, or other positions (Da+Ds,), and seed the noise."""
        if positions is None:
            positions = self.scene.initial_positions
        else:  # as they were measured: quaternions with noise in them
            positions = np.array(positions, dtype=float)
            mujoco.mj_normalizeQuat(self.scene.model, positions)
        mujoco.mj_resetData(self.scene.model, self.data)
        self.data.qpos[:] = positions
        self.data.ctrl[:] = np.clip(
            positions[: self.scene.joint_count], self.scene.position_lower, self.scene.position_upper
        )
        mujoco.mj_forward(self.scene.model, self.data)
        self._generator = np.random.default_rng(seed)

    def command(self, joint_positions: np.ndarray) -> None:
        """Give the arm's position servos their set-point (Da,) [rad, m]; it holds until the next one.

        Raises:
            CommandError: wrong size or not finite. The old set-point stays.
        """
        joint_positions = np.asarray(joint_positions, dtype=float)
        if joint_positions.shape != (self.scene.joint_count,):
            raise CommandError(
                f"joint command has shape {joint_positions.shape}, expected ({self.scene.joint_count},): "
                f"{', '.join(self.scene.joint_names)}."
            )
        if not np.isfinite(joint_positions).all():
            bad = self.scene.joint_names[int(np.argmin(np.isfinite(joint_positions)))]
            raise CommandError(f"joint command for {bad} is not finite. Send finite positions.")
        self.command_checked(
            np.minimum(np.maximum(joint_positions, self.scene.position_lower), self.scene.position_upper)
        )

    def command_checked(self, joint_positions: np.ndarray) -> None:
        """The same for a set-point that is known to be finite and within the limits."""
        self._ctrl[:] = joint_positions

    def advance(self, physics_steps: int) -> None:
        """Let time pass: so many physics steps."""
        mujoco.mj_step(self.scene.model, self.data, nstep=physics_steps)

    def measure(self) -> Measurement:
        """Read the sensors. Each call draws new noise, in the order of FrankaKitchen-v1."""
        n = self.scene.joint_count
        noise = self._generator.uniform(-1.0, 1.0, self._noise.size)
        noise *= self._noise
        velocities = self._joint_velocities + noise[n : 2 * n]
        scene = self._scene_positions + noise[2 * n : 2 * n + self._scene_positions.size]
        if self.scene.velocity_names:
            scene = np.concatenate((scene, velocities))
        return Measurement(self._joint_positions + noise[:n], velocities, scene)

    def true_positions(self) -> np.ndarray:
        """Positions of robot and scene (Da+Ds,) without noise, for judging what is done."""
        return self._positions

    def save(self) -> SimulationState:
        """The full state: continuing from it gives the same numbers to the last bit."""
        signature = int(mujoco.mjtState.mjSTATE_INTEGRATION)
        physics = np.empty(mujoco.mj_stateSize(self.scene.model, signature))
        mujoco.mj_getState(self.scene.model, self.data, physics, signature)
        return SimulationState(physics, self._generator.bit_generator.state)

    def restore(self, state: SimulationState) -> None:
        """Go back to a state that `save` returned, of this or of another simulation of the same scene."""
        mujoco.mj_setState(self.scene.model, self.data, state.physics, int(mujoco.mjtState.mjSTATE_INTEGRATION))
        mujoco.mj_forward(self.scene.model, self.data)
        # Positions of bodies are up to date now, but the solver's warm start may not be the saved one any more.
        mujoco.mj_setState(self.scene.model, self.data, state.physics, int(mujoco.mjtState.mjSTATE_INTEGRATION))
        self._generator.bit_generator.state = state.generator
