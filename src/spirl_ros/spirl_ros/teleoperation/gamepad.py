"""What the sticks and buttons of a gamepad ask for, as the node `joy` reports them."""

from collections.abc import Sequence

import numpy as np

from spirl_ros.errors import CommandError
from spirl_ros.teleoperation.gamepad_layout import LAYOUTS, REQUESTS, GamepadLayout
from spirl_ros.teleoperation.tool_velocity import Request


class Gamepad:
    """Turns messages into directions and requests; remembers the buttons, because pressing counts and holding not.

    Axes rest at 0.99 in some drivers until they are touched, and a stick may be leant on. So a stick moves nothing
    before it was seen at rest while the dead-man was held, and the dead-man nothing before it was seen released.
    """

    def __init__(self, layout: GamepadLayout) -> None:
        """Begin with no button held."""
        self._layout = layout
        self._held: frozenset[int] = frozenset(range(layout.buttons))  # at first: a button must be seen released once
        self._counts = np.zeros(6, dtype=bool)
        self.let_go()

    def let_go(self) -> None:
        """The dead-man has to be pressed anew: nothing was heard for a while."""
        self._has_dead_man = False

    def read(self, axes: Sequence[float], buttons: Sequence[int]) -> tuple[np.ndarray | None, list[Request]]:
        """Take in one message.

        Args:
            axes: deflections in [-1, 1].
            buttons: 1 while held.

        Returns:
            Direction (6,) of the tool's velocity, each in [-1, 1], or None while the dead-man button is not held;
            and what the buttons pressed since the last message ask for.

        Raises:
            CommandError: other numbers of axes or buttons than the layout's, or an axis that is not finite.
        """
        layout = self._layout
        deflections = np.array(axes, dtype=float)
        if len(deflections) != layout.axes or len(buttons) != layout.buttons or not np.isfinite(deflections).all():
            self.let_go()
            raise CommandError(
                f"gamepad message has {len(deflections)} axes and {len(buttons)} buttons, expected {layout.axes} "
                f"finite ones and {layout.buttons}: it is another pad, or another driver. Choose its layout, one of "
                f"{', '.join(LAYOUTS)}, or describe it in a gamepad_file."
            )
        deflections[list(layout.inverted)] *= -1.0
        held = frozenset(index for index, value in enumerate(buttons) if value)
        pressed, self._held = held - self._held, held
        requests = [REQUESTS[name] for name, button in layout.requests.items() if button in pressed]
        if layout.dead_man in pressed:
            self._has_dead_man = True
            self._counts[:] = False
        if not self._has_dead_man or layout.dead_man not in held:
            self.let_go()
            return None, requests
        direction = np.array([self._beyond_dead_zone(value) for value in self._directions(deflections, held)])
        self._counts |= direction == 0.0
        return np.where(self._counts, direction, 0.0), requests

    def _directions(self, deflections: np.ndarray, held: frozenset[int]) -> tuple[float, ...]:
        """Right, ahead and up, and turning about these, each in [-1, 1]."""
        layout = self._layout
        left, right = deflections[list(layout.left_stick)], deflections[list(layout.right_stick)]
        across, along = deflections[list(layout.cross)] if layout.cross else (0.0, 0.0)
        if layout.cross_buttons:
            up, down, to_left, to_right = (float(button in held) for button in layout.cross_buttons)
            across, along = to_left - to_right, up - down
        return -left[0], left[1], right[1], along, -across, right[0]

    def _beyond_dead_zone(self, deflection: float) -> float:
        """Deflection in [-1, 1] that grows from 0 at the end of the dead zone."""
        zone = self._layout.dead_zone
        return float(np.sign(deflection) * np.clip((abs(deflection) - zone) / (1.0 - zone), 0.0, 1.0))
