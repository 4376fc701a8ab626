"""Where a gamepad's sticks and buttons are in sensor_msgs/Joy: it depends on pad, driver and node."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spirl_ros.configuration import from_plain
from spirl_ros.errors import ConfigError
from spirl_ros.files.plain_yaml import read_yaml_file
from spirl_ros.teleoperation.tool_velocity import Request

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
REQUESTS = {request.name.lower(): request for request in _ACTIONS}
"""What a button may ask for, by the names that files use."""


@dataclass(frozen=True)
class GamepadLayout:
    """Numbers of axes and buttons, and what they are for, checked at construction. A file has the same names."""

    axes: int
    """How many there are in a message; another number is another pad."""
    buttons: int
    """The same."""
    left_stick: tuple[int, ...]
    """Axes: across and along. Moves the tool left and right, ahead and back."""
    right_stick: tuple[int, ...]
    """Axes: across and along. Turns the tool left and right, and moves it up and down."""
    dead_man: int
    """Button that has to be held for motion."""
    requests: Mapping[str, int]
    """What pressing a button asks for, one of REQUESTS, and the button."""
    cross: tuple[int, ...] = ()
    """Axes of the directional pad: across rolls, along turns the nose up and down. Empty where there are none."""
    cross_buttons: tuple[int, ...] = ()
    """Or its buttons: up, down, left, right."""
    inverted: tuple[int, ...] = ()
    """Axes that are positive to the right or down; `joy` reports left and up as positive."""
    dead_zone: float = 0.1
    """Deflection of a stick that counts as none."""
    names: tuple[str, ...] = field(default=())
    """What is printed on the buttons, by their numbers; empty for the numbers."""

    def __post_init__(self) -> None:
        """Check the values."""
        for name, size in (("left_stick", (2,)), ("right_stick", (2,)), ("cross", (0, 2)), ("cross_buttons", (0, 4))):
            if len(getattr(self, name)) not in size:
                raise ConfigError(f"{name} is {list(getattr(self, name))}, expected {size[-1]} numbers.")
        axes = (*self.left_stick, *self.right_stick, *self.cross)
        buttons = (self.dead_man, *self.requests.values(), *self.cross_buttons)
        for what, used, count in (("axis", axes, self.axes), ("button", buttons, self.buttons)):
            if bad := [number for number in used if not 0 <= number < count]:
                raise ConfigError(f"{what} {bad[0]} is used, expected numbers from 0 to {count - 1}.")
            if repeated := [number for number in used if used.count(number) > 1]:
                raise ConfigError(f"{what} {repeated[0]} is used twice, expected each for one thing.")
        if unknown := [name for name in self.requests if name not in REQUESTS]:
            raise ConfigError(f"requests has '{unknown[0]}', expected some of {', '.join(REQUESTS)}.")
        if "stop" not in self.requests:
            raise ConfigError("requests has no 'stop', expected a button for it.")
        if not 0.0 < self.dead_zone < 0.9:
            raise ConfigError(f"dead_zone is {self.dead_zone}, expected above 0 and below 0.9.")
        if self.names and len(self.names) != self.buttons:
            raise ConfigError(f"names has {len(self.names)} entries, expected one for each of {self.buttons} buttons.")

    def name(self, button: int) -> str:
        """What is printed on a button."""
        return self.names[button] if self.names else f"button {button}"

    @property
    def help(self) -> str:
        """What sticks and buttons do."""
        actions = "  ".join(f"{self.name(self.requests[name])} {_ACTIONS[REQUESTS[name]]}" for name in self.requests)
        return (
            f"gamepad hold {self.name(self.dead_man)} to move: left stick ahead, back, left, right; right stick "
            "up, down and "
            f"turn; d-pad nose and roll. Let go of the sticks before\n        {actions}"
        )


def read_layout(file: Path) -> GamepadLayout:
    """A layout of one's own; raises ConfigError when the file cannot be read or does not describe one."""
    values = read_yaml_file(file)
    try:
        return from_plain(values, GamepadLayout, "gamepad_file")
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error


LAYOUTS = {
    "xbox": GamepadLayout(
        axes=8,  # the triggers are 2 and 5
        buttons=11,
        left_stick=(0, 1),
        right_stick=(3, 4),
        cross=(6, 7),
        dead_man=4,
        requests={
            "toggle_gripper": 0,
            "stop": 1,
            "finish_as_failure": 2,
            "finish_as_success": 3,
            "release_latch": 5,
            "discard_recording": 6,
            "start_recording": 7,
            "reset_scene": 8,
            "slower": 9,
            "faster": 10,
        },
        names=("A", "B", "X", "Y", "LB", "RB", "back", "start", "guide", "LS", "RS"),
    ),
    "dualshock": GamepadLayout(
        axes=8,
        buttons=13,
        left_stick=(0, 1),
        right_stick=(3, 4),
        cross=(6, 7),
        dead_man=4,
        requests={
            "toggle_gripper": 0,
            "stop": 1,
            "finish_as_failure": 3,
            "finish_as_success": 2,
            "release_latch": 5,
            "discard_recording": 8,
            "start_recording": 9,
            "reset_scene": 10,
            "slower": 11,
            "faster": 12,
        },
        names=("cross", "circle", "triangle", "square", "L1", "R1", "L2", "R2", "share", "options", "PS", "L3", "R3"),
    ),
    "sdl": GamepadLayout(
        axes=6,  # the triggers are 4 and 5
        buttons=21,
        left_stick=(0, 1),
        right_stick=(2, 3),
        cross_buttons=(11, 12, 13, 14),
        dead_man=9,
        requests={
            "toggle_gripper": 0,
            "stop": 1,
            "finish_as_failure": 2,
            "finish_as_success": 3,
            "release_latch": 10,
            "discard_recording": 4,
            "start_recording": 6,
            "reset_scene": 5,
            "slower": 7,
            "faster": 8,
        },
        names=(
            *("A", "B", "X", "Y", "back", "guide", "start", "LS", "RS", "LB", "RB", "up", "down", "left", "right"),
            *("misc", "paddle 1", "paddle 2", "paddle 3", "paddle 4", "touchpad"),
        ),
    ),
}
"""By the name of the parameter `gamepad`: pads as Linux's drivers xpad and playstation number them through `joy_node`,
and any pad as SDL's mappings number it through `game_controller_node`."""
