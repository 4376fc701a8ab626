"""A training's files: on a disk that is really full (a small file system of a process's own), and changed by hand."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest

pytest.importorskip("torch", reason="checkpoints are torch's")

from spirl_ros.errors import ConfigError
from spirl_ros.training_folder import TrainingFolder

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
    assert "The previous one is kept; free space and --resume." in result.stdout


@dataclass(frozen=True)
class _Config:
    steps: int
    rate: float = 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: many\n", "steps is 'many', expected a whole number"),
        ("steps: 1\nrate: .nan\n", "rate is nan, expected a finite number"),
        ("steps: 1\npace: 2\n", "pace is unknown. Known are steps, rate"),
        ("rate: 2\n", "steps is missing"),
        ("- 1\n", "expected keys and values"),
        ("steps: [\n", "cannot be used"),
    ],
)
def test_configuration_that_was_changed_by_hand_is_refused_by_name(tmp_path, text, message):
    folder = TrainingFolder(tmp_path / "run")
    folder.begin({"steps": 2})
    assert folder.read_config(_Config, "training", "train") == _Config(steps=2)
    (folder.folder / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        folder.read_config(_Config, "training", "train")
    assert "config.yaml" in str(error.value)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_the_umask_says_who_may_read(tmp_path, umask, mode):
    """Configuration and checkpoints were 0600 whatever the user's umask said, so that no colleague could use a
    training."""
    before = os.umask(umask)
    try:
        folder = TrainingFolder(tmp_path / "run")
        folder.begin({"a": 1})
        folder.save_checkpoint({"step": 1})
        folder.append_metrics({"step": 1})
    finally:
        os.umask(before)
    found = {path.name: path.stat().st_mode & 0o777 for path in folder.folder.iterdir()}
    assert found == {"config.yaml": mode, "checkpoint.pt": mode, "metrics.jsonl": mode}
