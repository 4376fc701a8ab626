import numpy as np
import pytest

from spirl_ros.control.turns import Turns


def test_joint_that_wraps_goes_on_and_another_one_does_not():
    turns = Turns({"wrist"})
    seen = [turns.unwrap(("elbow", "wrist"), (value, value)) for value in (3.0, 3.1, -3.1, -2.9, 3.1, -3.1)]
    np.testing.assert_allclose(
        [wrist for _, wrist in seen], [3.0, 3.1, 2 * np.pi - 3.1, 2 * np.pi - 2.9, 3.1, 2 * np.pi - 3.1]
    )
    assert [elbow for elbow, _ in seen] == [3.0, 3.1, -3.1, -2.9, 3.1, -3.1]


def test_several_turns_are_counted():
    turns, way = Turns({"a"}), np.arange(0.0, 20.0, 0.5)
    wrapped = (way + np.pi) % (2 * np.pi) - np.pi
    assert [turns.unwrap(("a",), (float(value),))[0] for value in wrapped] == pytest.approx(way)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_left_as_it_is_and_does_not_count(bad: float):
    turns = Turns({"a"})
    turns.unwrap(("a",), (3.1,))
    assert not np.isfinite(turns.unwrap(("a",), (bad,))[0])
    assert turns.unwrap(("a",), (-3.1,)) == [pytest.approx(2 * np.pi - 3.1)]
    assert turns.unwrap(("a", "b"), (1.0,)) == (1.0,)
