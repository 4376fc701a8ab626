"""Which maze an episode has, and where it begins and leads: of the task and the seed alone."""

import functools
from typing import NamedTuple

import numpy as np

from spirl_ros.maze.layouts import FREE, TARGET, distances, parse_layout, random_layout

ANYWHERE = "anywhere"
"""The task of demonstrations: a new random maze of 20 x 20 cells, a start and a goal in each episode."""
_START_NOISE_M = 0.1
"""Half-width of where an episode begins about the middle of its cell."""
_DEMONSTRATED_CELLS = 20
_SHORTEST_WAY = 8
"""Cells from start to goal in demonstrations, at least."""
_UNSEEN_CELLS = 40


class Maze(NamedTuple):
    """A layout with its task."""

    layout: np.ndarray
    """(X, Y) of WALL and FREE."""
    start: tuple[int, int]
    goal: tuple[int, int]
    distances: np.ndarray
    """Cells on the way to the goal (X, Y); -1 where there is none."""


class MazeEpisode(NamedTuple):
    """What one episode has."""

    maze: Maze
    position: np.ndarray
    """Where the point begins (2,) [m], at rest."""


@functools.cache
def target_maze() -> Maze:
    """That of the paper: 34 cells from the start to the goal."""
    return _maze(parse_layout(TARGET), (10, 24), (18, 8))


@functools.cache
def unseen_maze(number: int) -> Maze:
    """Another one of that size and of a way as long, never in a demonstration."""
    generator = np.random.default_rng((271828, number))
    while True:
        found = _random_maze(_UNSEEN_CELLS, generator, 30)
        if found.distances[found.start] <= 40:
            return found


MAZES = {"goal": target_maze, "goal_b": lambda: unseen_maze(0), "goal_c": lambda: unseen_maze(1)}
"""Tasks in one maze each."""


def episode_of(task: str, seed: int) -> MazeEpisode:
    """The episode of a seed."""
    generator = np.random.default_rng((314159, seed))
    maze = MAZES[task]() if task in MAZES else _random_maze(_DEMONSTRATED_CELLS, generator, _SHORTEST_WAY)
    return MazeEpisode(maze, maze.start + generator.uniform(-_START_NOISE_M, _START_NOISE_M, 2))


def _random_maze(size: int, generator: np.random.Generator, shortest_way: int) -> Maze:
    while True:
        layout = random_layout(size, generator)
        free = np.argwhere(layout == FREE)
        start, goal = ((int(free[index, 0]), int(free[index, 1])) for index in generator.integers(len(free), size=2))
        maze = _maze(layout, start, goal)
        if maze.distances[start] >= shortest_way:
            return maze


def _maze(layout: np.ndarray, start: tuple[int, int], goal: tuple[int, int]) -> Maze:
    return Maze(layout, start, goal, distances(layout, goal))
