import subprocess
import sys

import pytest

from spirl_ros.errors import RecordingError
from spirl_ros.recording.recording_folder import RecordingFolder


def test_next_number_follows_all_that_is_there(tmp_path) -> None:
    folder = RecordingFolder(tmp_path / "new")
    assert folder.episode(folder.next_number()) == tmp_path / "new" / "episode_000001"
    for name in ("episode_000002", "episode_000007.damaged", ".episode_000004.recording", "notes"):
        (folder.path / name).mkdir()
    assert folder.next_number() == 8
    assert folder.finished_episodes() == 0


def test_second_recorder_is_refused_until_the_first_one_ends(tmp_path) -> None:
    code = (
        "import sys; from pathlib import Path; from spirl_ros.recording.recording_folder import RecordingFolder\n"
        "folder = RecordingFolder(Path(sys.argv[1])); print('held', flush=True); input()"
    )
    other = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None and other.stdout.readline() == b"held\n"
    with pytest.raises(RecordingError, match=str(other.pid)):
        RecordingFolder(tmp_path)
    other.kill()
    other.communicate()
    RecordingFolder(tmp_path).release()


def test_folder_that_cannot_be_made_is_told(tmp_path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RecordingError, match="cannot be written"):
        RecordingFolder(tmp_path / "file" / "below")
