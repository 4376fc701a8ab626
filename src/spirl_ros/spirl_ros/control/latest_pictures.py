"""The newest pictures of an arm's cameras, and which of them belong to a state."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from spirl_ros.control.observation_fields import Field
from spirl_ros.errors import ObservationError

FROZEN_S = 1.0
"""A camera that has shown the same picture for so long while the arm moved shows what was [s]."""
_MOVED = 0.05
"""An arm that has gone so far has moved [rad, m]."""
_KEPT = 8
"""Pictures of a camera that may wait for the state of their moment."""


@dataclass
class _Camera:
    pictures: deque[tuple[int, np.ndarray]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    """Stamp [ns] and picture (H, W, C) of those that can be used, the newest last."""
    shown: np.ndarray | None = None
    """The newest picture (H, W, C), whether it can be used or not."""
    shown_ns: int = -1
    """Its stamp [ns]."""
    since_ns: int = -1
    """Since when it has shown this [ns]."""
    since_at: np.ndarray | None = None
    """Where the arm was then (Da,) [rad, m]; None where that is not known."""

    def show(self, picture: np.ndarray, stamp_ns: int, joint_positions: np.ndarray | None) -> None:
        """Take in the newest picture."""
        if stamp_ns < self.shown_ns:  # A simulator began anew.
            self.pictures.clear()
            self.shown = None
        if self.shown is None or not np.array_equal(self.shown, picture):
            self.since_ns, self.since_at = stamp_ns, joint_positions
        elif self.since_at is None:
            self.since_at = joint_positions
        self.shown, self.shown_ns = picture, stamp_ns

    def problem(self, joint_positions: np.ndarray | None) -> str:
        """Why what it shows is of no use, or nothing."""
        if self.shown is not None and not self.shown.any():
            return "shows nothing but black. Uncover it, or give it light"
        same_s = (self.shown_ns - self.since_ns) * 1e-9
        if same_s >= FROZEN_S and joint_positions is not None and self.since_at is not None:
            if np.abs(joint_positions - self.since_at).max() > _MOVED:
                return f"has shown the same picture for {same_s:.1f} s while the arm moved. Start its driver again"
        return ""


class LatestPictures:
    """Keeps the newest pictures of each camera by the time that they were taken. Not thread-safe."""

    def __init__(self, fields: Sequence[Field], max_age_s: float | None) -> None:
        """Begin with none.

        Args:
            fields: the pictures that an observation has.
            max_age_s: how much older than the state a picture may be [s]; None where it has to be of the same moment,
                as in lockstep.
        """
        self._fields = {field.name: field for field in fields}
        self._max_age_s = max_age_s
        self._cameras = {name: _Camera() for name in self._fields}

    def update(self, name: str, picture: np.ndarray, stamp_ns: int, joint_positions: np.ndarray | None) -> None:
        """Take in the picture of a field.

        Args:
            name: of the field.
            picture: (H, W, C), of the field's shape.
            stamp_ns: when it was taken [ns].
            joint_positions: where the arm is (Da,) [rad, m]; None where that is not known.

        Raises:
            ObservationError: it shows nothing, or what it has shown for long while the arm moved. It is not taken in,
                and the ones before are forgotten.
        """
        camera = self._cameras[name]
        camera.show(picture, stamp_ns, joint_positions)
        if problem := camera.problem(joint_positions):
            camera.pictures.clear()
            raise ObservationError(f"camera '{self._fields[name].source}' {problem}.")
        camera.pictures.append((stamp_ns, picture))

    def of_moment(self, stamp_ns: int) -> dict[str, np.ndarray] | None:
        """The pictures that belong to a state with this stamp [ns], by field; None where one lacks."""
        found = {name: self._of_moment(camera, stamp_ns) for name, camera in self._cameras.items()}
        pictures = {name: picture for name, picture in found.items() if picture is not None}
        return pictures if len(pictures) == len(found) else None

    def why_none(self, stamp_ns: int) -> str:
        """Which camera has no picture for a state with this stamp [ns], in words; empty where each has one."""
        for name, camera in self._cameras.items():
            if self._of_moment(camera, stamp_ns) is not None:
                continue
            source = self._fields[name].source
            if not camera.pictures:
                return f"a picture of camera '{source}'"
            late_s = (stamp_ns - camera.pictures[-1][0]) * 1e-9
            limit = "of the same moment" if self._max_age_s is None else f"at most {self._max_age_s:g} s older"
            return (
                f"a newer picture of camera '{source}': its last one is {late_s:.3f} s older than the arm's state, "
                f"expected {limit}"
            )
        return ""

    def _of_moment(self, camera: _Camera, stamp_ns: int) -> np.ndarray | None:
        for taken_ns, picture in reversed(camera.pictures):
            if taken_ns == stamp_ns:
                return picture
            if self._max_age_s is not None and abs(stamp_ns - taken_ns) * 1e-9 <= self._max_age_s:
                return picture
        return None
