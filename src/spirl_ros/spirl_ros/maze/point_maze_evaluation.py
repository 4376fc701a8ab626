"""A bundle's graphs in gymnasium-robotics' own PointMaze: ours are the layout and the picture alone."""

import time
from typing import Any

import numpy as np

from spirl_ros.control.observation_fields import STATE
from spirl_ros.deployment.bundle import Bundle
from spirl_ros.errors import ConfigError
from spirl_ros.maze.environment import GOAL_CELLS
from spirl_ros.maze.episodes import episode_of
from spirl_ros.maze.family import MAZE
from spirl_ros.maze.picture import VIEW, draw, padded
from spirl_ros.maze.point_maze import POINT_MAZE, PointMaze
from spirl_ros.maze.scene import SPEED_M_S, VELOCITY
from spirl_ros.rl.evaluation import FIRST_SEED, EvaluationSettings, evaluation_figures
from spirl_ros.tasks.disturbance import NO_DISTURBANCE


def evaluate_in_point_maze(bundle: Bundle, settings: EvaluationSettings) -> dict[str, Any]:
    """Run episodes of a policy without our simulation, executor and safety filter; figures as of `evaluate_bundle`.

    Raises:
        ConfigError: the bundle has no policy, or observes something else; or a disturbance is asked for.
    """
    about, policy = bundle.description, bundle.policy
    if policy is None:
        raise ConfigError(f"{bundle.folder} holds skills alone, expected a policy. Export one: spirl export --policy.")
    if about.state.names != MAZE.robot.observation_names:
        raise ConfigError(f"{bundle.folder} does not observe what {POINT_MAZE} gives.")
    if settings.disturbance != NO_DISTURBANCE:
        raise ConfigError(f"{POINT_MAZE} runs undisturbed episodes alone. Leave --disturb out.")
    (target,) = about.target_subtasks
    mazes: dict[bytes, PointMaze] = {}
    reached, steps = [], 0
    began = time.perf_counter()
    for index in range(settings.episodes):
        generator = np.random.default_rng((settings.seed, index))
        maze, start = episode_of(target, FIRST_SEED + settings.seed + index)
        surroundings, key = padded(maze.layout), maze.layout.tobytes()
        point = mazes[key] = mazes.get(key) or PointMaze(maze.layout)
        point.begin(start)
        latent, is_there = np.empty(0), False
        for step in range(MAZE.max_steps):
            state = point.state
            if step % about.skill_horizon == 0:
                seen = {STATE: state, VELOCITY.name: state[2:], VIEW.name: draw(surroundings, state[:2])}
                latent = policy.sample(seen, generator) if settings.is_sampled else policy.distribution(seen).latent
            action = bundle.decoder.decode(state, latent, step % about.skill_horizon)
            point.go(np.clip(action, -1.0, 1.0) * SPEED_M_S)
            steps += 1
            cell = tuple(np.rint(point.state[:2]).astype(int))
            is_there = 0 <= maze.distances[cell] <= GOAL_CELLS
            if is_there:
                break
        reached.append(int(is_there))
    seconds = time.perf_counter() - began
    completed = [about.target_subtasks[:count] for count in reached]
    return evaluation_figures(about.target_subtasks, reached, completed, steps / seconds, settings.is_sampled)
