from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spirl_ros.errors import ConfigError, PlotError
from spirl_ros.kitchen.scene import INITIAL_POSITIONS
from spirl_ros.monitoring.film import EpisodeFilm, check_film_path, ffmpeg_program, working_backend, write_film

FILM = EpisodeFilm(
    np.stack([INITIAL_POSITIONS, INITIAL_POSITIONS + np.r_[0.6, np.zeros(29)]]),
    ("- microwave", "+ microwave"),
    "kitchen",
)


@pytest.fixture(scope="module")
def backend() -> str:
    try:
        return working_backend()
    except PlotError as error:
        pytest.skip(f"films cannot be drawn here: {error}")


def test_gif_shows_the_arm_move(backend: str, tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    assert write_film(FILM, path, width=200, height=150) == backend
    film = Image.open(path)
    assert film.n_frames == 2  # pyright: ignore[reportAttributeAccessIssue]
    assert film.size == (200, 150) and film.info["duration"] == 80
    first = np.asarray(film.convert("RGB"), dtype=int)
    film.seek(1)
    second = np.asarray(film.convert("RGB"), dtype=int)
    changed = (np.abs(second - first).max(axis=-1) > 30).mean()
    assert first.std() > 20 and 0.01 < changed < 0.5
    assert [file.name for file in tmp_path.iterdir()] == ["film.gif"]


@pytest.mark.skipif(ffmpeg_program() is None, reason="there is no ffmpeg here")
def test_mp4_is_written_where_ffmpeg_is(backend: str, tmp_path: Path) -> None:
    write_film(FILM, tmp_path / "film.mp4", width=200, height=150)
    assert b"ftyp" in (tmp_path / "film.mp4").read_bytes()[:32]


def test_wrong_names_are_told_before_anything_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"\.gif or \.mp4"):
        check_film_path(tmp_path / "film.avi")
    with pytest.raises(ConfigError, match="no folder"):
        check_film_path(tmp_path / "nowhere" / "film.gif")
    monkeypatch.setattr("spirl_ros.monitoring.film.ffmpeg_program", lambda: None)
    with pytest.raises(ConfigError, match="no ffmpeg"):
        check_film_path(tmp_path / "film.mp4")


@pytest.mark.parametrize(
    "egl", ["sys.exit('no display')", "os.kill(os.getpid(), 9)", "time.sleep(600)"], ids=["fails", "dies", "hangs"]
)
def test_osmesa_draws_where_egl_does_not(egl: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    probe = f"import os, sys, time; os.environ['MUJOCO_GL'] == 'osmesa' or {egl}"
    monkeypatch.setattr("spirl_ros.monitoring.film._PROBE", probe)
    monkeypatch.setattr("spirl_ros.monitoring.film._PROBE_PATIENCE_S", 3.0)
    assert working_backend() == "osmesa"
    monkeypatch.setenv("MUJOCO_GL", "egl")  # what somebody asks for is not replaced
    with pytest.raises(PlotError, match="nothing can draw without a screen .egl: "):
        working_backend()


def test_machine_that_cannot_draw_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "nothing")
    with pytest.raises(PlotError, match="libosmesa6"):
        working_backend()
