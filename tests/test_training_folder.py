"""A training's files on a disk that is really full: a small file system of a process's own."""

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="checkpoints are torch's")

CHECKPOINTS = """
import sys
from pathlib import Path
import torch
from spirl_ros.errors import TrainingError
from spirl_ros.training_folder import TrainingFolder

folder = TrainingFolder(Path(sys.argv[1]) / "run")
folder.begin({"a": 1})
folder.save_checkpoint({"step": 1, "weights": torch.zeros(1000)})
try:
    folder.save_checkpoint({"step": 2, "weights": torch.zeros(2_000_000)})
except TrainingError as error:
    print(error)
assert folder.load_checkpoint()["step"] == 1
assert sorted(path.name for path in folder.folder.iterdir()) == ["checkpoint.pt", "config.yaml"]
"""


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path):
    mount = ["unshare", "-rm", "bash", "-c", f'mount -t tmpfs -o size=4m tmpfs {tmp_path} && exec "$@"', "bash"]
    try:
        subprocess.run([*mount, "true"], check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("unshare -rm cannot mount a tmpfs here: user namespaces are switched off")
    command = [*mount, sys.executable, "-c", CHECKPOINTS, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert "checkpoint.pt cannot be written" in result.stdout
    assert "The one before is kept; free some space and --resume." in result.stdout
