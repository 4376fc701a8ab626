import json
from pathlib import Path

import numpy as np
import pytest

from spirl_ros.errors import ConfigError
from spirl_ros.monitoring.run_metrics import read_run

UPDATE = {"step": 10, "updates": 5, "part": "update", "cost": 2.5, "temperature": 0.01}
EVALUATION = {"step": 20, "updates": 9, "part": "evaluation", "ordered": 1.5, "is_best": True}


def write(folder: Path, *lines: dict, tail: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + tail)
    return folder


def test_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    (run,) = read_run(write(tmp_path / "rl", UPDATE, EVALUATION, tail='{"step": 30, "par'))
    assert len(run.lines) == 2 and run.is_of_a_task and run.name == "rl"
    np.testing.assert_array_equal(run.curve("evaluation", "step", "ordered"), [[20.0, 1.5]])


def test_value_that_is_not_finite_is_no_point(tmp_path: Path) -> None:
    (run,) = read_run(write(tmp_path, UPDATE, {**UPDATE, "updates": 6, "cost": float("nan")}))
    np.testing.assert_array_equal(run.curve("update", "updates", "cost"), [[5.0, 2.5]])
    assert run.curve("update", "updates", "unknown").shape == (0, 2)


def test_folder_of_seeds_gives_each_in_order(tmp_path: Path) -> None:
    for seed in (1, 0):
        write(tmp_path / f"seed_{seed}", UPDATE)
    assert [run.name for run in read_run(tmp_path)] == ["seed_0", "seed_1"]


def test_folder_without_metrics_is_told(tmp_path: Path) -> None:
    for folder in (tmp_path, write(tmp_path / "empty"), tmp_path / "nowhere"):
        with pytest.raises(ConfigError, match="has no metrics"):
            read_run(folder)


def test_other_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not JSON"):
        read_run(write(tmp_path / "a", tail="step,reward\n1,2\n"))
    with pytest.raises(ConfigError, match="without a part"):
        read_run(write(tmp_path / "b", {"step": 1}))
