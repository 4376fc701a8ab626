import shutil

import pytest

from spirl_ros.recording.bag_reader import BagFile
from spirl_ros.recording.bag_recovery import recover
from tests.recording.small_bag import begin


def values_of(folder) -> list[int]:
    bag = BagFile(folder / f"{folder.name.partition('-')[0]}_0.mcap")
    values = [int.from_bytes(message.data[4:], "little") for message in bag.messages()]
    assert not bag.problem
    return values


def leave_unfinished(tmp_path, values: int = 35):
    """35 messages, of which the last 5 were never flushed."""
    begin(tmp_path / "episode_000001", values).abandon()
    return tmp_path / ".episode_000001.recording" / "episode_000001_0.mcap"


def test_crashed_recording_becomes_a_bag_with_all_that_was_flushed(tmp_path) -> None:
    leave_unfinished(tmp_path)
    (recovery,) = recover(tmp_path)
    assert (recovery.folder, recovery.messages, recovery.is_repaired) == (tmp_path / "episode_000001", 30, True)
    assert values_of(recovery.folder) == list(range(30))
    metadata = (recovery.folder / "metadata.yaml").read_text()
    assert "recovered: it ends in the middle of a record" in metadata and "operator: anna" in metadata
    assert [path.name for path in tmp_path.iterdir()] == ["episode_000001"]
    assert list(recover(tmp_path)) == []


def test_rosbags_reads_a_recovered_bag(tmp_path) -> None:
    rosbag2 = pytest.importorskip("rosbags.rosbag2")
    leave_unfinished(tmp_path)
    (recovery,) = recover(tmp_path)
    with rosbag2.Reader(recovery.folder) as reader:
        assert len(list(reader.messages())) == 30


def test_file_cut_anywhere_gives_what_is_whole_before_the_cut(tmp_path) -> None:
    path = leave_unfinished(tmp_path / "original")
    data = path.read_bytes()
    found = []
    for cut in range(1, len(data), 97):
        folder = tmp_path / f"cut_{cut}"
        shutil.copytree(tmp_path / "original", folder)
        (folder / ".episode_000001.recording" / path.name).write_bytes(data[:cut])
        (recovery,) = recover(folder)
        if recovery.is_repaired:
            assert values_of(recovery.folder) == list(range(recovery.messages))
        else:
            assert (recovery.folder / path.name).read_bytes() == data[:cut]
        found.append(recovery.messages)
    assert set(found) == {0, 10, 20, 30}
    assert found == sorted(found)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89MCAP0\r\n", b"\x89MCAP0\r\n" + b"\xff" * 300])
def test_what_cannot_be_read_is_set_aside_under_a_clear_name(tmp_path, content: bytes) -> None:
    path = leave_unfinished(tmp_path)
    path.write_bytes(content)
    (recovery,) = recover(tmp_path)
    assert recovery.folder == tmp_path / "episode_000001.damaged"
    assert not recovery.is_repaired and recovery.problem
    assert (recovery.folder / path.name).read_bytes() == content


def test_damaged_middle_ends_what_is_kept(tmp_path) -> None:
    path = leave_unfinished(tmp_path)
    data = bytearray(path.read_bytes())
    data[-300:-280] = bytes(20)
    path.write_bytes(data)
    (recovery,) = recover(tmp_path)
    assert recovery.messages in (10, 20) and values_of(recovery.folder) == list(range(recovery.messages))


def test_interrupted_recovery_is_begun_again(tmp_path) -> None:
    leave_unfinished(tmp_path)
    (tmp_path / ".episode_000001.repair").mkdir()
    (tmp_path / ".episode_000001.repair" / "half").write_text("x")
    (recovery,) = recover(tmp_path)
    assert recovery.messages == 30
    assert [path.name for path in tmp_path.iterdir()] == ["episode_000001"]


def test_recovery_that_ended_before_removing_the_original_leaves_one_bag(tmp_path) -> None:
    leave_unfinished(tmp_path)
    shutil.copytree(tmp_path / ".episode_000001.recording", tmp_path / "kept")
    list(recover(tmp_path))
    (tmp_path / "kept").rename(tmp_path / ".episode_000001.recording")
    (recovery,) = recover(tmp_path)
    assert recovery.is_repaired
    assert [path.name for path in tmp_path.iterdir()] == ["episode_000001"]


def test_name_that_is_taken_is_never_overwritten(tmp_path) -> None:
    begin(tmp_path / "episode_000001", 7).finish({})
    leave_unfinished(tmp_path)
    (recovery,) = recover(tmp_path)
    assert recovery.folder.name == "episode_000001-2"
    assert values_of(tmp_path / "episode_000001") == list(range(7))
