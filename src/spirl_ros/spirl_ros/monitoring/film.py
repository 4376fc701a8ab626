"""An episode as a film: kept as positions, drawn without a screen, written as GIF or mp4."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spirl_ros.errors import ConfigError, PlotError
from spirl_ros.tasks.opengl import working_backend
from spirl_ros.tasks.scene_view import find_view


@dataclass(frozen=True)
class EpisodeFilm:
    """What a film shows."""

    positions: np.ndarray
    """True positions (N, Da+Ds) at every control step, the first one included."""
    captions: tuple[str, ...]
    """A text per picture."""
    family: str
    """Whose scene it is."""


def check_film_path(path: Path) -> None:
    """Refuse what cannot be written, before anything is computed. Raises ConfigError."""
    if path.suffix not in (".gif", ".mp4"):
        raise ConfigError(f"the film is to be {path}, expected a name that ends with .gif or .mp4.")
    if path.suffix == ".mp4" and ffmpeg_program() is None:
        raise ConfigError(
            f"the film is to be {path}, but there is no ffmpeg here. Install it (apt install ffmpeg, or pip install "
            "imageio-ffmpeg), or write a .gif."
        )
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"the film is to be {path}, but there is no folder {path.parent}. Make it first.")


def ffmpeg_program() -> str | None:
    """The system's ffmpeg, or the one that the package imageio-ffmpeg brings."""
    program = shutil.which("ffmpeg")
    if program is None and importlib.util.find_spec("imageio_ffmpeg") is not None:
        import imageio_ffmpeg  # pyright: ignore[reportMissingImports]

        program = imageio_ffmpeg.get_ffmpeg_exe()
    return program


def write_film(film: EpisodeFilm, path: Path, width: int = 480, height: int = 360) -> str:
    """Draw a film and write it; a file of that name is replaced when the new one is complete.

    Args:
        film: what it shows.
        path: ends with .gif or .mp4.
        width: of the pictures [pixel].
        height: of the pictures [pixel].

    Returns:
        What it was drawn with: one of opengl.BACKENDS.

    Raises:
        ConfigError: another kind of file, no folder for it, or a family without view.
        PlotError: nothing draws here, or the disk refuses.
    """
    check_film_path(path)
    find_view(film.family)
    backend = working_backend()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "film.npz"
        np.savez(data, positions=film.positions, captions=np.array(film.captions, dtype=str))
        # The backend is chosen when MuJoCo is imported, so it is a process of its own that draws.
        command = [sys.executable, "-m", "spirl_ros.monitoring.film_drawing", str(data), str(path.absolute())]
        result = subprocess.run(
            [*command, str(width), str(height), film.family],
            env={**os.environ, "MUJOCO_GL": backend},
            capture_output=True,
            text=True,
        )
    if result.returncode != 0:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise PlotError(f"{path} was not written: {last}")
    return backend
