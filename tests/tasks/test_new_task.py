"""The example in docs/new_task runs: as a package of its own it goes all the way, without a change in ours."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from spirl_ros.commands.main import main
from spirl_ros.demonstrations.operator_style import MACHINE
from spirl_ros.demonstrations.storage import read_dataset, stored_digest
from spirl_ros.errors import PlotError
from spirl_ros.tasks.families import find_family
from spirl_ros.tasks.opengl import working_backend
from spirl_ros.tasks.task import EpisodeConfig

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "new_task"
SKILLS = ("batch_size=32", "validation_every=60", "prior_hidden=16", "prior_layers=1", "beta=0.05")
LEARNER = ("batch_size=16", "offline_updates=10", "warm_up_decisions=5", "evaluation_episodes=1", "evaluate_every=100")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory):
    """A folder with the example as pip installs it, which Python knows while the tests run."""
    folder = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(EXAMPLE, folder / "source")  # setuptools builds beside what it reads
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(folder / "site"), str(source)], check=True, timeout=300)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder / "site")
        patch.setenv("PYTHONPATH", str(folder / "site"), prepend=os.pathsep)  # a process of its own draws films
        yield folder / "site"


def spirl(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


def changes(*settings: str) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


def test_example_is_short() -> None:
    assert len((EXAMPLE / "reach_task.py").read_text().splitlines()) <= 80


def test_operator_does_everything_in_any_order(installed: Path) -> None:
    reach = find_family("reach")
    environment, operator = reach.environment(EpisodeConfig("lever,right,left", "any")), reach.operator(MACHINE)
    assert environment is not None and operator is not None
    observation = environment.reset(0)
    operator.start(environment.targets, 0)
    while not environment.has_ended and (action := operator.act(observation)) is not None:
        observation = environment.step(action).observation
    # The way to the lever begins at the left.
    assert tuple(environment.progress.completed_at_step) == ("left", "lever", "right")
    at_right = np.array([[-1.0, 1.5, 0.0], [0.5, 1.5, 0.5]])
    assert list(reach.done(at_right)) == [{"right"}, {"left", "lever"}]


def test_example_with_a_camera_is_demonstrated_with_what_it_sees(installed: Path, opengl: str, tmp_path: Path) -> None:
    collect = ("demos", "collect", "--task", "reach_seen", "--episodes", 3)
    spirl(*collect, "--workers", 1, "--out", tmp_path / "one")
    spirl(*collect, "--workers", 2, "--out", tmp_path / "two")  # each with an OpenGL of its own
    assert stored_digest(tmp_path / "one") == stored_digest(tmp_path / "two")
    episode = read_dataset(tmp_path / "one").episodes[0]
    environment = find_family("reach_seen").environment()
    assert environment is not None and episode.metadata.seed is not None
    environment.reset(episode.metadata.seed)
    assert episode.fields["view"].shape == (episode.steps + 1, 64, 64, 3)
    for step, picture in enumerate(episode.fields["view"]):
        np.testing.assert_array_equal(environment.observe()["view"], picture)
        if step < episode.steps:
            environment.step(episode.executed_actions[step])
    assert len(np.unique(episode.fields["view"], axis=0)) > 0.8 * episode.steps


@pytest.mark.slow
def test_example_goes_all_the_way(installed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, skills, rl, bundle = (tmp_path / name for name in ("data", "skills", "rl", "bundle"))
    spirl("tasks")
    assert (
        "reach: 2 joints at 20 Hz, 3 observed values\n  has       simulator, operator, view" in capsys.readouterr().out
    )
    spirl("demos", "collect", "--task", "reach", "--episodes", 12, "--workers", 1, "--out", data)
    spirl("demos", "replay", data, "--episodes", 2, "--json")
    replayed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert replayed["started_from_seed"] == replayed["same_subtasks"] == 2 and replayed["tool_error_mm_max"] == 0.0
    spirl("demos", "plot", data, "--out", tmp_path / "plots")
    assert (tmp_path / "plots" / "tool_paths.png").exists() and (tmp_path / "plots" / "subtasks.png").exists()
    spirl("skills", "train", "--data", data, "--task", "reach", "--out", skills, "--steps", 60, *changes(*SKILLS))
    spirl("skills", "eval", skills, "--episodes", 1, "--demonstrations", 1, "--workers", 1, "--no-cloning", "--json")
    evaluated = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(evaluated["prior"]["per_subtask"]) == {"left", "right", "lever"}
    assert evaluated["tool_error_mm"]["median"] > 0.0
    train = ("rl", "train", "--skills", skills, "--task", "reach", "--out", rl, "--steps", 100)
    spirl(*train, *changes(*LEARNER))
    spirl("export", skills, "--policy", rl, "--out", bundle)
    assert "task: reach:all" in (bundle / "bundle.yaml").read_text()
    capsys.readouterr()
    film = []
    try:
        working_backend()
        film = ["--video", tmp_path / "film.gif"]
    except PlotError:
        pass
    spirl("rl", "eval", "--bundle", bundle, "--task", "reach", "--episodes", 1, *film, "--json")
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(figures["per_subtask"]) == ["left", "lever", "right"] and figures["episodes"] == 1
    assert not film or film[1].stat().st_size > 0
    assert main(["rl", "eval", "--bundle", str(bundle), "--task", "kitchen"]) == 2
    assert "task is kitchen, but the policy" in capsys.readouterr().err
    assert main(["rl", "eval", "--bundle", str(bundle), "--franka-kitchen"]) == 2
    assert "nobody else simulates the reach" in capsys.readouterr().err
    assert main(["skills", "train", "--data", str(data), "--task", "kitchen", "--out", str(tmp_path / "other")]) == 2
    assert "was made for the task 'reach:all', not for 'kitchen'" in capsys.readouterr().err
