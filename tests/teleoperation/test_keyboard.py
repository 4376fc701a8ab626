import numpy as np
import pytest

from spirl_ros.teleoperation.keyboard import (
    DIRECTIONS,
    HELP,
    REQUESTS,
    SHORT_HELP,
    direction,
    next_keys,
    request,
    split_keys,
)
from spirl_ros.teleoperation.tool_velocity import Request


def test_opposite_keys_move_opposite_ways_along_one_axis() -> None:
    for key, opposite in ("ws", "ad", "rf", "ik", "uo", "jl", ("up", "down"), ("page up", "page down")):
        one, other = direction(key), direction(opposite)
        assert one is not None and other is not None
        np.testing.assert_array_equal(one, -other)
        assert np.abs(one).sum() == 1.0


def test_capital_letters_mean_the_same() -> None:
    np.testing.assert_array_equal(direction("W"), [0, 1, 0, 0, 0, 0])
    assert request("Y") is Request.FINISH_AS_SUCCESS


def test_no_key_has_two_meanings_and_every_request_has_a_key() -> None:
    assert not set(DIRECTIONS) & set(REQUESTS)
    assert set(REQUESTS.values()) == set(Request)
    assert direction("z") is None and request("z") is None


def test_help_names_every_letter_that_does_something() -> None:
    for key in [*DIRECTIONS, *REQUESTS]:
        name = {" ": "space", "=": "+", "?": "h", "up": "arrows", "down": "arrows"}.get(key, key)
        name = {"left": "arrows", "right": "arrows"}.get(name, name)
        assert name in HELP
    assert max(len(line) for line in [*HELP.splitlines(), SHORT_HELP]) < 80


@pytest.mark.parametrize(
    ("situation", "offered", "not_offered"),
    [
        ({}, "b reset", "t record"),
        ({"has_recorder": True}, "t record", "y success"),
        ({"has_recorder": True, "is_recording": True}, "y success  n failure  x discard", "t record"),
        ({"has_recorder": True, "has_ended": True}, "b reset the scene", "t record"),
        ({"has_recorder": True, "is_latched": True}, "c release the latch", "y success"),
    ],
)
def test_only_keys_that_lead_on_are_offered(situation: dict[str, bool], offered: str, not_offered: str) -> None:
    nothing = {"is_latched": False, "has_ended": False, "has_recorder": False, "is_recording": False}
    keys = next_keys(**(nothing | situation))
    assert offered in keys and not_offered not in keys
    assert keys.endswith("q quit")


@pytest.mark.parametrize(
    ("text", "keys", "rest"),
    [
        ("wd ", ["w", "d", " "], ""),
        ("\x1b[A\x1bOBq", ["up", "down", "q"], ""),
        ("\x1b[5~\x1b[6~", ["page up", "page down"], ""),
        ("w\x1b[", ["w"], "\x1b["),
        ("\x1b", [], "\x1b"),
        ("\x1b[3~w", ["w"], ""),  # delete means nothing
        ("\x1b[1;5Cw", ["w"], ""),  # neither does control and arrow
        ("\x1bxw", ["w"], ""),  # nor alt and a letter
    ],
)
def test_escape_sequences_are_single_keys(text: str, keys: list[str], rest: str) -> None:
    assert split_keys(text) == (keys, rest)


def test_sequence_that_arrives_in_two_parts_is_one_key() -> None:
    _, rest = split_keys("\x1b[5")
    assert split_keys(rest + "~") == (["page up"], "")
