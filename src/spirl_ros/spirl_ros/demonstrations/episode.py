"""One recorded run: what was observed, intended, executed and rewarded, and how it came about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from spirl_ros.control.observation_fields import PICTURE, STATE, Field
from spirl_ros.control.velocity_action import VelocityScale, problem_of_scale
from spirl_ros.demonstrations.operator_style import OperatorStyle
from spirl_ros.errors import DatasetError


@dataclass(frozen=True)
class EpisodeMetadata:
    """How an episode came about, and what its numbers mean."""

    task: tuple[str, ...]
    """Subtasks that the operator was asked for, in order; empty when nobody knows."""
    operator: str
    """Who acted: `scripted`, a person's name, or where the episode was imported from."""
    control_rate_hz: float
    """Actions per second."""
    observation_names: tuple[str, ...]
    """Name of each value of an observation (Do)."""
    joint_names: tuple[str, ...]
    """Name of the joint of each value of an action (Da)."""
    joint_units: tuple[str, ...]
    """Unit of each joint's position, `rad` or `m` (Da)."""
    action_scale: VelocityScale
    """Joint velocity that an action of 1 asks for [rad/s, m/s]."""
    completed_at_step: Mapping[str, int] = field(default_factory=dict)
    """Every subtask that was ever done and the control step after which it first was; step 1 is the first action's."""
    seed: int | None = None
    """Seed of environment and operator."""
    operator_style: OperatorStyle | None = None
    """How a scripted operator varied; its `action_noise` is the noise injected between intended and executed action."""
    measurement_noise: Mapping[str, float] = field(default_factory=dict)
    """Noise of the simulated sensors: `robot_ratio` and `scene_ratio`; empty for a real arm."""
    mujoco_version: str = ""
    """Version of the simulator; empty for a real arm."""
    is_success: bool | None = None
    """Whether its recording was finished as success; None when nobody said so."""
    more_fields: tuple[Field, ...] = ()
    """What was observed beside the state: a description of each of the episode's `fields`, in order."""

    def __post_init__(self) -> None:
        """Check what can be checked without the arrays."""
        if not 0.0 < self.control_rate_hz < np.inf:
            raise DatasetError(f"control_rate_hz is {self.control_rate_hz}, expected more than 0.")
        if problem := problem_of_scale(self.action_scale, len(self.joint_names)):
            raise DatasetError(f"action_scale {problem}.")
        if len(self.joint_units) != len(self.joint_names):
            raise DatasetError(f"joint_units are {self.joint_units}, expected one for each of {self.joint_names}.")
        names = [one.name for one in self.more_fields]
        if STATE in names or len(set(names)) != len(names):
            raise DatasetError(f"more_fields are {', '.join(names)}, expected each once, and none named {STATE}.")


@dataclass(frozen=True)
class Episode:
    """An episode of T control steps. Its arrays are read-only."""

    observations: np.ndarray
    """(T+1, Do), measurement noise included: the one that each action was chosen on, and the one after the last."""
    actions: np.ndarray
    """(T, Da) as the operator intended them: what a demonstration teaches."""
    executed_actions: np.ndarray
    """(T, Da) as they were carried out, injected noise included."""
    rewards: np.ndarray
    """(T,) for what each action newly completed."""
    terminated: bool
    """Whether the task ended with the last step."""
    truncated: bool
    """Whether the recording ended with the last step while the task did not."""
    metadata: EpisodeMetadata
    fields: Mapping[str, np.ndarray] = field(default_factory=dict)
    """By name, what was observed beside the state: (T+1, …) of each of the metadata's `more_fields`, in its own type.

    An array that is read-only already is kept, any other is copied: pictures need not be in memory twice.
    """

    def __post_init__(self) -> None:
        """Check sizes and values, once."""
        steps = len(self.actions)
        if steps < 1:
            raise DatasetError("the episode has no action, expected at least one control step.")
        sizes = {
            "observations": (steps + 1, len(self.metadata.observation_names)),
            "actions": (steps, len(self.metadata.joint_names)),
            "executed_actions": (steps, len(self.metadata.joint_names)),
            "rewards": (steps,),
        }
        for name, expected in sizes.items():
            values = np.array(getattr(self, name), dtype=np.float64)
            if values.shape != expected:
                raise DatasetError(
                    f"{name} has shape {values.shape}, expected {expected} for {steps} actions and the names given."
                )
            _require_finite(name, values)
            values.flags.writeable = False
            object.__setattr__(self, name, values)
        object.__setattr__(self, "fields", self._checked_fields())
        if self.terminated and self.truncated:
            raise DatasetError("the episode is both terminated and truncated, expected at most one of them.")

    @property
    def steps(self) -> int:
        """Control steps T."""
        return len(self.actions)

    def without_fields(self) -> "Episode":
        """The same with the state alone, for formats that have no place for more."""
        return self.with_fields(())

    def with_fields(self, described: Sequence[Field]) -> "Episode":
        """The same with some of its fields alone."""
        fields = {one.name: self.fields[one.name] for one in described}
        return replace(self, fields=fields, metadata=replace(self.metadata, more_fields=tuple(described)))

    def _checked_fields(self) -> dict[str, np.ndarray]:
        """The fields in the order of their descriptions, read-only."""
        described = [one.name for one in self.metadata.more_fields]
        if set(self.fields) != set(described):
            found, expected = (", ".join(names) or "none" for names in (self.fields, described))
            raise DatasetError(f"fields are {found}, expected {expected}, as more_fields of the metadata says.")
        return {one.name: _checked_field(one, self.fields[one.name], self.steps) for one in self.metadata.more_fields}


def _checked_field(described: Field, values: np.ndarray, steps: int) -> np.ndarray:
    expected = (steps + 1, *described.shape)
    if values.shape != expected or values.dtype != described.dtype:
        raise DatasetError(
            f"{described.name} is {values.shape} of {values.dtype}, expected {expected} of {described.dtype} "
            f"for {steps} actions."
        )
    if described.dtype != PICTURE:
        _require_finite(described.name, values)
    if values.flags.writeable or not values.flags.c_contiguous:
        values = np.array(values, order="C")
        values.flags.writeable = False
    return values


def _require_finite(name: str, values: np.ndarray) -> None:
    is_finite = np.isfinite(values)
    if not is_finite.all():
        where = tuple(int(i) for i in np.argwhere(~is_finite)[0])
        raise DatasetError(f"{name} is {values[where]} at {where}, expected finite numbers only.")
