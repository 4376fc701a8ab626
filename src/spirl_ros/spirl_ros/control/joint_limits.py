"""What a joint command may ask of an arm: position, velocity, acceleration and jerk, joint by joint."""

from dataclasses import dataclass, fields

import numpy as np

from spirl_ros.errors import ConfigError


@dataclass(frozen=True)
class JointLimits:
    """Limits of every joint, checked at construction; arrays are (Da,), in the order of the names, read-only copies."""

    joint_names: tuple[str, ...]
    position_lower: np.ndarray
    """Smallest joint command [rad, m]."""
    position_upper: np.ndarray
    """Largest joint command [rad, m]."""
    velocity: np.ndarray
    """Largest speed [rad/s, m/s]."""
    acceleration: np.ndarray
    """Largest change of velocity [rad/s², m/s²], speeding up and slowing down alike."""
    jerk: np.ndarray
    """Largest change of acceleration while braking [rad/s³, m/s³]."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: no or repeated joints, a wrong size, a value that is not finite, a rate that is not positive,
                or a range that is empty.
        """
        names = tuple(self.joint_names)
        object.__setattr__(self, "joint_names", names)
        if not names or len(set(names)) != len(names):
            raise ConfigError(f"joint_names are {list(names)}, expected at least one, each once.")
        for field in fields(self)[1:]:
            values = np.array(getattr(self, field.name), dtype=float)
            if values.shape != (len(names),):
                raise ConfigError(
                    f"{field.name} has shape {values.shape}, expected one value for each of {len(names)} joints: "
                    f"{', '.join(names)}."
                )
            is_good = np.isfinite(values)
            if not field.name.startswith("position"):
                is_good &= values > 0.0
            if not is_good.all():
                bad = int(np.argmin(is_good))
                expected = "a finite number" if field.name.startswith("position") else "finite and above 0"
                raise ConfigError(f"{field.name} of {names[bad]} is {values[bad]}, expected {expected}.")
            values.setflags(write=False)
            object.__setattr__(self, field.name, values)
        if not (self.position_lower < self.position_upper).all():
            bad = int(np.argmin(self.position_lower < self.position_upper))
            raise ConfigError(
                f"position_lower of {names[bad]} is {self.position_lower[bad]}, expected less than its position_upper, "
                f"{self.position_upper[bad]}."
            )
