"""Where a bundle's skills lead that nobody chooses for a task."""

import json

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("mujoco")

from PIL import Image

from spirl_ros.commands.main import main
from spirl_ros.shipped import shipped
from spirl_ros.skills.exploration import ACTIONS, LATENTS, PRIOR, passed_cells

EXPLORE = ["skills", "explore", str(shipped("models/maze")), "--task", "maze:goal", "--cell", "1"]


def test_cells_are_counted_once_however_often_they_are_passed() -> None:
    there = np.array([[0.1, 0.1, 0.0], [0.9, 0.2, 0.0], [1.1, 0.2, 0.0]])
    assert passed_cells([there, there[::-1]], 1.0) == 2  # around 0 and around 1
    assert passed_cells([there - [1.0, 0.0, 0.0]], 1.0) == 2
    assert passed_cells([there], 0.2) == 3


def test_prior_of_the_shipped_skills_goes_further_than_random_latents_and_actions(tmp_path, capsys) -> None:
    assert main([*EXPLORE, "--episodes", "6", "--plots", str(tmp_path), "--json"]) == 0
    alone = capsys.readouterr().out
    cells = json.loads(alone.splitlines()[-1])["cells"]
    assert cells[PRIOR] > cells[LATENTS] > cells[ACTIONS] > 1
    assert Image.open(tmp_path / "exploration.png").width > 500
    assert main([*EXPLORE, "--episodes", "6", "--workers", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["cells"] == cells


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--cell", "0"), "--cell is 0.0, expected metres"),
        (("--cell", "nan"), "--cell is nan"),
        (("--episodes", "0"), "--episodes is 0"),
        (("--task", "kitchen"), "but the kitchen gives"),
    ],
)
def test_what_cannot_be_explored_is_said(more, message, capsys) -> None:
    assert main([*EXPLORE, *more]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and "Traceback" not in error
