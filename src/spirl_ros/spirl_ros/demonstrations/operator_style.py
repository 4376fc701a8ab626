"""How an operator varies from one execution to the next, as people do."""

from dataclasses import dataclass

import numpy as np

from spirl_ros.errors import ConfigError


@dataclass(frozen=True)
class OperatorStyle:
    """How much a scripted operator varies."""

    target_jitter: float = 1.0
    """Scale of the variation of grasp points, hand angles and end points; 1 is a centimetre or two and 5 degrees."""
    target_noise_m: float = 0.004
    """Standard deviation of the slow wander of the hand about its path, per axis [m]."""
    action_noise: float = 0.1
    """Standard deviation of the noise on the executed action, arm joints only; correlated over 5 control steps."""
    speed_range: tuple[float, float] = (0.85, 1.1)
    """Smallest and largest speed of a movement, relative to the recipe's."""
    pause_probability: float = 0.1
    """Chance to stop and think for 2 to 7 control steps before a subtask."""

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("target_jitter", "target_noise_m", "action_noise", "pause_probability"):
            value = getattr(self, name)
            if not 0.0 <= value < np.inf:
                raise ConfigError(f"{name} is {value}, expected 0 or more.")
        slow, fast = self.speed_range
        if not 0.0 < slow <= fast < np.inf:
            raise ConfigError(f"speed_range is {self.speed_range}, expected 0 < slowest <= fastest.")


DEFAULT_STYLE = OperatorStyle()
MACHINE = OperatorStyle(
    target_jitter=0.0, target_noise_m=0.0, action_noise=0.0, speed_range=(1.0, 1.0), pause_probability=0.0
)
"""No variation at all."""

_TARGET_MEMORY = 0.85
_ACTION_MEMORY = 0.8
"""Correlation of a noise from one control step to the next."""


class Variation:
    """Draws one operator's variation from one generator: jitter per attempt, correlated noise per control step."""

    def __init__(self, style: OperatorStyle, generator: np.random.Generator, action_size: int) -> None:
        """Begin with both noises at zero."""
        self._style = style
        self._generator = generator
        self._target_noise = np.zeros(3)
        self._action_noise = np.zeros(action_size)

    def jitter(self, half_width: float) -> float:
        """A uniform number in ± `half_width`, in its unit."""
        return self._style.target_jitter * half_width * float(self._generator.uniform(-1.0, 1.0))

    def jitter3(self, x: float, y: float, z: float) -> np.ndarray:
        """A uniform offset (3,) in a box with these half-widths."""
        return self._style.target_jitter * self._generator.uniform(-1.0, 1.0, 3) * (x, y, z)

    def speed(self) -> float:
        """Relative speed of a movement."""
        return float(self._generator.uniform(*self._style.speed_range))

    def pause_steps(self) -> int:
        """Control steps to wait before a subtask, usually 0."""
        return int(self._generator.integers(2, 8)) if self._generator.random() < self._style.pause_probability else 0

    def next_target_noise(self) -> np.ndarray:
        """Offset (3,) [m] of the hand's target in this control step."""
        self._target_noise = self._correlated(self._target_noise, _TARGET_MEMORY)
        return self._style.target_noise_m * self._target_noise

    def next_action_noise(self) -> np.ndarray:
        """Noise on the action of this control step."""
        self._action_noise = self._correlated(self._action_noise, _ACTION_MEMORY)
        return self._style.action_noise * self._action_noise

    def _correlated(self, noise: np.ndarray, memory: float) -> np.ndarray:
        """Next value of an autoregressive noise with unit variance."""
        return memory * noise + (1.0 - memory**2) ** 0.5 * self._generator.standard_normal(noise.size)
