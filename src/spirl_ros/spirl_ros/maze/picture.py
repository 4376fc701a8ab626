"""What a camera above the point sees: the walls around it, drawn exactly, each pixel by the share that is wall."""

import numpy as np

from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.maze.layouts import WALL

PIXELS = 32
SIDE_M = 4.14
"""Side of the square that is seen: of a camera 5 m above the floor that sees 45 degrees."""
VIEW = Field("view", (PIXELS, PIXELS, 3), PICTURE, source="above")

_FLOOR, _WALLS, _POINT = np.array([38, 64, 89]), np.array([178, 128, 76]), np.array([50, 230, 76])
_RADIUS_M = 0.15
_REACH = int(np.ceil(SIDE_M / 2.0 + 1.0))
"""Cells on each side of the point's that are looked at."""
_EDGES = (np.arange(PIXELS + 1) / PIXELS - 0.5) * SIDE_M
_CELLS = np.arange(-_REACH, _REACH + 1)
_MIDDLES = 0.5 * (_EDGES[1:] + _EDGES[:-1])
_SHARE_OF_POINT = np.clip((_RADIUS_M - np.hypot(*np.meshgrid(_MIDDLES, _MIDDLES))) / (SIDE_M / PIXELS) + 0.5, 0.0, 1.0)[
    ..., None
]


def padded(layout: np.ndarray) -> np.ndarray:
    """A layout with so much wall around it that every picture lies inside."""
    return np.pad(layout, _REACH, constant_values=WALL)


def draw(padded_layout: np.ndarray, position: np.ndarray) -> np.ndarray:
    """The picture (32, 32, 3) about a position (2,) [m]: x to the right, y upwards."""
    cell = np.rint(position).astype(int)
    x, y = cell  # of the padded layout: where the cells that are looked at begin
    seen = padded_layout[x : x + len(_CELLS), y : y + len(_CELLS)] == WALL
    across, along = (_share_of_cells(float(beside)) for beside in position - cell)
    walls = (along @ seen.T @ across.T)[::-1, :, None]
    colours = _FLOOR * (1.0 - walls) + _WALLS * walls
    colours = colours * (1.0 - _SHARE_OF_POINT) + _POINT * _SHARE_OF_POINT
    return np.rint(colours).astype(np.uint8)


def _share_of_cells(beside: float) -> np.ndarray:
    """How much of each row of pixels lies in each cell (P, C), where the middle lies so far beside a cell's [m]."""
    edges = beside + _EDGES[:, None]
    overlap = np.minimum(edges[1:], _CELLS + 0.5) - np.maximum(edges[:-1], _CELLS - 0.5)
    return np.maximum(overlap, 0.0) * (PIXELS / SIDE_M)
