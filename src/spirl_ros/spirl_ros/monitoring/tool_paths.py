"""The way of the tool, cut into skills."""

from collections import deque
from typing import NamedTuple

import numpy as np

KEPT_SKILLS = 6
"""Skills whose way is shown, the one under way included."""
MOST_POINTS = 200
"""Points kept of one skill, the last ones: without a skill executor all the way is one."""
_LEAST_STEP_M = 2e-3
"""Points nearer to the one before are left out."""
_GOLDEN_ANGLE = 0.381966
"""Share of the colour circle between two skills: neighbours differ, and so do the neighbours' neighbours."""


class ToolPath(NamedTuple):
    """The way during one skill."""

    skill_id: int
    points: np.ndarray
    """(N, 3) [m], at least two."""
    colour: tuple[float, float, float]
    """Red, green and blue, 0 to 1."""
    slot: int
    """From 0 on, below the count of skills kept: no two ways that are shown at once have the same."""


class ToolPaths:
    """Collects tool positions; the oldest skills are forgotten. One thread."""

    def __init__(self, kept_skills: int = KEPT_SKILLS) -> None:
        """Begin with nothing."""
        self._paths: deque[tuple[int, deque[np.ndarray]]] = deque(maxlen=kept_skills)
        self._kept_skills, self._begun = kept_skills, 0

    def add(self, skill_id: int, position: np.ndarray) -> None:
        """Take in a tool position (3,) [m] during a skill."""
        if not self._paths or self._paths[-1][0] != skill_id:
            # The ways of two skills meet where one ends and the other begins.
            last = [self._paths[-1][1][-1]] if self._paths else []
            self._paths.append((skill_id, deque(last, maxlen=MOST_POINTS)))
            self._begun += 1
        points = self._paths[-1][1]
        if not points or np.linalg.norm(points[-1] - position) > _LEAST_STEP_M:
            points.append(position.copy())

    def clear(self) -> None:
        """Forget everything: the scene was reset."""
        self._paths.clear()

    def paths(self) -> list[ToolPath]:
        """What can be drawn, oldest first."""
        # By their order and not by the skills' numbers, of which some are never seen.
        first = self._begun - len(self._paths)
        return [
            ToolPath(skill_id, np.array(points), skill_colour(skill_id), (first + index) % self._kept_skills)
            for index, (skill_id, points) in enumerate(self._paths)
            if len(points) > 1
        ]

    def segments(self) -> tuple[np.ndarray, np.ndarray]:
        """All ways as segments (N, 2, 3) [m], and the colour of each (N, 3), 0 to 255."""
        segments, colours = [np.empty((0, 2, 3))], [np.empty((0, 3))]
        for path in self.paths():
            segments.append(np.stack((path.points[:-1], path.points[1:]), axis=1))
            colours.append(np.tile(255.0 * np.array(path.colour), (len(path.points) - 1, 1)))
        return np.concatenate(segments), np.concatenate(colours)


def skill_colour(skill_id: int) -> tuple[float, float, float]:
    """A strong colour for a skill: red, green and blue, 0 to 1."""
    hue = 6.0 * ((skill_id * _GOLDEN_ANGLE) % 1.0)
    red, green, blue = (min(max(value, 0.0), 1.0) for value in (abs(hue - 3) - 1, 2 - abs(hue - 2), 2 - abs(hue - 4)))
    return 0.85 * red, 0.75 * green, 0.95 * blue
