"""Demonstrations as transitions: rewards by progress, worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spirl_ros.errors import DatasetError
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.scene import INITIAL_POSITIONS, load_kitchen_scene
from spirl_ros.rl.demonstration_replay import demonstration_replay, relabel, target_done
from spirl_ros.skills.config import SkillModelConfig
from spirl_ros.skills.skill_model import SkillModel
from tests.demonstrations.small_dataset import METADATA, make_episode

TARGETS = ("microwave", "light_switch")


def test_a_window_counts_for_every_progress_whose_turn_it_is():
    # Target 1 becomes done in the window, 0 and 2 do not.
    done = np.array([[0, 0, 0], [0, 1, 0], [0, 1, 0]], dtype=bool)
    assert [tuple(window) for window in relabel(done)] == [
        (0, 0.0, 0, False),  # it is not the turn of target 1
        (1, 1.0, 2, False),
        (2, 0.0, 2, False),
    ]


def test_several_subtasks_in_one_window_count_in_order():
    done = np.array([[0, 0], [1, 0], [1, 1]], dtype=bool)
    assert [tuple(window) for window in relabel(done)] == [(0, 2.0, 2, True), (1, 1.0, 2, True)]


def test_what_was_done_early_counts_when_its_turn_comes():
    # Target 1 is done from the beginning, so progress 1 is impossible here; from 0 both count at once.
    done = np.array([[0, 1], [1, 1]], dtype=bool)
    assert [tuple(window) for window in relabel(done)] == [(0, 2.0, 2, True)]


def test_the_last_subtask_ends_the_task():
    done = np.array([[1, 0], [1, 1]], dtype=bool)
    assert [tuple(window) for window in relabel(done)] == [(1, 1.0, 2, True)]


def kitchen_episode(steps: int = 20, microwave_open_from: int = 12):
    """An arm that wobbles while the microwave opens by itself."""
    scene = load_kitchen_scene()
    names = scene.joint_names + scene.scene_names
    metadata = replace(
        METADATA, observation_names=names, joint_names=scene.joint_names, joint_units=("rad",) * 7 + ("m",) * 2
    )
    observations = np.tile(INITIAL_POSITIONS, (steps + 1, 1))
    observations[:, 0] = np.arange(steps + 1)  # tells which step it is
    observations[microwave_open_from:, names.index("microwave")] = -0.75
    return make_episode(steps, metadata=metadata, observations=observations)


def test_done_subtasks_are_read_from_the_observations():
    done = target_done(KITCHEN, kitchen_episode(), TARGETS)
    assert done.shape == (21, 2)
    assert done[:, 0].tolist() == [False] * 12 + [True] * 9
    assert not done[:, 1].any()


@pytest.mark.parametrize("horizon", [1, 4])
def test_transitions_of_a_demonstration(horizon):
    torch.manual_seed(0)
    config = SkillModelConfig(skill_horizon=horizon, latent_size=3, encoder_hidden=8, prior_hidden=8, decoder_hidden=8)
    model = None if horizon == 1 else SkillModel(config, 30, 9).eval()
    episode = kitchen_episode()
    replay = demonstration_replay(KITCHEN, [episode], TARGETS, model, 0.5, stride=3, seed=0)
    drawn = replay.draw(1000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.next_observation["state"][:, 0] - drawn.observation["state"][:, 0], horizon)
    assert (drawn.steps == horizon).all()
    is_opening = (
        (drawn.observation["state"][:, 0] < 12) & (drawn.next_observation["state"][:, 0] >= 12) & (drawn.progress == 0)
    )
    np.testing.assert_array_equal(drawn.reward, is_opening)
    assert is_opening.any()
    assert drawn.next_observation["state"][:, 0].max() == 20  # the last window ends with the episode
    assert np.abs(drawn.latent).max() <= 0.5
    if model is None:
        steps = drawn.observation["state"][:, 0].astype(int)
        np.testing.assert_allclose(drawn.latent, np.clip(episode.actions[steps], -0.4995, 0.4995), atol=1e-5)


def test_a_demonstration_as_long_as_a_skill_is_one_window():
    """Left out, as a shorter one is, it passed all tests."""
    config = SkillModelConfig(skill_horizon=4, latent_size=3, encoder_hidden=8, prior_hidden=8, decoder_hidden=8)
    model = SkillModel(config, 30, 9).eval()
    episode = kitchen_episode(steps=4, microwave_open_from=2)
    # From progress 0 the microwave counts; from 1 it is the light switch's turn, which stays off.
    assert len(demonstration_replay(KITCHEN, [episode], TARGETS, model, 0.5, stride=3, seed=0)) == 2


def test_demonstrations_shorter_than_a_skill_are_refused():
    model = SkillModel(SkillModelConfig(skill_horizon=30), 30, 9).eval()
    with pytest.raises(DatasetError, match="no demonstration has a window of 30"):
        demonstration_replay(KITCHEN, [kitchen_episode()], TARGETS, model, 3.0, stride=5, seed=0)
