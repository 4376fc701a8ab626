"""The scene's positions as far as they are known, filled in by name."""

from collections.abc import Sequence

import numpy as np

from spirl_ros.tasks.mujoco_scene import MujocoScene


class MeasuredPositions:
    """All positions of a scene; what was never measured stands where every episode begins.

    For looking only: unlike an observation it may be incomplete, so that a real arm without a scene state is shown too.
    """

    def __init__(self, scene: MujocoScene | None) -> None:
        """Begin with the initial positions; without a scene there are none."""
        names = () if scene is None else (*scene.joint_names, *scene.scene_names)
        self._index = {name: index for index, name in enumerate(names)}
        self._layouts: dict[tuple[str, ...], tuple[np.ndarray, np.ndarray]] = {}
        self.values = np.empty(0) if scene is None else scene.initial_positions.copy()
        """(Da+Ds,) [rad, m, 1]."""

    def update(self, names: Sequence[str], positions: Sequence[float]) -> None:
        """Take in named positions; unknown names and values that are not finite are left out."""
        key = tuple(names)
        if key not in self._layouts:
            known = [place for place, name in enumerate(key) if name in self._index]
            self._layouts[key] = np.array(known, dtype=int), np.array([self._index[key[place]] for place in known], int)
        given, wanted = self._layouts[key]
        values = np.asarray(positions, dtype=float)
        if len(values) != len(key):
            return
        is_finite = np.isfinite(values[given])
        self.values[wanted[is_finite]] = values[given[is_finite]]
