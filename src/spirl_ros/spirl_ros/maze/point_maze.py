"""The peer that our maze is compared with: gymnasium-robotics' PointMaze with one of our layouts."""

import contextlib
import io
from typing import Any

import numpy as np

from spirl_ros.errors import SpirlError
from spirl_ros.maze.scene import SERVO_DAMPING, SERVO_FORCE_N

POINT_MAZE = "PointMaze_UMaze-v3"
"""Its smallest one, which takes any layout."""


class PointMaze:
    """A point in a layout, at positions as ours has them, commanded by velocities: the servo is all that is added."""

    def __init__(self, layout: np.ndarray) -> None:
        """Compile a layout (X, Y).

        Raises:
            SpirlError: gymnasium-robotics is not installed.
        """
        try:
            import gymnasium

            with contextlib.redirect_stderr(io.StringIO()):  # it recommends versions
                import gymnasium_robotics
        except ImportError as error:
            raise SpirlError(f"{POINT_MAZE} needs {error.name}. Install it: make setup EXTRAS='sim dev'.") from None
        gymnasium.register_envs(gymnasium_robotics)
        across, along = layout.shape
        rows = [[int(layout[x, along - 1 - row]) for x in range(across)] for row in range(along)]
        made: Any = gymnasium.make(POINT_MAZE, maze_map=rows, max_episode_steps=10**9).unwrapped
        made.reset(seed=0)
        self._point = made.point_env
        self._offset = 0.5 - 0.5 * np.array(layout.shape)

    @property
    def state(self) -> np.ndarray:
        """Position [m] and velocity [m/s], (4,)."""
        return np.concatenate((self._point.data.qpos - self._offset, self._point.data.qvel))

    def begin(self, position: np.ndarray) -> None:
        """Put the point at rest at a position (2,) [m]."""
        self._point.set_state(position + self._offset, np.zeros(2))

    def push(self, force: np.ndarray) -> None:
        """One control step under a force (2,) [N]."""
        self._point.step(force / SERVO_FORCE_N)

    def go(self, velocity: np.ndarray) -> None:
        """One control step under the force of a servo that is to go at a velocity (2,) [m/s]."""
        force = SERVO_DAMPING * (velocity - self._point.data.qvel)
        self.push(np.clip(force, -SERVO_FORCE_N, SERVO_FORCE_N))
