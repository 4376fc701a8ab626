"""The newest whole observation of an arm and its scene, with its age."""

from collections.abc import Collection, Sequence

import numpy as np

from spirl_ros.control.observation import ObservationAssembler
from spirl_ros.control.turns import Turns
from spirl_ros.errors import ObservationError


class LatestObservation:
    """Keeps the newest observation whose parts were measured at the same moment. Not thread-safe."""

    def __init__(
        self, joint_names: Sequence[str], scene_names: Sequence[str], continuous: Collection[str] = ()
    ) -> None:
        """Begin without measurements.

        Args:
            joint_names: of the arm.
            scene_names: of the scene; none, and no scene states are needed.
            continuous: joints that turn without end, whatever turn their driver reports them in.
        """
        self._turns = Turns(continuous)
        self._assembler = ObservationAssembler(joint_names, scene_names)
        self._joint_count, self._has_scene = len(joint_names), bool(scene_names)
        self._values: np.ndarray | None = None
        self._received_s, self._measured_ns = -np.inf, -1

    @property
    def values(self) -> np.ndarray:
        """The observation (Do,), joints first. Only after the first whole one, see `measured_ns`."""
        assert self._values is not None
        return self._values

    @property
    def joint_positions(self) -> np.ndarray:
        """Its joint positions (Da,) [rad, m]."""
        return self.values[: self._joint_count]

    @property
    def newest_joint_positions(self) -> np.ndarray:
        """Joint positions (Da,) of the last joint state [rad, m], also before the scene state of that moment has come."""
        return self._assembler.joint_positions()

    @property
    def measured_ns(self) -> int:
        """Its stamp [ns]; -1 before the first."""
        return self._measured_ns

    def age_s(self, now_s: float) -> float:
        """Time since it was received [s]; infinite before the first."""
        return now_s - self._received_s

    def is_of_joints(self, names: Sequence[str]) -> bool:
        """Does a joint state with these names tell of any of the joints."""
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

    def _check_order(self, stamp_ns: int, may_go_back: bool) -> None:
        if stamp_ns < self._measured_ns and not may_go_back:
            raise ObservationError(
                f"a state of {stamp_ns * 1e-9:.3f} s came after one of {self._measured_ns * 1e-9:.3f} s, while the arm "
                "is busy. Was its clock set back or its driver restarted?"
            )

    def _take(self, received_s: float) -> bool:
        if not self._assembler.is_complete:
            return False
        went_back = self._assembler.stamp_ns < self._measured_ns
        self._values, self._received_s = self._assembler.observation(), received_s
        self._measured_ns = self._assembler.stamp_ns
        return went_back
