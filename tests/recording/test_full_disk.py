"""Disks that are really full: a small file system of this process's own, and a limit on the size of files."""

import json
import subprocess
import sys

import pytest

MOUNT = "mount -t tmpfs -o size=4m tmpfs {folder} && "
RECORD = """
import json, sys
from pathlib import Path
from spirl_ros.recording.bag_reader import BagFile
from spirl_ros.recording.bag_recovery import recover
from spirl_ros.recording.bag_writer import RawMessage
from spirl_ros.recording.episode_recorder import EpisodeRecorder, EpisodeRecorderConfig
from spirl_ros.recording.recording_folder import RecordingFolder
from tests.recording.small_bag import TOPICS
import os

folder = RecordingFolder(Path(sys.argv[1]) / "out")
recorder = EpisodeRecorder(folder, EpisodeRecorderConfig(flush_period_s=0.0, min_free_bytes=0))
recorder.start(TOPICS, {}).result()
for value in range(400):
    recorder.write([RawMessage(0, value + 1, value + 1, value, os.urandom(20000))])
recorder.close()
status = recorder.status()
if len(sys.argv) > 2:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
recovered = [recovery.messages for recovery in recover(folder.path)]
(bag,) = [BagFile(path) for path in folder.path.glob("episode_*/*.mcap")]
sequences = [message.sequence for message in bag.messages()]
print(json.dumps([status.state, status.reason, status.messages, recovered, sequences, bag.problem]))
"""


def run(command: list[str]):
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_full_file_system_ends_the_episode_with_every_message_that_fitted(tmp_path) -> None:
    mount = ["unshare", "-rm", "bash", "-c", MOUNT.format(folder=tmp_path) + 'exec "$@"', "bash"]
    try:
        subprocess.run([*mount, "true"], check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("unshare -rm cannot mount a tmpfs here: user namespaces are switched off")
    state, reason, messages, recovered, sequences, problem = run([*mount, sys.executable, "-c", RECORD, str(tmp_path)])
    assert state == "failed"
    assert "No space left on device" in reason and "is complete up to here" in reason
    assert recovered == [] and problem == ""
    # 4 MiB, of which 2 are reserved: about a hundred messages of 20 kB, and the one that did not fit at first.
    assert sequences == list(range(messages)) and 90 < messages < 110


def test_limit_that_no_reserve_helps_against_leaves_what_recovery_completes(tmp_path) -> None:
    script = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2500000, resource.RLIM_INFINITY))\n{RECORD}"
    state, reason, _, recovered, sequences, problem = run([sys.executable, "-c", script, str(tmp_path), "lift"])
    assert state == "failed" and "File too large" in reason and "recovery completes it" in reason
    assert recovered == [len(sequences)] and problem == ""
    assert sequences == list(range(len(sequences))) and 115 < len(sequences) < 125
