from pathlib import Path

import numpy as np
import pytest

from spirl_ros.errors import CommandError, ConfigError
from spirl_ros.teleoperation.gamepad import Gamepad
from spirl_ros.teleoperation.gamepad_layout import LAYOUTS, REQUESTS, read_layout
from spirl_ros.teleoperation.tool_velocity import Request

AXES, BUTTONS = 8, 11
DEAD_MAN = 4


def buttons(*held: int) -> list[int]:
    return [int(index in held) for index in range(BUTTONS)]


def axes(**deflections: float) -> list[float]:
    return [deflections.get(f"axis_{index}", 0.0) for index in range(AXES)]


@pytest.fixture
def gamepad() -> Gamepad:
    released = Gamepad(LAYOUTS["xbox"])
    released.read(axes(), buttons())
    return released


def wanted_of(gamepad: Gamepad, axes: list, buttons: list[int]) -> np.ndarray:
    """The direction, while the dead-man is held."""
    wanted, _ = gamepad.read(axes, buttons)
    assert wanted is not None
    return wanted


def press_dead_man(gamepad: Gamepad) -> None:
    gamepad.read(axes(), buttons(DEAD_MAN))


def test_nothing_moves_without_the_dead_man_button(gamepad: Gamepad) -> None:
    wanted, _ = gamepad.read(axes(axis_1=1.0), buttons())
    assert wanted is None


@pytest.mark.parametrize(
    ("axis", "deflection", "expected"),
    [
        (0, 1.0, [-1, 0, 0, 0, 0, 0]),  # left stick to the left
        (1, 1.0, [0, 1, 0, 0, 0, 0]),  # left stick up: ahead
        (4, 1.0, [0, 0, 1, 0, 0, 0]),  # right stick up
        (3, 1.0, [0, 0, 0, 0, 0, 1]),  # right stick to the left
        (7, -1.0, [0, 0, 0, -1, 0, 0]),  # cross down: nose down
        (1, 0.55, [0, 0.5, 0, 0, 0, 0]),  # half way from the dead zone's end to the stop
        (1, -0.09, [0, 0, 0, 0, 0, 0]),
    ],
)
def test_sticks_move_the_tool(gamepad: Gamepad, axis: int, deflection: float, expected: list[float]) -> None:
    press_dead_man(gamepad)
    wanted, _ = gamepad.read(axes(**{f"axis_{axis}": deflection}), buttons(DEAD_MAN))
    assert wanted is not None
    np.testing.assert_allclose(wanted, expected, atol=1e-12)


def test_button_counts_once_however_long_it_is_held(gamepad: Gamepad) -> None:
    asked = [gamepad.read(axes(), buttons(*held))[1] for held in ((7,), (7,), (), (7, 3))]
    assert asked == [[Request.START_RECORDING], [], [], [Request.FINISH_AS_SUCCESS, Request.START_RECORDING]]


def test_button_that_is_held_from_the_start_does_nothing() -> None:
    gamepad = Gamepad(LAYOUTS["xbox"])
    assert gamepad.read(axes(), buttons(8))[1] == []


def test_axes_that_rest_at_the_end_until_they_are_touched_move_nothing(gamepad: Gamepad) -> None:
    """With the dead-man held and no stick touched an arm went 0.5 rad in 3 s."""
    untouched = [0.99] * 6 + [0.0, 0.0]
    for _ in range(3):
        wanted, _ = gamepad.read(untouched, buttons(DEAD_MAN))
        assert wanted is not None and not wanted.any()
    touched = [0.0, 0.0, *untouched[2:]]
    assert not wanted_of(gamepad, touched, buttons(DEAD_MAN)).any()
    np.testing.assert_allclose(wanted_of(gamepad, [0.0, 1.0, *untouched[2:]], buttons(DEAD_MAN)), [0, 1, 0, 0, 0, 0])


def test_stick_that_is_held_when_the_dead_man_is_pressed_counts_once_it_was_let_go(gamepad: Gamepad) -> None:
    gamepad.read(axes(axis_1=0.8), buttons())
    for deflection, expected in ((0.8, 0.0), (0.5, 0.0), (0.05, 0.0), (1.0, 1.0), (-1.0, -1.0)):
        wanted = wanted_of(gamepad, axes(axis_1=deflection), buttons(DEAD_MAN))
        assert wanted[1] == expected
    gamepad.read(axes(axis_1=1.0), buttons())
    assert not wanted_of(gamepad, axes(axis_1=1.0), buttons(DEAD_MAN)).any()


def test_each_stick_is_let_go_by_itself(gamepad: Gamepad) -> None:
    gamepad.read(axes(axis_1=1.0), buttons(DEAD_MAN))
    wanted = wanted_of(gamepad, axes(axis_0=-1.0, axis_1=1.0), buttons(DEAD_MAN))
    np.testing.assert_allclose(wanted, [1, 0, 0, 0, 0, 0])


def test_dead_man_that_is_held_from_the_start_or_over_a_silence_has_to_be_pressed_anew() -> None:
    gamepad = Gamepad(LAYOUTS["xbox"])
    assert gamepad.read(axes(), buttons(DEAD_MAN))[0] is None
    assert gamepad.read(axes(axis_1=1.0), buttons(DEAD_MAN))[0] is None
    gamepad.read(axes(), buttons())
    press_dead_man(gamepad)
    assert gamepad.read(axes(axis_1=1.0), buttons(DEAD_MAN))[0] is not None
    gamepad.let_go()
    assert gamepad.read(axes(), buttons(DEAD_MAN))[0] is None
    gamepad.read(axes(), buttons())
    assert gamepad.read(axes(), buttons(DEAD_MAN))[0] is not None


@pytest.mark.parametrize(
    ("layout", "bad_axes", "bad_buttons"),
    [
        ("xbox", [0.0] * 4, 11),
        ("xbox", [0.0] * 8, 3),
        ("xbox", [np.nan] + [0.0] * 7, 11),
        ("xbox", [0, 0, 0, 0, 1, 1, 0, 0], 15),  # by Bluetooth: the triggers are where the right stick is expected
        ("xbox", [0.0] * 6, 21),  # game_controller_node
        ("xbox", [0.0] * 8, 13),  # a DualShock, whose square would finish as success
        ("dualshock", [0.0] * 8, 11),
        ("sdl", [0.0] * 8, 11),
        ("sdl", [0.0] * 6, 12),  # an F710 in its D mode
    ],
)
def test_message_of_another_pad_is_refused(layout: str, bad_axes, bad_buttons: int) -> None:
    """A pad with other numbers was taken for an Xbox's, and its triggers at rest for a stick at its end."""
    gamepad = Gamepad(LAYOUTS[layout])
    with pytest.raises(CommandError, match="xbox, dualshock, sdl, or describe it in a gamepad_file"):
        gamepad.read(bad_axes, [0] * bad_buttons)


def test_refused_message_lets_go_of_the_dead_man(gamepad: Gamepad) -> None:
    press_dead_man(gamepad)
    with pytest.raises(CommandError):
        gamepad.read([0.0] * 6, [0] * 21)
    assert gamepad.read(axes(axis_1=1.0), buttons(DEAD_MAN))[0] is None


def test_sdl_numbers_sticks_and_cross_in_its_own_way() -> None:
    """SDL_GameController: axes left x, y, right x, y, triggers; buttons A B X Y back guide start sticks LB RB, and the
    cross."""

    def held(*numbers: int) -> list[int]:
        return [int(number in numbers) for number in range(21)]

    gamepad = Gamepad(LAYOUTS["sdl"])
    gamepad.read([0.0] * 6, held())
    gamepad.read([0.0] * 6, held(9))
    pulled_triggers = [-1.0, -1.0]
    wanted = wanted_of(gamepad, [1.0, 0.0, 0.0, 1.0, *pulled_triggers], held(9, 11, 14))
    # Left stick to the left, right stick up, cross up and right: nose up and roll.
    np.testing.assert_allclose(wanted, [-1, 0, 1, 1, 1, 0])
    assert gamepad.read([0.0] * 6, held(9, 6))[1] == [Request.START_RECORDING]


OWN = """\
axes: 8
buttons: 15
left_stick: [0, 1]
right_stick: [2, 3]
cross: [6, 7]
inverted: [3]
dead_man: 6
requests: {stop: 1, release_latch: 7}
"""


def test_layout_of_ones_own(tmp_path: Path) -> None:
    """An Xbox One S by Bluetooth: 15 buttons, triggers at axes 4 and 5."""
    (tmp_path / "pad.yaml").write_text(OWN)
    layout = read_layout(tmp_path / "pad.yaml")
    assert "hold button 6 to move" in layout.help and "button 1 stop" in layout.help
    gamepad = Gamepad(layout)
    rest = [0, 0, 0, 0, 1, 1, 0, 0]
    gamepad.read(rest, [0] * 15)
    held = [int(index == 6) for index in range(15)]
    gamepad.read(rest, held)
    np.testing.assert_allclose(wanted_of(gamepad, [0, 0, 0, -1, 1, 1, 0, 0], held), [0, 0, 1, 0, 0, 0])


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("axes: 8", "axes: 3", "axis 3 is used, expected numbers from 0 to 2"),
        ("dead_man: 6", "dead_man: 1", "button 1 is used twice"),
        ("stop: 1, ", "", "requests has no 'stop'"),
        ("stop: 1", "stop: 1, halt: 2", "requests has 'halt', expected some of toggle_gripper"),
        ("[2, 3]", "[2]", r"right_stick is \[2\], expected 2 numbers"),
        ("axes: 8", "axis: 8", "axis"),
        ("buttons: 15", "buttons: many", "expected a whole number"),
        ("axes: 8", "- [", "is not YAML"),
    ],
)
def test_layout_that_cannot_be_used_is_refused_with_the_file(tmp_path: Path, old: str, new: str, told: str) -> None:
    (tmp_path / "pad.yaml").write_text(OWN.replace(old, new))
    with pytest.raises(ConfigError, match=f"pad.yaml.*{told}"):
        read_layout(tmp_path / "pad.yaml")


def test_every_layout_offers_the_same_requests() -> None:
    assert all(set(layout.requests) == set(REQUESTS) for layout in LAYOUTS.values())


@pytest.mark.parametrize(
    ("name", "told"), [("xbox", "hold LB to move"), ("dualshock", "triangle success"), ("sdl", "hold LB to move")]
)
def test_help_names_every_button_by_what_is_printed_on_it(name: str, told: str) -> None:
    layout = LAYOUTS[name]
    assert told in layout.help
    assert all(f"{layout.names[button]} " in layout.help for button in layout.requests.values())
