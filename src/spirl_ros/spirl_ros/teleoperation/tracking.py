"""Whether an arm is where it was sent."""

from collections import deque

import numpy as np

TOLERANCE = 0.04
"""Between a measured joint and the way that it was sent on [rad, m]."""
WINDOW_S = 0.3
"""Of the set-points that a joint may still be on its way to: three times the lag of a slow arm [s]."""


class Tracking:
    """Compares measured joints with the range of the set-points sent lately, so that lag alone is no deviation."""

    def __init__(self, joint_names: tuple[str, ...], tolerance: float = TOLERANCE) -> None:
        """Prepare; `restart` begins."""
        self._joint_names, self._tolerance = joint_names, tolerance
        self._sent: deque[tuple[float, np.ndarray]] = deque()

    def restart(self, joint_positions: np.ndarray, now_s: float) -> None:
        """The arm is at (Da,), and is to stay there."""
        self._sent = deque([(now_s, joint_positions.copy())])

    def sent(self, joint_positions: np.ndarray, now_s: float) -> None:
        """The arm is sent to (Da,) now."""
        self._sent.append((now_s, joint_positions.copy()))
        # The last one before the window was in force when it began.
        while len(self._sent) > 1 and self._sent[1][0] <= now_s - WINDOW_S:
            self._sent.popleft()

    def deviation(self, measured: np.ndarray) -> str:
        """Which measured joint (Da,) is too far from its way, and how far; nothing when none is."""
        lower = np.min([positions for _, positions in self._sent], axis=0)
        upper = np.max([positions for _, positions in self._sent], axis=0)
        outside = np.maximum(lower - measured, measured - upper)
        worst = int(np.argmax(outside))
        if outside[worst] <= self._tolerance:
            return ""
        return (
            f"{self._joint_names[worst]} is {outside[worst]:.2f} from where it was sent, expected at most "
            f"{self._tolerance:.2f}: something holds it, or moves it too"
        )
