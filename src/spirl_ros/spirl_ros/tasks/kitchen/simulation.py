"""The kitchen as a simulated robot sees it: commands go in, noisy measurements come out, time passes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import mujoco
import numpy as np

from spirl_ros.errors import CommandError
from spirl_ros.tasks.kitchen.scene import INITIAL_POSITIONS, KitchenScene


@dataclass(frozen=True)
class MeasurementNoise:
    """Uniform noise on every measurement, as a share of the scene's amplitudes (FrankaKitchen-v1's defaults)."""

    robot_ratio: float = 0.01
    """Share for the arm's joints; D4RL's first version had 0.1."""
    scene_ratio: float = 0.0005
    """Share for the rest of the scene."""


NO_NOISE = MeasurementNoise(0.0, 0.0)


class Measurement(NamedTuple):
    """What the sensors report at one moment, noise included."""

    joint_positions: np.ndarray
    """(9,) [rad, m]."""
    joint_velocities: np.ndarray
    """(9,) [rad/s, m/s]."""
    scene_positions: np.ndarray
    """(21,) [rad, m, 1]."""

    def observation(self) -> np.ndarray:
        """The flat observation (30,): joint positions, then scene positions. D4RL's layout without its constant goal."""
        return np.concatenate((self.joint_positions, self.scene_positions))


@dataclass(frozen=True)
class SimulationState:
    """Everything that decides what a simulation does next."""

    physics: np.ndarray
    generator: Mapping[str, Any]


class KitchenSimulation:
    """Physics and sensors of one kitchen. No task, no episode, no clock of its own.

    Not thread-safe; physics releases the interpreter lock, so several simulations run side by side in threads.
    """

    def __init__(self, scene: KitchenScene, noise: MeasurementNoise = MeasurementNoise()) -> None:
        """Start at the initial state with seed 0."""
        self.scene = scene
        self.data = mujoco.MjData(scene.model)
        # Views into the simulation's memory: asking `data` for them costs more than what is done with them.
        n = scene.joint_count
        self._joint_positions, self._scene_positions = self.data.qpos[:n], self.data.qpos[n:]
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

    def reset(self, seed: int, positions: np.ndarray = INITIAL_POSITIONS) -> None:
        """Put arm and scene at rest into the initial state, or at other positions (30,), and seed the measurement noise."""
        mujoco.mj_resetData(self.scene.model, self.data)
        self.data.qpos[:] = positions
        self.data.ctrl[:] = np.clip(
            positions[: self.scene.joint_count], self.scene.position_lower, self.scene.position_upper
        )
        mujoco.mj_forward(self.scene.model, self.data)
        self._generator = np.random.default_rng(seed)

    def command(self, joint_positions: np.ndarray) -> None:
        """Give the arm's position servos their set-point (9,) [rad, m]; it holds until the next one.

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
        """Let time pass: `physics_steps` steps of the model's 2 ms."""
        mujoco.mj_step(self.scene.model, self.data, nstep=physics_steps)

    def measure(self) -> Measurement:
        """Read the sensors. Each call draws new noise, in the order of FrankaKitchen-v1."""
        n = self.scene.joint_count
        noise = self._generator.uniform(-1.0, 1.0, self._noise.size)
        noise *= self._noise
        return Measurement(
            joint_positions=self._joint_positions + noise[:n],
            joint_velocities=self._joint_velocities + noise[n : 2 * n],
            scene_positions=self._scene_positions + noise[2 * n : 2 * n + self._scene_positions.size],
        )

    def true_scene_positions(self) -> np.ndarray:
        """Scene positions (21,) without noise, for judging what is done."""
        return self._scene_positions

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
