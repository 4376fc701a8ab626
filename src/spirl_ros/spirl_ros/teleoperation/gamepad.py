"""What the sticks and buttons of a gamepad mean, as the node `joy` reports them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spirl_ros.errors import CommandError
from spirl_ros.teleoperation.tool_velocity import Request


@dataclass(frozen=True)
class GamepadLayout:
    """Where things are in sensor_msgs/Joy. Sticks are positive to the left and up."""

    left_stick: tuple[int, int] = (0, 1)
    """Axes: across and along. Moves the tool left and right, ahead and back."""
    right_stick: tuple[int, int] = (3, 4)
    """Axes: across and along. Turns the tool left and right, and moves it up and down."""
    cross: tuple[int, int] = (6, 7)
    """Axes of the directional pad: across rolls, along turns the nose up and down."""
    dead_man: int = 4
    """Button that has to be held for motion: the left shoulder."""
    buttons: tuple[tuple[int, Request], ...] = (
        (0, Request.TOGGLE_GRIPPER),
        (1, Request.STOP),
        (2, Request.FINISH_AS_FAILURE),
        (3, Request.FINISH_AS_SUCCESS),
        (5, Request.RELEASE_LATCH),
        (6, Request.DISCARD_RECORDING),
        (7, Request.START_RECORDING),
        (8, Request.RESET_SCENE),
        (9, Request.SLOWER),
        (10, Request.FASTER),
    )
    """Button and what pressing it asks for."""
    dead_zone: float = 0.1
    """Deflection of a stick that counts as none."""
    names: tuple[str, ...] = ("A", "B", "X", "Y", "LB", "RB", "back", "start", "guide", "LS", "RS")
    """What is printed on the buttons, by their numbers."""

    @property
    def help(self) -> str:
        """What sticks and buttons do."""
        actions = "  ".join(f"{self.names[button]} {_ACTIONS[request]}" for button, request in self.buttons)
        return (
            f"gamepad hold {self.names[self.dead_man]} to move: left stick ahead, back, left, right; right stick up, down and "
            f"turn; d-pad nose and roll\n        {actions}"
        )


_ACTIONS = {
    Request.TOGGLE_GRIPPER: "gripper",
    Request.STOP: "stop",
    Request.START_RECORDING: "record",
    Request.FINISH_AS_SUCCESS: "success",
    Request.FINISH_AS_FAILURE: "failure",
    Request.DISCARD_RECORDING: "discard",
    Request.RESET_SCENE: "reset",
    Request.RELEASE_LATCH: "release the latch",
    Request.SLOWER: "slower",
    Request.FASTER: "faster",
}


LAYOUTS = {
    "xbox": GamepadLayout(),
    "dualshock": GamepadLayout(
        buttons=(
            (0, Request.TOGGLE_GRIPPER),
            (1, Request.STOP),
            (3, Request.FINISH_AS_FAILURE),
            (2, Request.FINISH_AS_SUCCESS),
            (5, Request.RELEASE_LATCH),
            (8, Request.DISCARD_RECORDING),
            (9, Request.START_RECORDING),
            (10, Request.RESET_SCENE),
            (11, Request.SLOWER),
            (12, Request.FASTER),
        ),
        names=("cross", "circle", "triangle", "square", "L1", "R1", "L2", "R2", "share", "options", "PS", "L3", "R3"),
    ),
}
"""Layouts by the name of the parameter `gamepad`, as Linux numbers them."""


class Gamepad:
    """Turns messages into directions and requests; remembers the buttons, because pressing counts and holding not."""

    def __init__(self, layout: GamepadLayout) -> None:
        """Begin with no button held."""
        self._layout = layout
        self._held: frozenset[int] = frozenset(range(64))  # held at first: a button must be seen released once

    def read(self, axes: Sequence[float], buttons: Sequence[int]) -> tuple[np.ndarray | None, list[Request]]:
        """Take in one message.

        Args:
            axes: deflections in [-1, 1].
            buttons: 1 while held.

        Returns:
            Direction (6,) of the tool's velocity, each in [-1, 1], or None while the dead-man button is not held;
            and what the buttons pressed since the last message ask for.

        Raises:
            CommandError: fewer axes or buttons than the layout has, or an axis that is not finite.
        """
        layout = self._layout
        deflections = np.asarray(axes, dtype=float)
        needed_axes = 1 + max(*layout.left_stick, *layout.right_stick, *layout.cross)
        needed_buttons = 1 + max(layout.dead_man, *(button for button, _ in layout.buttons))
        if len(deflections) < needed_axes or len(buttons) < needed_buttons or not np.isfinite(deflections).all():
            raise CommandError(
                f"gamepad message has {len(deflections)} axes and {len(buttons)} buttons, expected at least "
                f"{needed_axes} finite ones and {needed_buttons}. Choose another layout: {', '.join(LAYOUTS)}."
            )
        held = frozenset(index for index, value in enumerate(buttons) if value)
        requests = [request for button, request in layout.buttons if button in held - self._held]
        self._held = held
        if layout.dead_man not in held:
            return None, requests
        left, right, cross = (
            [self._beyond_dead_zone(deflections[axis]) for axis in stick]
            for stick in (layout.left_stick, layout.right_stick, layout.cross)
        )
        return np.array([-left[0], left[1], right[1], cross[1], -cross[0], right[0]]), requests

    def _beyond_dead_zone(self, deflection: float) -> float:
        """Deflection in [-1, 1] that grows from 0 at the end of the dead zone."""
        zone = self._layout.dead_zone
        return float(np.sign(deflection) * np.clip((abs(deflection) - zone) / (1.0 - zone), 0.0, 1.0))
