import time

import pytest

from spirl_ros.errors import RecordingError
from spirl_ros.recording.bag_recovery import recover
from spirl_ros.recording.disk_guard import RESERVE_BYTES
from spirl_ros.recording.episode_recorder import EpisodeRecorder, EpisodeRecorderConfig
from spirl_ros.recording.recording_folder import RecordingFolder
from tests.recording.small_bag import TOPICS, message

AT_ONCE = EpisodeRecorderConfig(flush_period_s=0.0, min_free_bytes=0)


@pytest.fixture
def folder(tmp_path):
    folder = RecordingFolder(tmp_path)
    yield folder
    folder.release()


def test_episodes_follow_each_other(folder) -> None:
    changes = []
    recorder = EpisodeRecorder(folder, AT_ONCE, on_change=lambda: changes.append(recorder.status().state))
    for count in (3, 5):
        path = recorder.start(TOPICS, {"task": "kitchen"}).result()
        recorder.write([message(value) for value in range(count)])
        finished = recorder.stop({"is_success": "true"}).result()
        assert (finished.path, finished.messages) == (path, count)
    recorder.close()
    assert changes == ["recording", "idle"] * 2
    assert recorder.status().episodes == 2
    assert sorted(path.name for path in folder.path.glob("e*")) == ["episode_000001", "episode_000002"]


def test_messages_between_episodes_are_dropped(folder) -> None:
    recorder = EpisodeRecorder(folder, AT_ONCE)
    recorder.write([message(1)])
    recorder.start(TOPICS, {})
    assert recorder.stop({}).result().messages == 0
    recorder.close()


def test_discarded_episode_leaves_nothing(folder) -> None:
    recorder = EpisodeRecorder(folder, AT_ONCE)
    recorder.start(TOPICS, {})
    recorder.write([message(1)])
    recorder.discard().result()
    recorder.close()
    assert [path.name for path in folder.path.iterdir()] == [".lock"]
    assert recorder.status().state == "idle"


def test_what_does_not_fit_the_state_is_refused(folder) -> None:
    recorder = EpisodeRecorder(folder, AT_ONCE)
    for work in (lambda: recorder.stop({}), recorder.discard):
        with pytest.raises(RecordingError, match="no episode is being recorded"):
            work().result()
    recorder.start(TOPICS, {})
    with pytest.raises(RecordingError, match="being recorded already"):
        recorder.start(TOPICS, {}).result()
    recorder.stop({}).result()
    recorder.close()


def test_disk_that_an_episodes_own_reserve_would_fill_refuses_to_start(folder, monkeypatch) -> None:
    """An episode was once begun that had to end at its first flush."""
    monkeypatch.setattr("spirl_ros.recording.disk_guard.free_bytes", lambda path: 1000 + RESERVE_BYTES - 1)
    recorder = EpisodeRecorder(folder, EpisodeRecorderConfig(min_free_bytes=1000))
    with pytest.raises(RecordingError, match="expected at least 2.1 MB"):
        recorder.start(TOPICS, {}).result()
    recorder.close()


def test_short_disk_refuses_to_start(folder) -> None:
    recorder = EpisodeRecorder(folder, EpisodeRecorderConfig(min_free_bytes=10**18))
    with pytest.raises(RecordingError, match="expected at least 1000000000002.1 MB"):
        recorder.start(TOPICS, {}).result()
    recorder.close()
    assert [path.name for path in folder.path.iterdir()] == [".lock"]


def test_disk_that_gets_short_ends_the_episode_and_completes_it(folder, monkeypatch) -> None:
    recorder = EpisodeRecorder(folder, EpisodeRecorderConfig(flush_period_s=0.0, min_free_bytes=1000))
    recorder.start(TOPICS, {}).result()
    recorder.write([message(1)])
    while recorder.status().messages < 1:
        time.sleep(0.01)
    monkeypatch.setattr("spirl_ros.recording.episode_recorder.free_bytes", lambda path: 999)
    recorder.write([message(2)])
    recorder.write([message(3)])
    recorder.close()
    status = recorder.status()
    assert status.state == "failed"
    assert "0.0 MB free" in status.reason and "is complete up to here" in status.reason
    assert (status.messages, status.episodes) == (2, 1)
    assert list(recover(folder.path)) == []


def test_error_that_no_disk_explains_is_reported(folder) -> None:
    errors = []
    recorder = EpisodeRecorder(folder, AT_ONCE, on_error=errors.append)
    recorder.start(TOPICS, {}).result()
    recorder.write([message(1, topic=7)])
    recorder.close()
    assert [type(error) for error in errors] == [IndexError]
