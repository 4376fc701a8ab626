"""Pictures that are too many for the memory lie on the disk, and nobody sees a difference."""

import gc
import mmap
import tempfile
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.demonstrations import mapped_pictures
from spirl_ros.demonstrations.dataset import dataset_digest
from spirl_ros.demonstrations.mapped_pictures import MappedPictures
from spirl_ros.demonstrations.skill_windows import SkillWindows
from spirl_ros.demonstrations.storage import read_dataset, write_dataset
from spirl_ros.errors import DatasetError
from tests.demonstrations.small_dataset import METADATA, SEEING, assert_same_episode, make_dataset


@pytest.fixture
def nothing_in_memory(monkeypatch):
    monkeypatch.setattr(mapped_pictures, "IN_MEMORY_BYTES", 0)


def is_mapped(values: np.ndarray) -> bool:
    while isinstance(values.base, np.ndarray):
        values = values.base
    return isinstance(values.base, mmap.mmap)


def test_dataset_on_the_disk_is_the_same_and_leaves_nothing_there(tmp_path, nothing_in_memory) -> None:
    expected = make_dataset((30, 50, 40), SEEING)
    write_dataset(tmp_path / "seeing", expected)
    before = sorted((tmp_path / "seeing").iterdir())
    found = read_dataset(tmp_path / "seeing")
    assert sorted((tmp_path / "seeing").iterdir()) == before
    for one, other in zip(found.episodes, expected.episodes, strict=True):
        assert_same_episode(one, other)
        assert is_mapped(one.fields["front"]) and not one.fields["front"].flags.writeable
        assert not is_mapped(one.fields["force"])
        np.testing.assert_array_equal(one.fields["front"], other.fields["front"])
    assert dataset_digest(found.episodes) == dataset_digest(expected.episodes)
    mapped, in_memory = (
        SkillWindows(dataset.episodes, 10).draw(64, np.random.default_rng(3)).fields["front"]
        for dataset in (found, expected)
    )
    np.testing.assert_array_equal(mapped, in_memory)


def test_only_what_is_too_much_goes_to_the_disk(tmp_path, monkeypatch) -> None:
    dataset = make_dataset((30, 50, 40), SEEING)
    write_dataset(tmp_path / "seeing", dataset)
    monkeypatch.setattr(mapped_pictures, "IN_MEMORY_BYTES", dataset.episodes[0].fields["front"].nbytes)
    found = read_dataset(tmp_path / "seeing").episodes
    assert [is_mapped(episode.fields["front"]) for episode in found] == [False, True, True]


def test_memory_holds_one_episode_of_pictures_however_many_there_are(tmp_path, nothing_in_memory) -> None:
    big = replace(METADATA, more_fields=(Field("front", (50, 50, 4), PICTURE, source="front_camera"),))
    write_dataset(tmp_path / "big", make_dataset((199,) * 5, big))
    gc.collect()
    tracemalloc.start()
    found = read_dataset(tmp_path / "big")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(episode.fields["front"].nbytes for episode in found.episodes) == 10_000_000
    assert peak < 3e6


def test_folder_that_cannot_be_written_to_is_read_all_the_same(tmp_path, nothing_in_memory, monkeypatch) -> None:
    """A dataset on a disk for reading only goes through the folder of temporary files."""
    usual, asked = tempfile.TemporaryFile, []

    def refuse(*, dir=None):
        asked.append(dir)
        if dir is not None:
            raise PermissionError(13, "Permission denied")
        return usual()

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    kept = MappedPictures(tmp_path).keep(np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3))
    assert asked == [tmp_path, None] and is_mapped(kept)
    np.testing.assert_array_equal(kept.ravel(), np.arange(24))


def test_full_disk_is_told_with_what_helps(tmp_path, nothing_in_memory, monkeypatch) -> None:
    class Full:
        def tell(self) -> int:
            return 0

        def seek(self, to: int) -> None:
            pass

        def write(self, content: object) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    with pytest.raises(DatasetError, match="3 MB of pictures cannot be unpacked.*No space left.*TMPDIR"):
        MappedPictures(tmp_path).keep(np.zeros((10, 320, 320, 3), np.uint8))
