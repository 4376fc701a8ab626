"""What every input device asks for: a velocity of the tool for a short while, and requests about the episode."""

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from spirl_ros.errors import CommandError


class Request(Enum):
    """What a key or a button asks for beside motion."""

    STOP = auto()
    TOGGLE_GRIPPER = auto()
    FASTER = auto()
    SLOWER = auto()
    START_RECORDING = auto()
    FINISH_AS_SUCCESS = auto()
    FINISH_AS_FAILURE = auto()
    DISCARD_RECORDING = auto()
    RESET_SCENE = auto()
    RELEASE_LATCH = auto()
    SHOW_HELP = auto()
    QUIT = auto()


@dataclass(frozen=True)
class ToolVelocity:
    """Velocity of the point between the fingertips, checked at construction."""

    linear: np.ndarray
    """(3,) [m/s]."""
    angular: np.ndarray
    """(3,) [rad/s], a rotation vector per second."""
    is_in_tool_frame: bool = False
    """Whether it is along the tool's axes, z out of the hand; otherwise along the world's, x right, y ahead, z up."""

    def __post_init__(self) -> None:
        """Check the values; raises CommandError."""
        for name in ("linear", "angular"):
            value = np.array(getattr(self, name), dtype=float)
            if value.shape != (3,) or not np.isfinite(value).all():
                raise CommandError(f"{name} velocity of the tool is {value}, expected 3 finite values.")
            object.__setattr__(self, name, value)

    def in_world(self, rotation: np.ndarray) -> np.ndarray:
        """Linear and angular velocity (6,) along the world's axes, for a tool turned by `rotation` (3, 3)."""
        if self.is_in_tool_frame:
            return np.concatenate((rotation @ self.linear, rotation @ self.angular))
        return np.concatenate((self.linear, self.angular))


class DeadMan:
    """Keeps the newest velocity for as long as it may be acted on."""

    def __init__(self) -> None:
        """Begin with nothing asked for."""
        self._velocity: ToolVelocity | None = None
        self._until_s = -np.inf

    def ask(self, velocity: ToolVelocity, now_s: float, timeout_s: float) -> None:
        """Take in a velocity received now; it replaces the last one and holds for `timeout_s` [s]."""
        self._velocity = velocity
        self._until_s = now_s + timeout_s

    def release(self) -> None:
        """Ask for nothing any more."""
        self._velocity = None

    def velocity(self, now_s: float) -> ToolVelocity | None:
        """What is asked for now, or None: then the arm brakes."""
        return self._velocity if now_s <= self._until_s else None
