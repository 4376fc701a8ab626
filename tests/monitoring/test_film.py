from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spirl_ros.errors import ConfigError
from spirl_ros.kitchen.scene import INITIAL_POSITIONS
from spirl_ros.monitoring.film import EpisodeFilm, check_film_path, ffmpeg_program, write_film

FILM = EpisodeFilm(
    np.stack([INITIAL_POSITIONS, INITIAL_POSITIONS + np.r_[0.6, np.zeros(29)]]),
    ("- microwave", "+ microwave"),
    "kitchen",
)


def test_gif_shows_the_arm_move(opengl: str, tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    assert write_film(FILM, path, width=200, height=150) == opengl
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
def test_mp4_is_written_where_ffmpeg_is(opengl: str, tmp_path: Path) -> None:
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
