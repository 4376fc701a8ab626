"""How our pictures look, and how they get into files."""

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from PIL import Image

from spirl_ros.errors import PlotError

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
}
_DOTS_PER_INCH = 100
_COLOURS = 256


def write_figures(figures: Mapping[str, Callable[[], Figure]], folder: Path) -> list[Path]:
    """Draw each figure and write it as FOLDER/NAME.png; existing files of the same name are replaced.

    Raises:
        PlotError: the disk refuses; the file that was there stays.
    """
    paths = []
    for name, draw in figures.items():
        path = folder / f"{name}.png"
        temporary = path.with_suffix(".writing")
        with matplotlib.rc_context(_STYLE):
            figure = draw()
            try:
                folder.mkdir(parents=True, exist_ok=True)
                _save(figure, temporary)
                temporary.rename(path)
            except OSError as error:
                temporary.unlink(missing_ok=True)
                raise PlotError(f"{path} cannot be written: {error}. Choose another folder.") from error
        paths.append(path)
    return paths


def _save(figure: Figure, path: Path) -> None:
    """Write a PNG file with a palette, which is a third of the size of one with full colours."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH)
    Image.open(buffer).convert("RGB").quantize(_COLOURS).save(path, format="png", optimize=True)
