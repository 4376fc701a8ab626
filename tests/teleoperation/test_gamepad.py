import numpy as np
import pytest

from spirl_ros.errors import CommandError
from spirl_ros.teleoperation.gamepad import LAYOUTS, Gamepad
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
    wanted, _ = gamepad.read(axes(**{f"axis_{axis}": deflection}), buttons(DEAD_MAN))
    assert wanted is not None
    np.testing.assert_allclose(wanted, expected, atol=1e-12)


def test_button_counts_once_however_long_it_is_held(gamepad: Gamepad) -> None:
    asked = [gamepad.read(axes(), buttons(*held))[1] for held in ((7,), (7,), (), (7, 3))]
    assert asked == [[Request.START_RECORDING], [], [], [Request.FINISH_AS_SUCCESS, Request.START_RECORDING]]


def test_button_that_is_held_from_the_start_does_nothing() -> None:
    gamepad = Gamepad(LAYOUTS["xbox"])
    assert gamepad.read(axes(), buttons(8))[1] == []


@pytest.mark.parametrize(
    ("bad_axes", "bad_buttons"),
    [([0.0] * 4, [0] * 11), ([0.0] * 8, [0] * 3), ([np.nan] + [0.0] * 7, [0] * 11)],
)
def test_message_that_does_not_fit_the_layout_is_refused(gamepad: Gamepad, bad_axes, bad_buttons) -> None:
    with pytest.raises(CommandError, match="xbox, dualshock"):
        gamepad.read(bad_axes, bad_buttons)


def test_every_layout_offers_the_same_requests() -> None:
    offered = [{request for _, request in layout.buttons} for layout in LAYOUTS.values()]
    assert all(requests == offered[0] for requests in offered)
    assert {Request.FASTER, Request.SLOWER, Request.STOP} < offered[0]


@pytest.mark.parametrize(("name", "told"), [("xbox", "hold LB to move"), ("dualshock", "triangle success")])
def test_help_names_every_button_by_what_is_printed_on_it(name: str, told: str) -> None:
    layout = LAYOUTS[name]
    assert told in layout.help
    assert all(f"{layout.names[button]} " in layout.help for button, _ in layout.buttons)
