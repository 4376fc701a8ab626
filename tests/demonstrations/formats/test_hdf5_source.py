"""HDF5 files that name other files, or unpack to more than the memory. All were read as data before, byte by byte."""

import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest

from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.formats import hdf5_source
from spirl_ros.demonstrations.formats.hdf5_source import open_hdf5
from spirl_ros.demonstrations.sources import read_source
from spirl_ros.demonstrations.storage import DATA_FILE, read_dataset, write_dataset
from spirl_ros.errors import DatasetError
from tests.demonstrations.small_dataset import SEEING, assert_same_episode, make_dataset, make_episode
from tests.kitchen.test_d4rl import d4rl_arrays, write_file


@pytest.fixture(autouse=True)
def little_memory(monkeypatch):
    """So that the tests need no files of hundreds of megabytes."""
    monkeypatch.setattr(hdf5_source, "_ALWAYS_ALLOWED_BYTES", 2**20)


@pytest.fixture
def secret(tmp_path):
    """Bytes of another program that are no demonstration."""
    path = tmp_path / "secret"
    path.write_bytes(bytes(range(256)) * 40)
    return path


def external_storage(file, name, values, secret):
    file.create_dataset(name, shape=values.shape, dtype="u1", external=[(str(secret), 0, values.size)])


def external_link(file, name, values, secret):
    with h5py.File(secret.with_suffix(".hdf5"), "w") as other:
        other["values"] = values
    file[name] = h5py.ExternalLink(str(secret.with_suffix(".hdf5")), "/values")


def soft_link(file, name, values, secret):
    file[f"{name}_elsewhere"] = values
    file[name] = h5py.SoftLink(f"/{name}_elsewhere")


def virtual_dataset(file, name, values, secret):
    with h5py.File(secret.with_suffix(".hdf5"), "w") as other:
        other["values"] = values
    layout = h5py.VirtualLayout(shape=values.shape, dtype=values.dtype)
    layout[...] = h5py.VirtualSource(str(secret.with_suffix(".hdf5")), "values", shape=values.shape)
    file.create_virtual_dataset(name, layout)


def never_written(file, name, values, secret):
    file.create_dataset(name, shape=(10**11, *values.shape[1:]), dtype="f4", chunks=(1000, *values.shape[1:]))


def compressed(file, name, values, secret):
    """1 MB or more of zeros, in a thousandth of that."""
    file.create_dataset(name, data=np.zeros((2**17, *values.shape[1:])), compression="gzip")


WAYS = {
    external_storage: "is the values in the file b'.*secret', which is not read",
    external_link: "is a link to something in another file, which is not read",
    soft_link: "is a link to something of another name, which is not read",
    virtual_dataset: "is a virtual dataset, values of other datasets, which is not read",
    never_written: "(arrays|pictures) take more than [0-9]+ MB",
    compressed: "(arrays|pictures) take more than [0-9]+ MB",
}
each_way = pytest.mark.parametrize(
    ("damage", "message"), WAYS.items(), ids=lambda value: getattr(value, "__name__", "")
)


def replace_array(path, name, damage, secret):
    with h5py.File(path, "r+") as file:
        values = np.asarray(file[name])
        del file[name]
        damage(file, name, values, secret)


@each_way
def test_d4rl_file_that_leads_elsewhere_is_refused(tmp_path, secret, damage, message):
    path = write_file(tmp_path / "a.hdf5", d4rl_arrays())
    replace_array(path, "observations", damage, secret)
    with pytest.raises(DatasetError, match=f"{path}: .*observations.*{message}"):
        read_source(str(path))


@each_way
@pytest.mark.parametrize("name", ["actions", "infos/executed_actions", "infos/fields/front"])
def test_dataset_that_leads_elsewhere_is_refused(tmp_path, secret, damage, message, name):
    write_dataset(tmp_path / "data", make_dataset(metadata=SEEING))
    replace_array(tmp_path / "data" / DATA_FILE, f"episode_1/{name}", damage, secret)
    with pytest.raises(DatasetError, match=f"{DATA_FILE}: .*episode_1/{name}.*{message}"):
        read_dataset(tmp_path / "data")


@each_way
def test_minari_dataset_that_leads_elsewhere_is_refused(tmp_path, secret, damage, message):
    """Minari reads the file by itself, so all of it is looked at before."""
    pytest.importorskip("minari")
    folder = tmp_path / "data"
    write_dataset(folder, make_dataset())
    text = (folder / "metadata.json").read_text()
    (folder / "metadata.json").write_text(text.replace('"spirl": {', '"others": {'))
    replace_array(folder / DATA_FILE, "episode_1/actions", damage, secret)
    with pytest.raises(DatasetError, match=f"{DATA_FILE}: .*episode_1/actions.*{message}"):
        read_source(str(folder))


def test_group_that_lies_elsewhere_is_refused(tmp_path):
    write_dataset(tmp_path / "data", make_dataset())
    shutil.copytree(tmp_path / "data", tmp_path / "other")
    path = tmp_path / "data" / DATA_FILE
    with h5py.File(path, "r+") as file:
        del file["episode_1"]
        file["episode_1"] = h5py.ExternalLink(str(tmp_path / "other" / DATA_FILE), "/episode_1")
    with pytest.raises(DatasetError, match=f"{path}: episode_1 is a link to something in another file"):
        read_dataset(tmp_path / "data")


def test_array_under_many_names_counts_each_time(tmp_path, monkeypatch):
    """A thousand episodes can be the same bytes of the file, but each takes memory of its own."""
    monkeypatch.setattr(hdf5_source, "_ALWAYS_ALLOWED_BYTES", 2500)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["a"] = np.arange(100.0)  # 800 bytes
        for name in "bcd":
            file[name] = file["a"]
    monkeypatch.setattr(hdf5_source, "_LARGEST_RATIO", 0)
    with (
        pytest.raises(DatasetError, match=r"with d \(100,\) its arrays take more than"),
        open_hdf5(tmp_path / "a.hdf5") as content,
    ):
        for name in "abcd":
            np.testing.assert_array_equal(content.array(name), np.arange(100.0))


def test_pictures_may_be_compressed_further_than_numbers_and_count_apart(tmp_path, monkeypatch):
    """Bytes as they are, not as numbers of 8 bytes; with a budget of their own."""
    monkeypatch.setattr(hdf5_source, "_ALWAYS_ALLOWED_BYTES", 1000)
    monkeypatch.setattr(hdf5_source, "_LARGEST_RATIO", 0)
    monkeypatch.setattr(hdf5_source, "_LARGEST_RATIO_OF_PICTURES", 0)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["pictures"] = np.zeros((10, 5, 5, 4), np.uint8)  # 1,000 bytes
        file["numbers"] = np.zeros(125)  # 1,000 bytes
        file["more"] = np.zeros((1, 1, 1, 1), np.uint8)
    with open_hdf5(tmp_path / "a.hdf5") as content:
        assert content.array("numbers").shape == (125,)
        assert content.array("pictures", of_pictures=True).dtype == np.uint8
        with pytest.raises(DatasetError, match=r"with more \(1, 1, 1, 1\) its pictures take more than 0 MB"):
            content.array("more", of_pictures=True)


def test_dataset_of_pictures_that_compress_well_is_read(tmp_path):
    """Drawn pictures become 30 times smaller: 20 times was the most that was read."""
    drawn = replace(SEEING, more_fields=(Field("front", (64, 64, 3), PICTURE, source="front_camera"),))
    fields = {"front": np.zeros((201, 64, 64, 3), np.uint8)}
    episode = make_episode(200, metadata=drawn, fields=fields)
    write_dataset(tmp_path / "data", Dataset((episode,), "kitchen"))
    assert fields["front"].nbytes > 50 * (tmp_path / "data" / DATA_FILE).stat().st_size
    assert_same_episode(read_dataset(tmp_path / "data").episodes[0], episode)


def test_compressed_numbers_of_a_usual_kind_are_read(tmp_path):
    values = np.random.default_rng(0).integers(0, 4, (1000, 9)).astype(np.float32)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file.create_dataset("a", data=values, compression="gzip")
        file.create_dataset("flags", data=np.zeros(1000, bool), compression="gzip")
        file.create_dataset("nothing", data=np.zeros((0, 9)))
    with open_hdf5(tmp_path / "a.hdf5") as content:
        np.testing.assert_array_equal(content.array("a"), values)
        assert content.array("flags").dtype == bool
        assert content.array("nothing").shape == (0, 9)
        assert (content.shape("a"), content.shape("b"), content.has("b"), content.is_array("a/b")) == (
            (1000, 9),
            None,
            False,
            False,
        )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array(["text"], dtype="S4"), "a is of type .S4, expected numbers"),
        (h5py.Empty("f8"), "a is empty, expected an array"),
        (np.array([1j]), "a is of type complex128"),
    ],
)
def test_what_is_no_array_of_numbers_is_named(tmp_path, values, message):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["a"] = values
        file.create_group("group")
    with pytest.raises(DatasetError, match=message), open_hdf5(tmp_path / "a.hdf5") as content:
        content.array("a")
    for read, expected in (
        ("array", "group is a group, expected an array"),
        ("group", "a is an array, expected a group"),
    ):
        with pytest.raises(DatasetError, match=expected), open_hdf5(tmp_path / "a.hdf5") as content:
            getattr(content, read)(expected.split()[0])


def test_attributes_are_those_that_h5py_gives(tmp_path):
    given = {"text": "a", "number": 2.5, "names": np.array([b"a", b"bc"]), "flag": True, "empty": h5py.Empty("f8")}
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file.attrs.update(given)
        file.attrs["older"] = np.array(["a", "b"], dtype=h5py.string_dtype())
        expected = dict(file.attrs)
    with open_hdf5(tmp_path / "a.hdf5") as content:
        found = content.attributes()
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert type(found[name]) is type(value), name
        if name != "empty":
            np.testing.assert_array_equal(found[name], value)


def test_text_that_is_the_same_bytes_many_times_is_refused(tmp_path):
    """Each entry of a list of texts may point at the same megabytes of the file."""
    with h5py.File(tmp_path / "a.hdf5", "w", libver="latest") as file:
        file.attrs["names"] = np.array(["x"] * 10_001, dtype=h5py.string_dtype())
    with (
        pytest.raises(DatasetError, match="attribute names of the file has 10001 entries"),
        open_hdf5(tmp_path / "a.hdf5") as content,
    ):
        content.attributes()


def test_deeply_nested_groups_end_no_process(tmp_path):
    """HDF5's own walk over a file recurses, and overflows the stack at some 10,000 levels."""
    with h5py.File(tmp_path / "a.hdf5", "w", libver="latest") as file:
        group = file.id
        for _ in range(30_000):
            group = h5py.h5g.create(group, b"a")
    with (
        pytest.raises(DatasetError, match="is nested deeper than 16 groups"),
        open_hdf5(tmp_path / "a.hdf5") as content,
    ):
        content.require_self_contained()
