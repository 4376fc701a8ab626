import numpy as np
import pytest

from spirl_ros.errors import CommandError
from spirl_ros.teleoperation.tool_velocity import DeadMan, ToolVelocity

AHEAD = ToolVelocity(np.array([0.0, 0.1, 0.0]), np.zeros(3))


def test_velocity_holds_until_its_timeout_and_no_longer() -> None:
    dead_man = DeadMan()
    assert dead_man.velocity(now_s=0.0) is None
    dead_man.ask(AHEAD, now_s=10.0, timeout_s=0.1)
    assert dead_man.velocity(10.1) is AHEAD
    assert dead_man.velocity(10.11) is None


def test_repeated_velocity_holds_from_the_last_one() -> None:
    dead_man = DeadMan()
    for now_s in (10.0, 10.08):
        dead_man.ask(AHEAD, now_s, timeout_s=0.1)
    assert dead_man.velocity(10.17) is AHEAD


def test_released_velocity_is_gone_at_once() -> None:
    dead_man = DeadMan()
    dead_man.ask(AHEAD, now_s=10.0, timeout_s=0.1)
    dead_man.release()
    assert dead_man.velocity(10.0) is None


@pytest.mark.parametrize("bad", [[0.0, np.nan, 0.0], [np.inf, 0.0, 0.0], [0.0, 0.0]])
def test_unusable_velocity_is_refused(bad: list[float]) -> None:
    with pytest.raises(CommandError, match="angular velocity of the tool"):
        ToolVelocity(np.zeros(3), np.array(bad))


def test_velocity_in_the_tool_frame_turns_with_the_tool() -> None:
    """A tool whose z axis points along the world's y: what comes out of the hand goes ahead."""
    rotation = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    out_of_the_hand = ToolVelocity(np.array([0.0, 0.0, 0.2]), np.array([0.0, 0.5, 0.0]), is_in_tool_frame=True)
    np.testing.assert_allclose(out_of_the_hand.in_world(rotation), [0.0, 0.2, 0.0, 0.0, 0.0, -0.5])
    np.testing.assert_allclose(AHEAD.in_world(rotation), [0.0, 0.1, 0.0, 0.0, 0.0, 0.0])
