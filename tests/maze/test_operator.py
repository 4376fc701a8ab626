from dataclasses import replace

import numpy as np
import pytest

from spirl_ros.demonstrations.operator_style import DEFAULT_STYLE, MACHINE
from spirl_ros.errors import ObservationError
from spirl_ros.maze.episodes import ANYWHERE, episode_of
from spirl_ros.maze.operator import MazeOperator


def begun(style=MACHINE, seed: int = 1) -> tuple[MazeOperator, np.ndarray]:
    operator = MazeOperator(style)
    operator.start((ANYWHERE,), seed)
    return operator, np.array([*episode_of(ANYWHERE, seed).position, 0.0, 0.0])


def test_it_does_nothing_before_it_is_started() -> None:
    operator = MazeOperator(MACHINE)
    assert operator.current_subtask is None and not operator.intended_action.any()


def test_it_leads_at_a_steady_speed_towards_a_cell_that_is_nearer() -> None:
    operator, state = begun()
    assert operator.current_subtask is None
    action = operator.act(state)
    assert action is not None and operator.current_subtask == ANYWHERE
    assert np.hypot(*action) == pytest.approx(0.8)
    maze = episode_of(ANYWHERE, 1).maze
    ahead = tuple(np.rint(state[:2] + action).astype(int))
    assert maze.distances[ahead] == maze.distances[maze.start] - 1


def test_noise_is_in_what_is_executed_and_not_in_what_is_meant() -> None:
    noisy, state = begun(replace(DEFAULT_STYLE, target_jitter=0.0, action_noise=0.2))
    quiet, _ = begun()
    executed, meant = noisy.act(state), quiet.act(state)
    assert executed is not None and meant is not None
    np.testing.assert_array_equal(noisy.intended_action, meant)
    assert np.abs(executed - meant).max() > 1e-3


def test_state_that_is_not_finite_is_refused_and_nothing_is_drawn() -> None:
    (one, state), (other, _) = begun(DEFAULT_STYLE), begun(DEFAULT_STYLE)
    with pytest.raises(ObservationError, match="expected finite numbers"):
        one.act(np.full(4, np.nan))
    np.testing.assert_array_equal(one.act(state), other.act(state))
