"""Assembles the observation from named measurements that arrive one by one."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from spirl_ros.errors import ObservationError


@dataclass
class _Source:
    """One group of named values, as it was last received."""

    names: tuple[str, ...]
    values: np.ndarray | None = None
    stamp_ns: int = -1
    received_s: float = -np.inf
    _arrival: tuple[str, ...] | None = None
    _order: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))

    def update(self, names: Sequence[str], values: Sequence[float], stamp_ns: int, received_s: float) -> None:
        if tuple(names) != self._arrival:
            missing = [name for name in self.names if name not in names]
            if missing:
                raise ObservationError(
                    f"measurement lacks {', '.join(missing)}; it has {', '.join(names) or 'no names'}."
                )
            self._order = np.array([list(names).index(name) for name in self.names], dtype=int)
            self._arrival = tuple(names)
        if len(values) != len(names):
            raise ObservationError(f"measurement has {len(names)} names but {len(values)} values.")
        ordered = np.asarray(values, dtype=float)[self._order]
        if not np.isfinite(ordered).all():
            raise ObservationError(f"{self.names[int(np.argmin(np.isfinite(ordered)))]} is not finite.")
        self.values, self.stamp_ns, self.received_s = ordered, stamp_ns, received_s


class ObservationAssembler:
    """Keeps the newest joint state and scene state, mapped by name, and puts them together.

    Ages are counted from the time of receipt on the caller's steady clock, because stamps of another
    machine cannot be trusted for that. A refused measurement changes nothing.
    """

    def __init__(self, joint_names: Sequence[str], scene_names: Sequence[str]) -> None:
        """Fix the observation's layout: joint positions, then scene positions, each in the given order."""
        self._joints = _Source(tuple(joint_names))
        self._scene = _Source(tuple(scene_names))

    def is_of_joints(self, names: Sequence[str]) -> bool:
        """Is a joint state with these names for us; a gripper's on the arm's topic has none of ours and is not.

        One without any name is no other device's: it is looked at, and refused.
        """
        return not names or any(name in names for name in self._joints.names)

    def update_joint_state(
        self, names: Sequence[str], positions: Sequence[float], stamp_ns: int, received_s: float
    ) -> bool:
        """Take in measured joint positions [rad, m]; more joints than needed are fine.

        Returns:
            Whether they were taken in; not those of other joints alone, see `is_of_joints`.

        Raises:
            ObservationError: of our joints some are there and some are missing, a size is wrong or a value is not finite.
        """
        if not self.is_of_joints(names):
            return False
        self._joints.update(names, positions, stamp_ns, received_s)
        return True

    def update_scene_state(
        self, names: Sequence[str], positions: Sequence[float], stamp_ns: int, received_s: float
    ) -> None:
        """Take in measured scene positions; errors as for joint states."""
        self._scene.update(names, positions, stamp_ns, received_s)

    @property
    def is_complete(self) -> bool:
        """Were both joint state and scene state received, measured at the same time."""
        return self._joints.values is not None and self._joints.stamp_ns == self._scene.stamp_ns

    @property
    def stamp_ns(self) -> int:
        """When the joint state was measured [ns]."""
        return self._joints.stamp_ns

    def age_s(self, now_s: float) -> float:
        """Age of the older part [s]; infinite while a part is missing."""
        return now_s - min(self._joints.received_s, self._scene.received_s)

    def joint_positions(self) -> np.ndarray:
        """Measured joint positions (Da,) in the layout's order. Only after the first joint state."""
        assert self._joints.values is not None
        return self._joints.values

    def observation(self) -> np.ndarray:
        """The flat observation (Do,). Only when it is complete."""
        assert self._joints.values is not None and self._scene.values is not None
        return np.concatenate((self._joints.values, self._scene.values))
