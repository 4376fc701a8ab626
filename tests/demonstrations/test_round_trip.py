import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

from spirl_ros.demonstrations.dataset import Dataset, dataset_digest
from spirl_ros.demonstrations.layout import robot_metadata
from spirl_ros.demonstrations.round_trip import rounding, unrounded
from spirl_ros.demonstrations.sources import read_source
from spirl_ros.errors import DatasetError
from spirl_ros.kitchen.d4rl import read_d4rl, write_d4rl
from spirl_ros.kitchen.family import KITCHEN
from tests.demonstrations.small_dataset import FRONT, METADATA, assert_same_episode, make_episode


def test_rounding_counts_the_float64_in_between():
    """1 + 2^-23 is the float32 after 1, and 2^29 steps of float64 away. A third is rounded to a neighbour."""
    values = np.array([1.0, 1.0 + 2.0**-52, 1.0 + 2.0**-23 - 2.0**-52, -1.0 - 2.0**-52])
    left_off = rounding(values)
    assert left_off.tolist() == [0, 1, -1, 1]
    assert left_off.dtype == np.int32


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e30, 1e-40, 1e-300, 1e300])
def test_every_number_comes_back(scale):
    """Beyond float32 too, where only infinity or 0 is left of it."""
    values = scale * np.random.default_rng(0).standard_normal((100, 3))
    values[0] = 0.0, -0.0, scale
    with np.errstate(over="ignore"):
        found = unrounded(values.astype(np.float32), rounding(values))
    assert found.tobytes() == values.tobytes()


@pytest.fixture
def dataset():
    """Of the kitchen: one that ended by itself as success, one that failed, one about which nobody said anything."""
    kitchen = robot_metadata(KITCHEN.robot)
    told = {name: getattr(METADATA, name) for name in ("task", "operator_style", "measurement_noise", "mujoco_version")}
    first = replace(kitchen, operator="Änn", completed_at_step={"kettle": 2}, seed=7, is_success=True, **told)
    second = replace(kitchen, operator="bob", is_success=False)
    stopped = {"terminated": False, "truncated": True}
    episodes = make_episode(5, 0, first), make_episode(3, 1, second, **stopped), make_episode(4, 2, kitchen, **stopped)
    return Dataset(episodes, "kitchen_all", {"imported_from": ["a"], "robot": "panda"})


def assert_same_dataset(found: Dataset, expected: Dataset) -> None:
    assert (found.task, found.origin) == (expected.task, expected.origin)
    assert dataset_digest(found.episodes) == dataset_digest(expected.episodes)
    for one, other in zip(found.episodes, expected.episodes, strict=True):
        assert_same_episode(one, other)


def test_d4rl_file_of_ours_gives_the_same_dataset(tmp_path, dataset):
    """Double precision and what is known of each episode were lost on the way."""
    write_d4rl(tmp_path / "a.hdf5", dataset)
    assert_same_dataset(read_d4rl(tmp_path / "a.hdf5"), dataset)
    assert_same_dataset(read_source(str(tmp_path / "a.hdf5"), "kitchen_all"), dataset)
    with pytest.raises(DatasetError, match="was made for the task 'kitchen_all', not for 'kitchen'"):
        read_source(str(tmp_path / "a.hdf5"), "kitchen")


def test_fields_are_left_out_and_the_rest_comes_back(tmp_path, dataset):
    seeing = [
        replace(
            episode,
            metadata=replace(episode.metadata, more_fields=(FRONT,)),
            fields={"front": np.zeros((episode.steps + 1, *FRONT.shape), np.uint8)},
        )
        for episode in dataset.episodes
    ]
    write_d4rl(tmp_path / "a.hdf5", replace(dataset, episodes=tuple(seeing)))
    assert_same_dataset(read_d4rl(tmp_path / "a.hdf5"), dataset)


def test_d4rl_file_that_was_changed_says_how_to_read_it_all_the_same(tmp_path, dataset):
    path = tmp_path / "a.hdf5"
    write_d4rl(path, dataset)
    with h5py.File(path, "r+") as file:
        file["actions"][3, 2] = 0.5  # pyright: ignore
    with pytest.raises(DatasetError, match=f"{path}: the digest is .*delete its group spirl_metadata"):
        read_d4rl(path)
    with h5py.File(path, "r+") as file:
        del file["spirl_metadata"]
    assert [one.metadata.is_success for one in read_d4rl(path).episodes] == [None] * 3


@pytest.mark.parametrize(
    "record",
    ["{", "[]", json.dumps({"steps": "x"}), json.dumps({"steps": 5, "last_observation": [0.0], "metadata": {}})],
)
def test_damaged_record_is_named(tmp_path, dataset, record):
    path = tmp_path / "a.hdf5"
    write_d4rl(path, dataset)
    with h5py.File(path, "r+") as file:
        values = np.asarray(file["spirl_metadata/episodes"])
        values[0] = record.encode()
        file["spirl_metadata/episodes"][...] = values  # pyright: ignore
    with pytest.raises(DatasetError, match=f"{path}: what was stored with it to bring it back is damaged"):
        read_d4rl(path)
