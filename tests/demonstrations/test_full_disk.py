"""A disk that is full in the middle of the work: one line that says so, nothing half written, nothing else touched."""

from dataclasses import replace

import pytest

from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.layout import robot_metadata
from spirl_ros.demonstrations.storage import write_dataset
from spirl_ros.kitchen.d4rl import write_d4rl
from spirl_ros.kitchen.family import KITCHEN
from tests.demonstrations.full_disk import kind_of_disk, run_on_small_disk
from tests.demonstrations.small_dataset import METADATA, make_dataset, make_episode

SIZE_KB = 64


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A dataset of ours and a D4RL file, each larger than the disk: 600 steps of 49 numbers."""
    folder = tmp_path_factory.mktemp("source")
    metadata = replace(robot_metadata(KITCHEN.robot), operator="scripted")
    dataset = Dataset((make_episode(600, 0, metadata),), "kitchen")
    write_dataset(folder / "dataset", dataset)
    write_d4rl(folder / "d4rl.hdf5", dataset)
    return folder


@pytest.fixture
def disk(tmp_path):
    print(f"the full disk is a {kind_of_disk()}")
    return tmp_path


def assert_one_line(errors, name):
    line = next(line for line in errors.splitlines() if line.startswith("error: "))
    assert name in line
    assert "No space left on device" in line or "File too large" in line
    assert "Traceback" not in errors


@pytest.mark.parametrize("kind", ["d4rl", "lerobot", "bag"])
def test_export_leaves_nothing_on_a_full_disk(source, disk, kind):
    if kind != "d4rl":
        pytest.importorskip({"lerobot": "pyarrow", "bag": "spirl_msgs"}[kind])
    arguments = ["demos", "export", str(source / "dataset"), "--format", kind, "--out", str(disk / "out")]
    codes, left, errors = run_on_small_disk(disk, SIZE_KB, arguments, arguments)
    assert codes == [2, 0]  # and with room, the same command works
    assert left[0] == ["mine"]
    assert "out" in left[1]
    assert_one_line(errors, f"{disk}/out cannot be written")


def test_export_of_pictures_leaves_nothing_on_a_full_disk(tmp_path_factory, disk):
    """The video alone is larger than the disk: 20 pictures of noise are 0.25 MB."""
    pytest.importorskip("pyarrow")
    pytest.importorskip("av", reason="PyAV is not installed")
    folder = tmp_path_factory.mktemp("pictures")
    seeing = replace(METADATA, more_fields=(Field("front", (64, 64, 3), PICTURE, source="front"),))
    write_dataset(folder / "dataset", make_dataset((20,), seeing))
    arguments = ["demos", "export", str(folder / "dataset"), "--format", "lerobot", "--out", str(disk / "out")]
    codes, left, errors = run_on_small_disk(disk, SIZE_KB, arguments, arguments)
    assert codes == [2, 0]
    assert left[0] == ["mine"] and any(name.endswith(".mp4") for name in left[1])
    assert_one_line(errors, f"{disk}/out cannot be written")


def test_import_leaves_nothing_on_a_full_disk(source, disk):
    arguments = ["demos", "import", str(source / "d4rl.hdf5"), "--out", str(disk / "out")]
    codes, left, errors = run_on_small_disk(disk, SIZE_KB, arguments, arguments)
    assert codes == [2, 0]
    assert left == [["mine"], ["mine", "out", "out/main_data.hdf5", "out/metadata.json"]]
    assert_one_line(errors, f"{disk}/out cannot be written")


def test_collection_that_fills_the_disk_goes_on_when_there_is_room(disk):
    """HDF5 crashed with a segmentation fault when it met the full disk itself."""
    arguments = ["demos", "collect", "--episodes", "1", "--workers", "1", "--seed", "3", "--out", str(disk / "data")]
    codes, left, errors = run_on_small_disk(disk, SIZE_KB, arguments, [*arguments, "--resume"])
    assert codes == [2, 0]
    assert left == [
        ["data.unfinished", "data.unfinished/collection.json", "mine"],
        ["data", "data/main_data.hdf5", "data/metadata.json", "mine"],
    ]
    assert_one_line(errors, f"{disk}/data.unfinished/chains-000000.hdf5 cannot be written")
    assert "--resume" in errors
