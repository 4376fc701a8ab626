import json
import shutil
import tracemalloc
from dataclasses import replace

import h5py
import numpy as np
import pytest

from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.demonstrations.dataset import dataset_digest
from spirl_ros.demonstrations.storage import DATA_FILE, read_dataset, stored_digest, write_dataset
from spirl_ros.errors import DatasetError
from tests.demonstrations.small_dataset import METADATA, SEEING, assert_same_episode, make_dataset


@pytest.fixture
def folder(tmp_path):
    write_dataset(tmp_path / "small", make_dataset())
    return tmp_path / "small"


def test_what_was_written_is_read_back_exactly(folder):
    expected, found = make_dataset(), read_dataset(folder)
    assert (found.task, found.origin) == (expected.task, expected.origin)
    for one, other in zip(found.episodes, expected.episodes, strict=True):
        assert_same_episode(one, other)
    assert stored_digest(folder) == dataset_digest(expected.episodes)


def test_episode_about_which_little_is_known_is_read_back(tmp_path):
    unknown = replace(
        METADATA, task=(), completed_at_step={}, operator_style=None, measurement_noise={}, mujoco_version=""
    )
    write_dataset(tmp_path / "human", make_dataset(metadata=unknown))
    assert read_dataset(tmp_path / "human").episodes[0].metadata == replace(unknown, seed=0)


@pytest.mark.parametrize("success", [True, False, None])
def test_success_is_kept_where_it_is_known(tmp_path, success):
    """Whether a recording succeeded was lost on the way into a dataset. Where nobody said so, there is no attribute."""
    write_dataset(tmp_path / "a", make_dataset(metadata=replace(METADATA, is_success=success)))
    assert read_dataset(tmp_path / "a").episodes[0].metadata.is_success is success
    with h5py.File(tmp_path / "a" / DATA_FILE) as file:
        assert ("is_success" in file["episode_0"].attrs) == (success is not None)


def test_scale_of_each_joint_is_read_back(tmp_path):
    metadata = replace(METADATA, action_scale=(1.0, 0.05))
    write_dataset(tmp_path / "gripper", make_dataset(metadata=metadata))
    assert read_dataset(tmp_path / "gripper").episodes[0].metadata.action_scale == (1.0, 0.05)
    with pytest.raises(DatasetError, match="action_scale has 3 values, expected one number, or one for each of 2"):
        replace(METADATA, action_scale=(1.0, 0.05, 1.0))


def test_no_text_lies_where_hdf5_has_no_checksum_and_text_of_older_files_is_read(folder, tmp_path):
    """Damage to text of variable length made HDF5 search for ever, in one of a thousand damaged files."""
    expected = read_dataset(folder)
    with h5py.File(folder / DATA_FILE) as file:
        attributes = file["episode_0"].attrs
        assert {attributes.get_id(name).dtype.kind for name in attributes} >= {"S"}
        assert all(attributes.get_id(name).dtype.kind != "O" for name in attributes)
        texts = dict(attributes)
    older = tmp_path / "older"
    shutil.copytree(folder, older)
    with h5py.File(older / DATA_FILE, "r+") as file:
        for name, value in texts.items():
            if isinstance(value, np.ndarray) and value.dtype.kind == "S":
                file["episode_0"].attrs[name] = value.astype(h5py.string_dtype())
            elif isinstance(value, bytes):
                file["episode_0"].attrs[name] = value.decode()
    assert_same_episode(read_dataset(older).episodes[0], expected.episodes[0])


def test_minari_opens_the_folder(folder):
    minari = pytest.importorskip("minari")
    dataset = minari.MinariDataset(folder)
    expected = make_dataset().episodes
    assert dataset.id == "spirl/small-v0"
    assert (dataset.total_episodes, dataset.total_steps) == (2, 8)
    assert (dataset.observation_space.shape, dataset.action_space.shape) == ((3,), (2,))
    for found, episode in zip(dataset.iterate_episodes(), expected, strict=True):
        np.testing.assert_array_equal(found.observations, episode.observations)
        np.testing.assert_array_equal(found.actions, episode.actions)
        np.testing.assert_array_equal(found.infos["executed_actions"], episode.executed_actions)
        np.testing.assert_array_equal(found.terminations, [False] * (episode.steps - 1) + [True])
        assert not found.truncations.any()
    metadata = list(dataset.storage.get_episode_metadata([1]))[0]
    assert metadata["seed"] == 1
    assert metadata["completed_at_step"] == {"microwave": 1, "kettle": 3}


def test_existing_folder_is_left_untouched(folder):
    before = (folder / "main_data.hdf5").read_bytes()
    with pytest.raises(DatasetError, match="exists already"):
        write_dataset(folder, make_dataset((9,)))
    assert (folder / "main_data.hdf5").read_bytes() == before


def test_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("spirl_ros.demonstrations.storage.write_episode", full_disk)
    with pytest.raises(DatasetError, match="No space left"):
        write_dataset(tmp_path / "small", make_dataset())
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_dataset_is_named(tmp_path):
    with pytest.raises(DatasetError, match=f"{tmp_path} is not a dataset: there is no .*metadata.json"):
        read_dataset(tmp_path)
    (tmp_path / "metadata.json").write_text("{")
    with pytest.raises(DatasetError, match="metadata.json is not JSON"):
        read_dataset(tmp_path)
    (tmp_path / "metadata.json").write_text(json.dumps({"total_episodes": 1}))
    with pytest.raises(DatasetError, match="not one of ours"):
        read_dataset(tmp_path)


def test_truncated_file_is_named(folder):
    path = folder / "main_data.hdf5"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DatasetError, match=f"{path} cannot be read.*truncated"):
        read_dataset(folder)


def test_missing_array_and_nan_are_named_with_file_and_episode(folder):
    path = folder / "main_data.hdf5"
    with h5py.File(path, "a") as file:
        file["episode_1/actions"][2, 1] = np.nan  # pyright: ignore
    with pytest.raises(DatasetError, match=rf"{path}: episode_1: actions is nan at \(2, 1\)"):
        read_dataset(folder)
    with h5py.File(path, "a") as file:
        del file["episode_1/actions"]
    with pytest.raises(DatasetError, match=f"{path}: episode_1 lacks actions; it has .*observations"):
        read_dataset(folder)


@pytest.fixture
def seeing(tmp_path):
    """A dataset with a picture and a vector beside the state."""
    write_dataset(tmp_path / "seeing", make_dataset(metadata=SEEING))
    return tmp_path / "seeing"


def test_fields_are_read_back_exactly_and_once(seeing):
    expected, found = make_dataset(metadata=SEEING), read_dataset(seeing)
    for one, other in zip(found.episodes, expected.episodes, strict=True):
        assert_same_episode(one, other)
        assert one.metadata.more_fields == SEEING.more_fields
        assert all(not values.flags.writeable for values in one.fields.values())
    assert stored_digest(seeing) == dataset_digest(expected.episodes)
    with h5py.File(seeing / DATA_FILE) as file:
        pictures = file["episode_0/infos/fields/front"]
        assert (pictures.compression, pictures.compression_opts, pictures.dtype) == ("gzip", 1, np.uint8)  # pyright: ignore


def test_reading_pictures_takes_little_more_memory_than_they_have(tmp_path):
    """Ten million bytes of pictures; a second copy of one episode's would be two million."""
    big = replace(METADATA, more_fields=(Field("front", (50, 50, 4), PICTURE, source="front_camera"),))
    dataset = make_dataset((199,) * 5, big)
    write_dataset(tmp_path / "big", dataset)
    size = sum(episode.fields["front"].nbytes for episode in dataset.episodes)
    tracemalloc.start()
    found = read_dataset(tmp_path / "big")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(episode.fields["front"].nbytes for episode in found.episodes) == size == 10_000_000
    assert peak < size + 1e6


def test_file_without_fields_is_as_it_was(folder):
    with h5py.File(folder / DATA_FILE) as file:
        assert list(file["episode_0/infos"]) == ["executed_actions"]  # pyright: ignore
        assert "more_fields" not in file["episode_0"].attrs


def test_minari_opens_a_dataset_with_fields(seeing):
    minari = pytest.importorskip("minari")
    found, *_ = minari.MinariDataset(seeing).iterate_episodes()
    expected = make_dataset(metadata=SEEING).episodes[0]
    np.testing.assert_array_equal(found.observations, expected.observations)
    np.testing.assert_array_equal(found.infos["fields"]["front"], expected.fields["front"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((4, 4, 6, 4), np.uint8), r"episode_0: front is \(4, 4, 6, 4\) of uint8, expected \(4, 4, 6, 3\)"),
        (np.zeros((3, 4, 6, 3), np.uint8), r"episode_0: front is \(3, 4, 6, 3\) of uint8, expected \(4, 4, 6, 3\)"),
        (np.zeros((4, 4, 6, 3), np.float32), "episode_0: front is .* of float32, expected .* of uint8"),
        (None, "episode_0/infos/fields/front is missing, expected an array"),
        (np.zeros((4, 4, 6, 3), np.uint8), "the digest is .* its arrays were changed"),
        (h5py.Empty("u1"), "front is empty, expected an array"),
    ],
    ids=["other channels", "too few", "other type", "missing", "changed", "empty"],
)
def test_damaged_field_is_named(seeing, values, message):
    path = seeing / DATA_FILE
    with h5py.File(path, "a") as file:
        del file["episode_0/infos/fields/front"]
        if values is not None:
            file["episode_0/infos/fields/front"] = values
    with pytest.raises(DatasetError, match=message) as error:
        read_dataset(seeing)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"name": "front"}', '{"name": 3, "shape": [1]}', '{"name": "front", "shape": "4"}', "[" * 9000],
)
def test_description_of_a_field_that_is_none_is_named(seeing, text):
    with h5py.File(seeing / DATA_FILE, "a") as file:
        file["episode_0"].attrs["more_fields"] = np.array([text.encode() or b" "])
    with pytest.raises(DatasetError, match="episode_0: more_fields has .* expected a field as JSON"):
        read_dataset(seeing)


def test_every_damaged_byte_of_compressed_pictures_is_noticed(seeing):
    path = seeing / DATA_FILE
    whole = path.read_bytes()
    with h5py.File(path) as file:
        chunk = file["episode_1/infos/fields/front"].id.get_chunk_info(0)  # pyright: ignore
    for position in range(chunk.byte_offset, chunk.byte_offset + chunk.size, 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0x55
        path.write_bytes(damaged)
        with pytest.raises(DatasetError, match="cannot be read|its arrays were changed"):
            read_dataset(seeing)
