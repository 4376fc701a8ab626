from dataclasses import replace

import numpy as np
import pytest

from spirl_ros.control.observation_fields import Field
from spirl_ros.demonstrations.dataset import Dataset, dataset_digest
from spirl_ros.errors import DatasetError
from tests.demonstrations.small_dataset import FRONT, METADATA, SEEING, make_dataset, make_episode


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


def test_digest_without_fields_is_that_of_older_versions():
    """Numbers alone, whatever the generator of random numbers: written down before there were fields."""
    steps = np.arange(4.0)[:, None]
    episode = make_episode(
        3,
        observations=np.hstack([steps, 2.0 * steps, -steps]),
        actions=steps[1:, [0, 0]] / 4.0,
        executed_actions=steps[1:, [0, 0]] / 8.0,
        rewards=np.array([0.0, 1.0, 0.0]),
    )
    assert dataset_digest([episode]) == "f69fa145c17a23f0b90971f8521fd9de5cb3a542a2c97b951a84e1c035b25175"


def test_digest_depends_on_fields_their_names_and_types():
    episode = make_episode(3, metadata=SEEING)
    assert dataset_digest([episode.without_fields()]) == dataset_digest([make_episode(3)])
    one_pixel = episode.fields["front"].copy()
    one_pixel[3, 1, 2, 0] ^= 1
    renamed = replace(FRONT, name="side")
    others = [
        episode.without_fields(),
        replace(episode, fields={**episode.fields, "front": one_pixel}),
        replace(
            episode,
            fields={"side": episode.fields["front"], "force": episode.fields["force"]},
            metadata=replace(SEEING, more_fields=(renamed, SEEING.more_fields[1])),
        ),
    ]
    assert len({dataset_digest([one]) for one in (episode, *others)}) == 4


def test_pictures_are_kept_in_their_type_and_cannot_be_changed():
    pictures = np.zeros((4, 4, 6, 3), dtype=np.uint8)
    episode = make_episode(3, metadata=SEEING, fields={"force": np.ones((4, 2), np.float32), "front": pictures})
    pictures[:] = 5
    assert list(episode.fields) == ["front", "force"]
    assert (episode.fields["front"] == 0).all()
    assert [values.dtype for values in episode.fields.values()] == [np.uint8, np.float32]
    with pytest.raises(ValueError):
        episode.fields["front"][0] = 1


def test_pictures_that_nobody_can_change_are_kept_without_a_copy():
    pictures = np.zeros((4, 4, 6, 3), dtype=np.uint8)
    pictures.flags.writeable = False
    episode = make_episode(3, metadata=replace(METADATA, more_fields=(FRONT,)), fields={"front": pictures})
    assert episode.fields["front"] is pictures


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"front": np.zeros((3, 4, 6, 3), np.uint8)}, r"front is \(3, 4, 6, 3\) of uint8, expected \(4, 4, 6, 3\)"),
        ({"front": np.zeros((4, 3, 4, 6), np.uint8)}, r"front is \(4, 3, 4, 6\) of uint8, expected \(4, 4, 6, 3\)"),
        ({"front": np.zeros((4, 4, 6, 3))}, "front is .* of float64, expected .* of uint8 for 3 actions"),
        ({"force": np.zeros((4, 2), np.float64)}, "force is .* of float64, expected .* of float32"),
        ({"force": np.array([[0, 0]] * 3 + [[0, np.nan]], np.float32)}, r"force is nan at \(3, 1\), expected finite"),
        ({"side": np.zeros((4, 4, 6, 3), np.uint8)}, "fields are front, force, side, expected front, force"),
    ],
)
def test_field_of_another_size_type_or_name_is_refused(changed, message):
    fields = make_episode(3, metadata=SEEING).fields
    with pytest.raises(DatasetError, match=message):
        make_episode(3, metadata=SEEING, fields={**fields, **changed})


def test_missing_or_doubled_field_is_refused():
    with pytest.raises(DatasetError, match="fields are none, expected front, force"):
        make_episode(3, metadata=SEEING, fields={})
    with pytest.raises(DatasetError, match="more_fields are front, front, expected each once"):
        replace(METADATA, more_fields=(FRONT, FRONT))
    with pytest.raises(DatasetError, match="none named state"):
        replace(METADATA, more_fields=(Field("state", (1,), names=("a",), units=("1",)),))


def test_episodes_that_see_and_those_that_do_not_do_not_mix():
    with pytest.raises(DatasetError, match="more_fields of episode 1 is"):
        Dataset((make_episode(3), make_episode(3, metadata=SEEING)), "kitchen")
