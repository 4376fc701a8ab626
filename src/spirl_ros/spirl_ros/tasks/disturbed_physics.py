"""A MuJoCo model whose servos, damping and masses differ, things that begin elsewhere, and an arm that is pushed."""

import copy
from dataclasses import replace

import mujoco
import numpy as np

from spirl_ros.errors import ConfigError
from spirl_ros.tasks.disturbance import DisturbedEpisodes
from spirl_ros.tasks.mujoco_environment import MujocoEnvironment
from spirl_ros.tasks.mujoco_simulation import MujocoSimulation
from spirl_ros.tasks.task import Environment


class DisturbedPhysics:
    """Puts what episodes have of a disturbance into a model and its data, which belong to this robot alone."""

    def __init__(
        self, model: mujoco.MjModel, data: mujoco.MjData, usual_start: np.ndarray, episodes: DisturbedEpisodes
    ) -> None:
        """Keep what is usual.

        Args:
            model: of this robot alone; it is changed.
            data: its state; pushes change it.
            usual_start: positions (Do,) that an episode begins with.
            episodes: what differs.

        Raises:
            ConfigError: the model has no body of a name.
        """
        self.model, self.usual_start = model, usual_start
        self._data, self._episodes = data, episodes
        self._scratch = mujoco.MjData(model)
        self._usual = {
            name: getattr(model, name).copy()
            for name in ("actuator_gainprm", "actuator_biasprm", "dof_damping", "body_mass", "body_inertia")
        }
        self._bodies = {name: _body(model, name) for name in episodes.disturbance.masses}

    def begin(self) -> np.ndarray | None:
        """Make the model that of the episode just drawn; where robot and scene begin (Do,), None for as usual."""
        model, drawn = self.model, self._episodes
        if drawn.disturbance.is_physical:
            for name, values in self._usual.items():
                getattr(model, name)[:] = values
            model.actuator_gainprm[:, 0] *= drawn.gain
            model.actuator_biasprm[:, 1:3] *= drawn.gain
            model.dof_damping *= drawn.damping
            for name, factor in drawn.masses.items():
                model.body_mass[self._bodies[name]] *= factor
                model.body_inertia[self._bodies[name]] *= factor
            mujoco.mj_setConst(model, self._scratch)
        if not drawn.start_shift.any():
            return None
        positions, limits = self.usual_start + drawn.start_shift, drawn.robot.limits
        joints = slice(len(limits.joint_names))
        positions[joints] = np.clip(positions[joints], limits.position_lower, limits.position_upper)
        return positions

    def push(self) -> None:
        """Push the arm if it is time; once before each control step."""
        velocities = self._episodes.push()
        if velocities is not None:
            self._data.qvel[: len(velocities)] += velocities


def own_physics(environment: Environment, episodes: DisturbedEpisodes) -> DisturbedPhysics:
    """Give a simulated robot a model of its own, to be disturbed. Raises ConfigError for one without MuJoCo."""
    if not isinstance(environment, MujocoEnvironment):
        raise ConfigError(
            f"{type(environment).__name__} is no MuJoCo scene, so its masses, servos and start stay as they are. "
            "Choose a disturbance of observations or of actions."
        )
    scene = replace(environment.scene, model=copy.copy(environment.scene.model))
    environment.scene, environment.simulation = scene, MujocoSimulation(scene, environment.noise)
    return DisturbedPhysics(scene.model, environment.simulation.data, scene.initial_positions, episodes)


def _body(model: mujoco.MjModel, name: str) -> int:
    names = [model.body(index).name for index in range(model.nbody)]
    if name not in names:
        known = ", ".join(filter(None, names))
        raise ConfigError(f"a disturbance is about the body {name}, but the scene has {known}.")
    return names.index(name)
