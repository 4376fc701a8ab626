"""`spirl rl eval --video`: the film of what was evaluated, and the word about what drew it."""

from functools import partial
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("onnxruntime")
pytest.importorskip("gymnasium_robotics")

from spirl_ros.commands.main import main
from spirl_ros.errors import PlotError
from spirl_ros.monitoring import film
from spirl_ros.shipped import shipped

EVAL = ["rl", "eval", "--bundle", str(shipped("models/kitchen")), "--episodes", "1", "--workers", "1"]


@pytest.mark.slow
def test_first_episode_is_filmed_and_the_command_says_what_drew_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        backend = film.working_backend()
    except PlotError as error:
        pytest.skip(f"films cannot be drawn here: {error}")
    # Small pictures: a program draws them.
    monkeypatch.setattr(film, "write_film", partial(film.write_film, width=80, height=60))
    path = tmp_path / "film.gif"
    assert main([*EVAL, "--video", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"film of the first episode: {path}, drawn with {backend}"
    assert backend in ("egl", "osmesa", "glfw")
    assert lines[1].startswith("in order ")
    picture = Image.open(path)
    assert picture.format == "GIF" and picture.size == (80, 60)
    assert picture.n_frames > 100  # pyright: ignore[reportAttributeAccessIssue]


def test_film_that_cannot_be_is_refused_before_anything_is_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*EVAL, "--video", str(tmp_path / "film.avi")]) == 2
    assert main([*EVAL, "--video", str(tmp_path / "film.gif"), "--franka-kitchen"]) == 2
    output = capsys.readouterr()
    assert output.out == "" and ".gif or .mp4" in output.err and "leave --peer out" in output.err
