"""Positions of joints that turn without end, from drivers that report them within one turn."""

from collections.abc import Collection, Sequence

import numpy as np

_TURN = 2.0 * np.pi


class Turns:
    """Unwraps continuous joints: each position is the one nearest to the last, a whole number of turns away.

    The first position of each is taken as it is. Not thread-safe.
    """

    def __init__(self, joint_names: Collection[str]) -> None:
        """Name the joints that turn without end; of others nothing is changed."""
        self._joint_names = frozenset(joint_names)
        self._last: dict[str, float] = {}

    def unwrap(self, names: Sequence[str], positions: Sequence[float]) -> Sequence[float]:
        """Positions in the order of the names [rad]; a position that is not finite, or lacks, is left to the caller."""
        if not self._joint_names or len(positions) != len(names):
            return positions
        unwrapped = list(positions)
        for index, name in enumerate(names):
            if name not in self._joint_names or not np.isfinite(positions[index]):
                continue
            turns = round((self._last.get(name, positions[index]) - positions[index]) / _TURN)
            self._last[name] = unwrapped[index] = positions[index] + turns * _TURN
        return unwrapped
