"""A scripted operator: one of the shortest ways from cell to cell, at a steady speed.

Thrusting and braking in every cell, as a controller from waypoint to waypoint does, has a phase that no picture shows:
latents would be spent on it, and the prior could not know them. A steady speed leaves what the walls decide.
"""

from collections.abc import Sequence

import numpy as np

from spirl_ros.demonstrations.operator_style import OperatorStyle
from spirl_ros.errors import ObservationError
from spirl_ros.maze.episodes import episode_of
from spirl_ros.maze.layouts import FREE, ways_nearer

_CRUISE = 0.8
"""Speed, as a share of an action's range."""
_NEAR_M = 0.6
"""A waypoint counts as passed so near to it."""
_SLOW_M = 0.3
"""Nearer than this to a waypoint the point slows down, to stop on it."""
_STRAIGHT = 0.97
"""Chance to keep the direction where another way is as short."""


class MazeOperator:
    """Leads the point to the goal. It knows the maze of an episode from its task and seed."""

    def __init__(self, style: OperatorStyle) -> None:
        """Vary as a style says; its jitter moves waypoints."""
        self._style = style
        self._task: str | None = None
        self._has_begun = False
        self._intended = np.zeros(2)

    @property
    def current_subtask(self) -> str | None:
        """The goal's name, from the first action to the last."""
        return self._task if self._has_begun else None

    @property
    def intended_action(self) -> np.ndarray:
        """The latest action (2,) before noise."""
        return self._intended

    def start(self, subtasks: Sequence[str], seed: int) -> None:
        """Begin the episode of a seed."""
        (self._task,) = subtasks
        self._maze = episode_of(self._task, seed).maze
        self._generator = np.random.default_rng((161803, seed))
        self._has_begun = False
        self._intended = np.zeros(2)
        self._waypoint: np.ndarray | None = None
        self._cell = self._last = self._maze.start

    def act(self, observation: np.ndarray) -> np.ndarray | None:
        """The velocity (2,) in [-1, 1] for a state (Do,); it goes on at the goal until the episode ends."""
        if not np.isfinite(observation).all():
            raise ObservationError(f"the state is {observation}, expected finite numbers.")
        self._has_begun = True
        here = tuple(np.rint(observation[:2]).astype(int).tolist())
        left = here not in (self._cell, self._last)
        if self._waypoint is None or left or np.hypot(*(self._waypoint - observation[:2])) < _NEAR_M:
            self._choose(here)
        assert self._waypoint is not None
        way = self._waypoint - observation[:2]
        self._intended = _CRUISE * way / max(float(np.hypot(*way)), _SLOW_M)
        noise = self._style.action_noise * self._generator.standard_normal(2)
        return np.clip(self._intended + noise, -1.0, 1.0)

    def _choose(self, here: tuple[int, int]) -> None:
        maze = self._maze
        if maze.layout[here] != FREE:
            here = self._cell
        ways = ways_nearer(maze.distances, here) or [here]
        straight = (2 * here[0] - self._last[0], 2 * here[1] - self._last[1])
        if straight not in ways or self._generator.random() >= _STRAIGHT:
            straight = ways[int(self._generator.integers(len(ways)))]
        self._last, self._cell = here, straight
        jitter = 0.02 * self._style.target_jitter
        self._waypoint = np.asarray(straight) + self._generator.uniform(-jitter, jitter, 2)
