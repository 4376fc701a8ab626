"""The ring of transitions."""

import numpy as np
import pytest
import torch

from spirl_ros.errors import TrainingError
from spirl_ros.rl.replay import Replay, to_tensors
from spirl_ros.rl.transition import SkillTransition


def transition(number: int, terminated: bool = False) -> SkillTransition:
    """Every value tells which transition it belongs to."""
    return SkillTransition(
        np.full(2, number),
        number % 3,
        np.full(1, -number),
        float(number),
        np.full(2, number + 0.5),
        1,
        terminated,
        True,
    )


def filled(count: int, capacity: int = 4) -> Replay:
    replay = Replay(capacity, observation_size=2, latent_size=1)
    for number in range(count):
        replay.add(transition(number))
    return replay


def test_the_oldest_is_overwritten_when_full():
    replay = filled(6)
    assert len(replay) == 4
    drawn = replay.draw(200, np.random.default_rng(0))
    assert set(drawn.reward.tolist()) == {2.0, 3.0, 4.0, 5.0}


def test_only_what_was_added_is_drawn():
    drawn = filled(2).draw(100, np.random.default_rng(0))
    assert set(drawn.reward.tolist()) == {0.0, 1.0}


def test_the_values_of_a_transition_stay_together():
    drawn = filled(6).draw(50, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn.observation[:, 0], drawn.reward)
    np.testing.assert_array_equal(drawn.latent[:, 0], -drawn.reward)
    np.testing.assert_array_equal(drawn.next_observation[:, 1], drawn.reward + 0.5)
    np.testing.assert_array_equal(drawn.progress, drawn.reward % 3)
    assert drawn.truncated.all() and not drawn.terminated.any()


@pytest.mark.parametrize("count", [2, 6])
def test_a_restored_buffer_draws_the_same_and_goes_on_at_the_same_place(count):
    original, restored = filled(count), filled(0)
    restored.restore(original.state())
    for replay in (original, restored):
        replay.add(transition(99))
    first, second = (replay.draw(50, np.random.default_rng(1)) for replay in (original, restored))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_buffer_of_other_sizes_is_refused():
    with pytest.raises(TrainingError, match="observation"):
        Replay(4, observation_size=3, latent_size=1).restore(filled(2).state())


def test_batches_become_one_batch_of_tensors_in_order():
    generator = np.random.default_rng(0)
    first, second = filled(1).draw(2, generator), filled(6).draw(3, generator)
    batch = to_tensors(first, second)
    assert batch.observation.shape == (5, 2) and batch.observation.dtype == torch.float32
    assert batch.reward[:2].tolist() == [0.0, 0.0]
    assert batch.reward[2:].tolist() == second.reward.tolist()
    assert batch.terminated.dtype == torch.bool
