"""Learning in the maze, of the smallest size, once for all tests."""

import importlib.util
from typing import TYPE_CHECKING

import pytest

if importlib.util.find_spec("torch") is None or importlib.util.find_spec("onnxscript") is None:
    collect_ignore = ["test_skills.py", "test_policy.py"]

if TYPE_CHECKING:
    from tests.maze.trained_skills import TrainedSkills


@pytest.fixture(scope="session")
def maze_skills(tmp_path_factory) -> "TrainedSkills":
    """Hardly trained ones."""
    from tests.maze.trained_skills import train_maze_skills

    return train_maze_skills(tmp_path_factory.mktemp("maze"))
