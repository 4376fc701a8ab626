import numpy as np
import pytest

pytest.importorskip("mujoco")

from spirl_ros.demonstrations.operator_style import MACHINE
from spirl_ros.errors import ConfigError
from spirl_ros.maze.environment import GOAL_CELLS
from spirl_ros.maze.episodes import ANYWHERE, episode_of, target_maze, unseen_maze
from spirl_ros.maze.family import MAZE
from spirl_ros.maze.layouts import FREE
from spirl_ros.maze.point_maze import PointMaze
from spirl_ros.tasks.task import EpisodeConfig


def driven(task: str, seed: int):
    """An environment at the end of an episode of the operator, and its states (T+1, 4)."""
    environment, operator = MAZE.environment(EpisodeConfig(task=task)), MAZE.operator(MACHINE)
    states = [environment.reset(seed)]
    operator.start((task,), seed)
    while not environment.has_ended:
        action = operator.act(states[-1])
        assert action is not None
        states.append(environment.step(action).observation)
    return environment, np.array(states)


@pytest.mark.parametrize("task", ["goal", "goal_b", "goal_c", ANYWHERE])
def test_operator_reaches_the_goal_of_every_maze(task: str) -> None:
    for seed in range(3):
        environment, states = driven(task, seed)
        assert environment.progress.is_complete and len(states) < MAZE.max_steps
        assert np.abs(states[:, 2:]).max() < 5.0  # where PointMaze would cut it off
        cells = [tuple(cell) for cell in np.rint(states[:, :2]).astype(int)]
        assert all(environment.maze.layout[cell] == FREE for cell in cells)
        assert environment.maze.distances[cells[-1]] == GOAL_CELLS
        assert environment.maze.distances[cells[-2]] > GOAL_CELLS


def test_episodes_differ_by_seed_and_repeat_to_the_last_bit() -> None:
    (_, first), (_, again), (_, other) = (driven(ANYWHERE, seed) for seed in (5, 5, 6))
    assert first.tobytes() == again.tobytes() and first.tobytes() != other.tobytes()
    assert not np.array_equal(episode_of(ANYWHERE, 5).maze.layout, episode_of(ANYWHERE, 6).maze.layout)
    assert episode_of("goal", 5).maze is episode_of("goal", 6).maze is target_maze()


def test_mazes_of_tasks_have_ways_as_long_as_the_papers() -> None:
    mazes = (target_maze(), unseen_maze(0), unseen_maze(1))
    lengths = [int(maze.distances[maze.start]) for maze in mazes]
    assert lengths[0] == 34 and all(30 <= length <= 40 for length in lengths)
    assert len({maze.layout.tobytes() for maze in mazes}) == 3


def test_saved_moment_is_continued_in_its_own_maze() -> None:
    environment = MAZE.environment(EpisodeConfig(task=ANYWHERE))
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (60, 2))
    environment.reset(3)
    for action in actions[:30]:
        environment.step(action)
    moment = environment.save()
    expected = [environment.step(action).observation for action in actions[30:]]
    environment.reset(4)
    state = environment.restore(moment)
    assert state.tobytes() == moment.measurement.observation().tobytes()
    found = [environment.step(action).observation for action in actions[30:]]
    np.testing.assert_array_equal(found, expected)


def test_observation_is_the_state_with_velocities_and_the_view() -> None:
    environment = MAZE.environment(EpisodeConfig(task="goal"))
    environment.reset(0)
    environment.step(np.array([1.0, 0.0]))
    observation = environment.observe()
    assert MAZE.robot.observation_names == ("x", "y", "x_velocity", "y_velocity")
    np.testing.assert_array_equal(observation["state"][2:], environment.simulation.data.qvel)
    spec = MAZE.robot.observation
    assert {field.name: field.shape for field in spec.fields} == {n: v.shape for n, v in observation.items()}


def test_maze_has_one_goal() -> None:
    with pytest.raises(ConfigError, match="a maze has one goal"):
        MAZE.environment(EpisodeConfig(task="goal,goal_b"))


@pytest.mark.parametrize("task", ["goal", ANYWHERE])
def test_point_moves_as_in_point_maze_under_the_servos_force(task: str) -> None:
    pytest.importorskip("gymnasium_robotics")
    contacts, generator = 0, np.random.default_rng(0)
    for seed in range(3):
        environment = MAZE.environment(EpisodeConfig(task=task))
        state = environment.reset(seed)
        point = PointMaze(environment.maze.layout)
        point.begin(state[:2])
        action = np.zeros(2)
        for _ in range(600):
            action = np.clip(0.9 * action + 0.5 * generator.standard_normal(2), -1.0, 1.0)
            state = environment.step(action).observation
            contacts += environment.simulation.data.ncon > 0
            point.push(environment.simulation.data.actuator_force)
            np.testing.assert_allclose(point.state[:2], state[:2], rtol=0.0, atol=1e-9)
            np.testing.assert_allclose(point.state[2:], state[2:], rtol=0.0, atol=1e-8)
    assert contacts > 10
