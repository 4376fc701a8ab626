"""An observation is named fields: `state`, the numbers that every robot has, and others beside it, such as pictures.

`state` is one vector (Do,) with the joint positions first, there at every control step: a decoder sees it alone. Prior,
policy and critic decide once per skill, and may see other fields as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spirl_ros.errors import ConfigError

STATE = "state"
"""The field with the joint positions and what else is measured at every control step."""
VECTOR, PICTURE = "float32", "uint8"
"""Types of a field's values."""

Observation = Mapping[str, np.ndarray]
"""Values by field, each of its field's shape, or a batch (B, ...) of them."""


@dataclass(frozen=True)
class Field:
    """One field of an observation."""

    name: str
    shape: tuple[int, ...]
    """(N,) of a vector, (height, width, channels) of a picture."""
    dtype: str = VECTOR
    """VECTOR or PICTURE."""
    names: tuple[str, ...] = ()
    """Of a vector: name of each value, as joint states and scene states name it."""
    units: tuple[str, ...] = ()
    """Of a vector: unit of each value, `rad`, `m`, or `1` for a number without a unit."""
    source: str = ""
    """Of a picture: its camera."""

    def __post_init__(self) -> None:
        """Check that the parts agree."""
        if not self.name.isidentifier():
            raise ConfigError(f"an observed field is named '{self.name}', expected letters, digits and _.")
        if self.dtype not in (VECTOR, PICTURE):
            raise ConfigError(f"{self.name}.dtype is '{self.dtype}', expected {VECTOR} or {PICTURE}.")
        axes = 1 if self.dtype == VECTOR else 3
        if len(self.shape) != axes or min(self.shape) < 1:
            expected = "(N,)" if self.dtype == VECTOR else "(height, width, channels)"
            raise ConfigError(f"{self.name}.shape is {self.shape}, expected {expected} for {self.dtype}.")
        if self.dtype == PICTURE:
            if self.names or self.units or not self.source:
                raise ConfigError(f"{self.name} is a picture: expected a camera as its source, no names and no units.")
            return
        if len(set(self.names)) != self.shape[0] or len(self.names) != self.shape[0]:
            raise ConfigError(f"{self.name}.names are {list(self.names)}, expected {self.shape[0]}, each once.")
        if len(self.units) != len(self.names):
            raise ConfigError(f"{self.name} has {len(self.names)} names but {len(self.units)} units.")


def state_field(names: Iterable[str], units: Iterable[str]) -> Field:
    """The field `state` with these values, the joints first."""
    names = tuple(names)
    return Field(STATE, (len(names),), names=names, units=tuple(units))


def part_of_state(field: Field, state_names: Sequence[str]) -> list[int] | None:
    """Where the state has each value of a vector, so that nobody need keep it twice; None where it lacks one."""
    names = list(state_names)
    is_part = field.dtype == VECTOR and set(field.names) <= set(names)
    return [names.index(name) for name in field.names] if is_part else None


@dataclass(frozen=True)
class ObservationSpec:
    """All that is observed of a robot and its scene, and what each network sees of it."""

    fields: tuple[Field, ...]
    """`state` first."""
    policy: tuple[str, ...] = (STATE,)
    """Fields that the policy sees: what a real robot knows."""
    critic: tuple[str, ...] = (STATE,)
    """Fields that the critics see. They are needed while learning alone, so in simulation they may see more."""
    prior: tuple[str, ...] = ()
    """Fields that the skill prior sees, in order: some of the policy's, which begins as its copy; empty for the
    policy's. What a place means in this scene alone, such as a position, is none of the prior's."""

    def __post_init__(self) -> None:
        """Check the names."""
        names = [field.name for field in self.fields]
        if names[:1] != [STATE] or len(set(names)) != len(names):
            raise ConfigError(f"observed fields are {', '.join(names) or 'none'}, expected {STATE} first, each once.")
        if not self.prior:
            object.__setattr__(self, "prior", self.policy)
        for network in ("policy", "critic", "prior"):
            seen = getattr(self, network)
            if unknown := [name for name in seen if name not in names]:
                raise ConfigError(f"the {network} sees {unknown[0]}, expected some of {', '.join(names)}.")
            if not seen or len(set(seen)) != len(seen):
                raise ConfigError(f"the {network} sees {', '.join(seen) or 'nothing'}, expected fields, each once.")
        if unseen := [name for name in self.prior if name not in self.policy]:
            raise ConfigError(f"the prior sees {unseen[0]}, which the policy, its copy, does not. Let both see it.")

    @property
    def state(self) -> Field:
        """The field `state`."""
        return self.fields[0]

    def chosen(self, names: Iterable[str]) -> tuple[Field, ...]:
        """The fields of these names, in their order."""
        by_name = {field.name: field for field in self.fields}
        return tuple(by_name[name] for name in names)

    @property
    def more_fields(self) -> tuple[Field, ...]:
        """The fields beside the state, but for vectors whose values it has too."""
        return tuple(field for field in self.fields[1:] if part_of_state(field, self.state.names) is None)

    @property
    def pictures(self) -> tuple[Field, ...]:
        """What cameras take."""
        return tuple(field for field in self.fields if field.dtype == PICTURE)

    @property
    def units(self) -> dict[str, str]:
        """Unit of every number, by its name."""
        vectors = (field for field in self.fields if field.dtype == VECTOR)
        return {name: unit for field in vectors for name, unit in zip(field.names, field.units, strict=True)}
