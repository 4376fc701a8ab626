"""Episodes in mazes: each has the layout, start and goal of its task and seed."""

from typing import TYPE_CHECKING

import numpy as np

from spirl_ros.control.observation_fields import Observation
from spirl_ros.errors import ConfigError
from spirl_ros.maze.episodes import Maze, episode_of
from spirl_ros.maze.picture import VIEW, draw, padded
from spirl_ros.maze.scene import VELOCITY, maze_scene
from spirl_ros.tasks.mujoco_environment import EnvironmentState, MujocoEnvironment
from spirl_ros.tasks.mujoco_simulation import MujocoSimulation
from spirl_ros.tasks.task import EpisodeConfig

if TYPE_CHECKING:
    from spirl_ros.maze.family import MazeFamily

GOAL_CELLS = 2
"""The goal is reached this many cells of way from it. (The paper's reward is 1 within 2 m, also through a wall.)"""


class MazeEnvironment(MujocoEnvironment):
    """Episodes of one task in its maze, or each in a random one."""

    maze: Maze

    def __init__(self, family: "MazeFamily", config: EpisodeConfig = EpisodeConfig()) -> None:
        """Prepare the first episode with seed 0. Raises ConfigError as a MujocoEnvironment does."""
        if len(goals := family.task(config.task).goals) > 1:
            raise ConfigError(f"task is '{config.task}', but a maze has one goal. Choose one of {', '.join(goals)}.")
        super().__init__(family, config)

    def reset(self, seed: int, positions: np.ndarray | None = None) -> np.ndarray:
        """Begin the episode of a seed, at its start or at rest at positions (2,) or (Do,); returns the state (Do,)."""
        episode = episode_of(self.targets[0], seed)
        self._enter(episode.maze)
        return super().reset(seed, episode.position if positions is None else positions[:2])

    def observe_more(self) -> Observation:
        """The fields beside the state, as they are now."""
        picture = draw(self._padded, self.measurement.joint_positions)
        return {VELOCITY.name: self.measurement.scene_positions, VIEW.name: picture}

    def done_now(self) -> set[str]:
        """Whether the goal is reached."""
        cell = tuple(np.rint(self.simulation.true_positions()).astype(int))
        return {self.targets[0]} if 0 <= self.maze.distances[cell] <= GOAL_CELLS else set()

    def restore(self, state: EnvironmentState) -> np.ndarray:
        """Go back to a saved moment and return the state (Do,) of it."""
        self._enter(episode_of(self.targets[0], state.seed).maze)
        return super().restore(state)

    def _enter(self, maze: Maze) -> None:
        """Be in a maze; its model is compiled where it is another one than before."""
        is_other = not hasattr(self, "maze") or not np.array_equal(maze.layout, self.maze.layout)
        self.maze = maze
        if is_other:
            self._padded = padded(maze.layout)
            self.scene = maze_scene(maze.layout)
            self.simulation = MujocoSimulation(self.scene, self.noise)
