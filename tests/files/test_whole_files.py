import os
from contextlib import closing

import h5py
import numpy as np
import pytest

from spirl_ros.demonstrations.storage import write_dataset
from spirl_ros.errors import DatasetError
from spirl_ros.files.durable_file import DurableFile
from spirl_ros.files.whole_files import appearing_whole, hdf5_written
from tests.demonstrations.small_dataset import make_dataset


def test_nothing_has_the_name_until_all_is_written(tmp_path):
    path = tmp_path / "new" / "data"
    with appearing_whole(path) as temporary:
        (temporary / "part").mkdir(parents=True)
        (temporary / "part" / "file").write_text("whole")
        assert not path.exists()
    assert (path / "part" / "file").read_text() == "whole"
    assert [one.name for one in path.parent.iterdir()] == ["data"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError])
def test_what_was_interrupted_leaves_nothing(tmp_path, interruption):
    with pytest.raises(interruption), appearing_whole(tmp_path / "data") as temporary:
        temporary.mkdir()
        (temporary / "file").write_text("half")
        raise interruption
    assert list(tmp_path.iterdir()) == []


def test_what_a_crash_left_half_written_is_replaced(tmp_path):
    (tmp_path / ".data.writing").mkdir()
    (tmp_path / ".data.writing" / "old").write_text("half")
    with appearing_whole(tmp_path / "data") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "data").read_text() == "whole"
    assert [one.name for one in tmp_path.iterdir()] == ["data"]


def test_what_is_there_is_left_untouched(tmp_path):
    (tmp_path / "data").write_text("mine")
    with pytest.raises(DatasetError, match="data exists already"), appearing_whole(tmp_path / "data"):
        raise AssertionError("not reached")
    assert (tmp_path / "data").read_text() == "mine"


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DatasetError, match="file/data cannot be written"), appearing_whole(tmp_path / "file" / "data"):
        raise AssertionError("not reached")


def test_hdf5_file_is_written_in_one_go_and_keeps_its_order(tmp_path):
    path = tmp_path / "a.hdf5"
    with hdf5_written(path) as file:
        for name in ("z", "a"):
            file.create_dataset(name, data=np.arange(3))
        assert not path.exists()
    with h5py.File(path) as file:
        assert list(file) == ["z", "a"]
        np.testing.assert_array_equal(np.asarray(file["a"]), [0, 1, 2])


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_the_umask_says_who_may_read(tmp_path, umask, mode):
    """Recordings were 0644 at most, while the folder around them could be written by the group."""
    before = os.umask(umask)
    try:
        write_dataset(tmp_path / "data", make_dataset())
        with closing(DurableFile(tmp_path / "bag.mcap")) as file:
            file.flush()
    finally:
        os.umask(before)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name: path.stat().st_mode & 0o777 for path in files} == dict.fromkeys(
        ("bag.mcap", "main_data.hdf5", "metadata.json"), mode
    )
