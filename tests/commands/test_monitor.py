import json
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from PIL import Image

from spirl_ros.commands.main import main

LINE = {"part": "update", "step": 40, "updates": 3, "cost": 2.25, "temperature": 0.01, "value": 1.0}


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "rl"
    folder.mkdir()
    (folder / "metrics.jsonl").write_text(json.dumps(LINE) + "\n")
    return folder


def test_curves_are_written_beside_the_metrics(run_folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["monitor", str(run_folder)]) == 0
    said = capsys.readouterr().out
    assert "rl: step 40; update: updates 3, cost 2.25" in said and str(run_folder / "curves.png") in said
    assert Image.open(run_folder / "curves.png").size[0] > 500
    assert sorted(file.name for file in run_folder.iterdir()) == ["curves.png", "metrics.jsonl"]


def test_growing_run_is_followed_until_it_is_interrupted(run_folder: Path) -> None:
    command = [sys.executable, "-m", "spirl_ros.commands.main", "monitor", str(run_folder), "--follow", "0.1"]
    # Started in the background by a shell, the tests ignore Ctrl-C, and what they start would, too.
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "step 40" in line:
                with (run_folder / "metrics.jsonl").open("a") as file:
                    file.write(json.dumps({**LINE, "step": 80}) + "\n")
            if "step 80" in line:
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 130
    finally:
        process.kill()


def test_wrong_input_is_told(run_folder: Path, capsys: pytest.CaptureFixture) -> None:
    for arguments, told in (
        ([str(run_folder / "nowhere")], "has no metrics"),
        ([str(run_folder), "--out", "curves.gif"], "ends with .png"),
        ([str(run_folder), "--follow", "0"], "above 0"),
        ([str(run_folder), "--follow", "nan"], "above 0"),
    ):
        assert main(["monitor", *arguments]) == 2
        assert told in capsys.readouterr().err
