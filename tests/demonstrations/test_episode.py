import numpy as np
import pytest

from spirl_ros.demonstrations.dataset import Dataset, dataset_digest
from spirl_ros.errors import DatasetError
from tests.demonstrations.small_dataset import METADATA, make_dataset, make_episode


def test_episode_of_three_steps_has_four_observations():
    episode = make_episode(3)
    assert episode.steps == 3
    assert episode.observations.shape == (4, 3)


@pytest.mark.parametrize(
    ("name", "values"),
    [("observations", np.zeros((3, 3))), ("executed_actions", np.zeros((3, 9))), ("rewards", np.zeros(4))],
)
def test_wrong_size_is_refused_with_both_sizes(name, values):
    with pytest.raises(DatasetError, match=f"{name} has shape .* expected"):
        make_episode(3, **{name: values})


def test_nan_is_refused_with_its_place():
    actions = np.zeros((3, 2))
    actions[1, 0] = np.nan
    with pytest.raises(DatasetError, match=r"actions is nan at \(1, 0\)"):
        make_episode(3, actions=actions)


def test_episode_cannot_be_changed_and_keeps_no_array_of_the_caller():
    actions = np.zeros((3, 2))
    episode = make_episode(3, actions=actions)
    actions[:] = 5.0
    assert (episode.actions == 0.0).all()
    with pytest.raises(ValueError):
        episode.actions[0] = 1.0


def test_episode_without_actions_or_with_two_ends_is_refused():
    with pytest.raises(DatasetError, match="no action"):
        make_episode(0)
    with pytest.raises(DatasetError, match="both terminated and truncated"):
        make_episode(2, terminated=True, truncated=True)


@pytest.mark.parametrize(("name", "value"), [("control_rate_hz", 50.0), ("joint_names", ("other", "joint_b"))])
def test_episodes_of_different_robots_or_rates_do_not_mix(name, value):
    from dataclasses import replace

    other = make_episode(3, metadata=replace(METADATA, **{name: value}))
    with pytest.raises(DatasetError, match=f"{name} of episode 1 is .*, but of episode 0"):
        Dataset((make_episode(3), other), "kitchen")


def test_empty_dataset_is_refused():
    with pytest.raises(DatasetError, match="no episodes"):
        Dataset((), "kitchen")


def test_digest_depends_on_numbers_and_order_only():
    one, two = make_dataset().episodes
    assert dataset_digest([one, two]) == dataset_digest(make_dataset().episodes)
    assert dataset_digest([two, one]) != dataset_digest([one, two])
    changed = make_episode(3, executed_actions=one.executed_actions + 1e-15)
    assert dataset_digest([changed, two]) != dataset_digest([one, two])
