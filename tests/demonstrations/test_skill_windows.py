import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.demonstrations.skill_windows import SkillWindows, split_episodes
from spirl_ros.errors import ConfigError, DatasetError
from tests.demonstrations.small_dataset import SEEING, make_episode


def numbered_episode(number: int, steps: int):
    """Observation t is (number, t, 0); action t is (number, t)."""
    t = np.arange(steps + 1.0)
    observations = np.stack([np.full(steps + 1, float(number)), t, np.zeros(steps + 1)], axis=1)
    return make_episode(steps, seed=number, observations=observations, actions=observations[:-1, :2])


def test_window_never_crosses_episode_end():
    windows = SkillWindows([numbered_episode(n, steps) for n, steps in enumerate((4, 9, 3, 5))], horizon=4)
    observations, actions, fields = windows.draw(5000, np.random.default_rng(0))
    assert fields == {}
    assert observations.shape == (5000, 5, 3)
    assert actions.shape == (5000, 4, 2)
    assert (observations[:, :, 0] == observations[:, :1, 0]).all()
    assert (np.diff(observations[:, :, 1], axis=1) == 1.0).all()
    np.testing.assert_array_equal(actions, observations[:, :-1, :2])


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    horizon=st.integers(1, 12),
    batch_size=st.integers(1, 20),
    seed=st.integers(0, 2**32),
)
def test_any_window_is_a_piece_of_one_episode(lengths: list[int], horizon: int, batch_size: int, seed: int) -> None:
    episodes = [numbered_episode(number, steps) for number, steps in enumerate(lengths)]
    if max(lengths) < horizon:
        with pytest.raises(DatasetError, match="Lower the horizon"):
            SkillWindows(episodes, horizon)
        return
    windows = SkillWindows(episodes, horizon, dtype=np.float64)
    pieces = {
        (
            episode.observations[begin : begin + horizon + 1].tobytes(),
            episode.actions[begin : begin + horizon].tobytes(),
        )
        for episode in episodes
        for begin in range(episode.steps - horizon + 1)
    }
    drawn = windows.draw(batch_size, np.random.default_rng(seed))
    assert drawn.observations.shape[:2] == (batch_size, horizon + 1) and drawn.actions.shape[:2] == (
        batch_size,
        horizon,
    )
    for window in zip(drawn.observations, drawn.actions, strict=True):
        assert tuple(np.ascontiguousarray(part).tobytes() for part in window) in pieces
    whole = [part for batch in windows.all(3) for part in zip(batch.observations, batch.actions, strict=True)]
    assert len(whole) == windows.count == sum(max(0, steps - horizon + 1) for steps in lengths)


def test_every_window_is_drawn_and_episodes_too_short_are_not():
    windows = SkillWindows([numbered_episode(n, steps) for n, steps in enumerate((4, 9, 3, 5))], horizon=4)
    # Lengths 4, 9, 5 with horizon 4 have 1, 6 and 2 starts.
    assert windows.count == 9
    starts = {tuple(first) for first in windows.draw(2000, np.random.default_rng(1)).actions[:, 0]}
    assert starts == {(0, 0), *((1, t) for t in range(6)), (3, 0), (3, 1)}
    every = [tuple(first) for batch in windows.all(batch_size=4) for first in batch.actions[:, 0]]
    assert sorted(every) == sorted(starts)


def test_episodes_are_drawn_uniformly_whatever_their_length():
    windows = SkillWindows([numbered_episode(0, 4), numbered_episode(1, 200)], horizon=4)
    drawn = windows.draw(10_000, np.random.default_rng(2)).actions[:, 0, 0]
    assert drawn.mean() == pytest.approx(0.5, abs=0.02)


def test_horizon_longer_than_every_episode_is_refused():
    with pytest.raises(DatasetError, match="no episode has 10 control steps, the longest has 9"):
        SkillWindows([numbered_episode(0, 9)], horizon=10)
    with pytest.raises(ConfigError):
        SkillWindows([numbered_episode(0, 9)], horizon=0)


def test_split_keeps_every_episode_once_and_whole():
    episodes = [numbered_episode(n, 3) for n in range(10)]
    train, validation = split_episodes(episodes, 0.2, np.random.default_rng(0))
    assert (len(train), len(validation)) == (8, 2)
    assert {id(one) for one in train + validation} == {id(one) for one in episodes}
    again, _ = split_episodes(episodes, 0.2, np.random.default_rng(0))
    assert [id(one) for one in again] == [id(one) for one in train]


def test_split_that_is_impossible_is_refused():
    with pytest.raises(ConfigError, match="validation_share is 1.0"):
        split_episodes([numbered_episode(0, 3)] * 3, 1.0, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="at least 2"):
        split_episodes([numbered_episode(0, 3)], 0.1, np.random.default_rng(0))


def test_a_hundred_thousand_windows_take_less_than_a_second():
    windows = SkillWindows([make_episode(200, seed) for seed in range(20)], horizon=10)
    generator = np.random.default_rng(0)
    began_s = time.process_time()
    for _ in range(400):
        windows.draw(256, generator)
    assert time.process_time() - began_s < 1.0


def seeing_episode(number: int, steps: int):
    """As `numbered_episode`; picture t has the value 16 * number + t everywhere, force t is (number, t)."""
    plain = numbered_episode(number, steps)
    pictures = np.broadcast_to((16 * number + np.arange(steps + 1))[:, None, None, None], (steps + 1, 4, 6, 3))
    fields = {"front": pictures.astype(np.uint8), "force": plain.observations[:, :2].astype(np.float32)}
    return make_episode(
        steps, seed=number, metadata=SEEING, observations=plain.observations, actions=plain.actions, fields=fields
    )


def test_fields_are_those_of_the_first_step_and_leave_what_is_drawn_as_it_was():
    lengths = (4, 9, 3, 5)  # the third is too short
    plain = SkillWindows([numbered_episode(n, steps) for n, steps in enumerate(lengths)], horizon=4)
    seeing = SkillWindows([seeing_episode(n, steps) for n, steps in enumerate(lengths)], horizon=4)
    first, second = np.random.default_rng(3), np.random.default_rng(3)
    for _ in range(3):
        expected, found = plain.draw(100, first), seeing.draw(100, second)
        np.testing.assert_array_equal(found.observations, expected.observations)
        np.testing.assert_array_equal(found.actions, expected.actions)
        number, step = found.observations[:, 0, 0], found.observations[:, 0, 1]
        pictures, forces = found.fields["front"], found.fields["force"]
        assert (pictures.shape, pictures.dtype) == ((100, 4, 6, 3), np.uint8)
        assert (forces.shape, forces.dtype) == ((100, 2), np.float32)
        np.testing.assert_array_equal(
            pictures, np.broadcast_to((16 * number + step)[:, None, None, None], (100, 4, 6, 3))
        )
        np.testing.assert_array_equal(forces, np.stack([number, step], axis=1))
    whole = np.concatenate([batch.fields["front"][:, 0, 0, 0] for batch in seeing.all(batch_size=4)])
    assert whole.tolist() == [0, *range(16, 22), 48, 49]


def test_pictures_are_not_copied():
    """30 MB of pictures of two episodes; the windows keep none of their own."""
    big = replace(SEEING, more_fields=(Field("front", (100, 100, 3), PICTURE, source="front_camera"),))
    episodes = [make_episode(500, seed, big) for seed in range(2)]
    tracemalloc.start()
    windows = SkillWindows(episodes, horizon=10)
    drawn = windows.draw(1, np.random.default_rng(0))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert drawn.fields["front"].shape == (1, 100, 100, 3)
    assert kept < 1e6


def test_episodes_with_different_fields_are_refused():
    with pytest.raises(DatasetError, match="an episode has the fields none, another one front, force"):
        SkillWindows([seeing_episode(0, 4), numbered_episode(1, 4)], horizon=4)
