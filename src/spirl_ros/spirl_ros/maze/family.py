"""The maze as a task family: what the engine knows of it."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from spirl_ros.control.observation_fields import STATE, Observation
from spirl_ros.control.velocity_action import MEASURED
from spirl_ros.maze.environment import MazeEnvironment
from spirl_ros.maze.episodes import ANYWHERE, MAZES, target_maze
from spirl_ros.maze.picture import VIEW
from spirl_ros.maze.scene import SPEED_M_S, VELOCITY, maze_scene
from spirl_ros.tasks.mujoco_environment import MujocoEnvironment
from spirl_ros.tasks.mujoco_family import MujocoFamily
from spirl_ros.tasks.mujoco_scene import MujocoScene
from spirl_ros.tasks.task import EpisodeConfig, Operator

if TYPE_CHECKING:
    from spirl_ros.demonstrations.operator_style import OperatorStyle
    from spirl_ros.deployment.bundle import Bundle
    from spirl_ros.rl.evaluation import EvaluationSettings


class MazeFamily(MujocoFamily):
    """A point in mazes, seen from above."""

    name = "maze"
    subtasks = (*MAZES, ANYWHERE)
    tasks: Mapping[str, tuple[str, ...]] = {name: (name,) for name in (*MAZES, ANYWHERE)}
    max_steps = 2000
    chain_length = 1
    velocity_scale = SPEED_M_S
    action_reference = MEASURED
    more_fields = (VELOCITY, VIEW)
    # Where the point is means something in one maze alone, so that is for who learns in it.
    seen_by_prior = (VELOCITY.name, VIEW.name)
    seen_by_policy = (VELOCITY.name, VIEW.name, STATE)
    seen_by_critic = (VIEW.name, STATE)

    def make_scene(self, *, with_visuals: bool = False) -> MujocoScene:
        """The target maze's."""
        return maze_scene(target_maze().layout)

    def environment(self, config: EpisodeConfig = EpisodeConfig()) -> MazeEnvironment:
        """One of its own. Raises ConfigError for an unknown task or count, or no time."""
        return MazeEnvironment(self, config)

    def observe_more(self, environment: MujocoEnvironment) -> Observation:
        """Velocity and picture."""
        assert isinstance(environment, MazeEnvironment)
        return environment.observe_more()

    def done_now(self, positions: np.ndarray) -> set[str]:
        """Nobody can say without the maze: positions in a demonstration may be of any."""
        return set()

    def peer_evaluation(self) -> "Callable[[Bundle, EvaluationSettings], dict[str, Any]]":
        """In gymnasium-robotics' own PointMaze."""
        from spirl_ros.maze.point_maze_evaluation import evaluate_in_point_maze

        return evaluate_in_point_maze

    def operator(self, style: "OperatorStyle") -> Operator:
        """The scripted operator."""
        from spirl_ros.maze.operator import MazeOperator

        return MazeOperator(style)


MAZE = MazeFamily()
