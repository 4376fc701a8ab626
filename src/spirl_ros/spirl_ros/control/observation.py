"""The observation of an arm and its scene, from named measurements that arrive one by one, with its age."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from spirl_ros.control.latest_pictures import LatestPictures
from spirl_ros.control.observation_fields import STATE, Field, Observation, part_of_state
from spirl_ros.errors import ObservationError

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
        """Whether a joint state with these names is for us; a gripper's on the arm's topic has none of ours and is not.

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
            ObservationError: of our joints some are there and some are missing, a size is wrong or a value is not
                finite.
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
        """Whether joint state and scene state were both received, measured at the same time."""
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


class LatestObservation:
    """Keeps the newest observation whose parts were measured at the same moment. Not thread-safe."""

    def __init__(
        self,
        joint_names: Sequence[str],
        scene_names: Sequence[str],
        continuous: Collection[str] = (),
        *,
        vectors: Sequence[Field] = (),
        pictures: LatestPictures | None = None,
    ) -> None:
        """Begin without measurements.

        Args:
            joint_names: of the arm.
            scene_names: of the scene; none, and no scene states are needed.
            continuous: joints that turn without end, whatever turn their driver reports them in.
            vectors: fields beside the state, whose values are some of the state's.
            pictures: fields beside the state that cameras take; an observation is whole with one of each.

        Raises:
            ObservationError: the state lacks a value of a vector.
        """
        names = [*joint_names, *scene_names]
        self._vectors: dict[str, list[int]] = {}
        for vector in vectors:
            columns = part_of_state(vector, names)
            if columns is None:
                lacking = next(name for name in vector.names if name not in names)
                raise ObservationError(f"{vector.name} has {lacking}, which the state lacks: nothing measures it here.")
            self._vectors[vector.name] = columns
        self._pictures, self._shown = pictures, dict[str, np.ndarray]()
        self._turns = Turns(continuous)
        self._assembler = ObservationAssembler(joint_names, scene_names)
        self._joint_count, self._has_scene = len(joint_names), bool(scene_names)
        self._values: np.ndarray | None = None
        self._received_s, self._measured_ns = -np.inf, -1

    @property
    def observation(self) -> Observation:
        """All fields. Only after the first whole one, see `measured_ns`."""
        vectors = {name: self.values[columns] for name, columns in self._vectors.items()}
        return {STATE: self.values, **vectors, **self._shown}

    @property
    def values(self) -> np.ndarray:
        """The state (Do,), joints first. Only after the first whole one, see `measured_ns`."""
        assert self._values is not None
        return self._values

    @property
    def joint_positions(self) -> np.ndarray:
        """Its joint positions (Da,) [rad, m]."""
        return self.values[: self._joint_count]

    @property
    def newest_joint_positions(self) -> np.ndarray:
        """Joint positions (Da,) of the last joint state [rad, m], also before that moment's scene state has come."""
        return self._assembler.joint_positions()

    @property
    def measured_ns(self) -> int:
        """Its stamp [ns]; -1 before the first."""
        return self._measured_ns

    def age_s(self, now_s: float) -> float:
        """Time since it was received [s]; infinite before the first."""
        return now_s - self._received_s

    def is_of_joints(self, names: Sequence[str]) -> bool:
        """Whether a joint state with these names tells of any of the joints."""
        return self._assembler.is_of_joints(names)

    def update_joint_state(
        self, names: Sequence[str], positions: Sequence[float], stamp_ns: int, received_s: float, *, may_go_back: bool
    ) -> bool:
        """Take in measured joint positions, see ObservationAssembler; returns whether the arm's time went back.

        A state of other joints alone changes nothing, whenever it was measured.

        Args:
            names: of the joints.
            positions: one per name [rad, m].
            stamp_ns: when they were measured [ns].
            received_s: when they arrived, on the caller's steady clock [s].
            may_go_back: take a state measured before the last one, because nothing depends on the order now.

        Raises:
            ObservationError: it cannot be used, or it was measured before the last one.
        """
        if not self._assembler.is_of_joints(names):
            return False
        self._check_order(stamp_ns, may_go_back)
        positions = self._turns.unwrap(names, positions)
        self._assembler.update_joint_state(names, positions, stamp_ns, received_s)
        if not self._has_scene:
            self._assembler.update_scene_state((), (), stamp_ns, received_s)
        return self._take(received_s)

    def update_scene_state(
        self, names: Sequence[str], positions: Sequence[float], stamp_ns: int, received_s: float, *, may_go_back: bool
    ) -> bool:
        """Take in measured scene positions, as joint states. Nothing happens when no scene is observed."""
        if not self._has_scene:
            return False
        self._check_order(stamp_ns, may_go_back)
        self._assembler.update_scene_state(names, positions, stamp_ns, received_s)
        return self._take(received_s)

    def update_picture(self, name: str, picture: np.ndarray, stamp_ns: int, received_s: float) -> None:
        """Take in the picture (H, W, C) of a field, taken at a time [ns] and received at another [s].

        Raises:
            ObservationError: see LatestPictures.
        """
        assert self._pictures is not None
        has_state = self._assembler.is_complete and self._assembler.stamp_ns >= 0
        self._pictures.update(name, picture, stamp_ns, self._assembler.joint_positions() if has_state else None)
        if has_state and self._assembler.stamp_ns != self._measured_ns:
            self._take(received_s)  # The state of that moment waited for it.

    def lacking(self) -> str:
        """Which picture the newest state waits for, in words; empty when none."""
        if not self._assembler.is_complete or self._assembler.stamp_ns < 0 or self._pictures is None:
            return ""
        return self._pictures.why_none(self._assembler.stamp_ns)

    def _check_order(self, stamp_ns: int, may_go_back: bool) -> None:
        if stamp_ns < self._measured_ns and not may_go_back:
            raise ObservationError(
                f"a state of {stamp_ns * 1e-9:.3f} s came after one of {self._measured_ns * 1e-9:.3f} s, while the arm "
                "is busy. Was its clock set back or its driver restarted?"
            )

    def _take(self, received_s: float) -> bool:
        if not self._assembler.is_complete:
            return False
        pictures = {} if self._pictures is None else self._pictures.of_moment(self._assembler.stamp_ns)
        if pictures is None:
            return False
        self._shown = pictures
        went_back = self._assembler.stamp_ns < self._measured_ns
        self._values, self._received_s = self._assembler.observation(), received_s
        self._measured_ns = self._assembler.stamp_ns
        return went_back
