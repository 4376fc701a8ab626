import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spirl_ros.control.observation import LatestObservation, ObservationAssembler, Turns
from spirl_ros.errors import ObservationError


@pytest.fixture
def assembler() -> ObservationAssembler:
    return ObservationAssembler(("shoulder", "elbow"), ("door",))


def test_names_decide_the_order_and_extra_joints_are_ignored(assembler: ObservationAssembler) -> None:
    assembler.update_joint_state(["wrist", "elbow", "shoulder"], [9.0, 2.0, 1.0], stamp_ns=5, received_s=1.0)
    assembler.update_scene_state(["door"], [3.0], stamp_ns=5, received_s=1.0)
    np.testing.assert_array_equal(assembler.observation(), [1.0, 2.0, 3.0])


def test_order_may_change_from_message_to_message(assembler: ObservationAssembler) -> None:
    assembler.update_joint_state(["shoulder", "elbow"], [1.0, 2.0], 0, 0.0)
    assembler.update_joint_state(["elbow", "shoulder"], [2.5, 1.5], 1, 0.0)
    np.testing.assert_array_equal(assembler.joint_positions(), [1.5, 2.5])


def test_complete_only_when_both_parts_are_of_the_same_moment(assembler: ObservationAssembler) -> None:
    assert not assembler.is_complete
    assembler.update_joint_state(["shoulder", "elbow"], [1.0, 2.0], 10, 0.0)
    assert not assembler.is_complete
    assembler.update_scene_state(["door"], [3.0], 9, 0.0)
    assert not assembler.is_complete
    assembler.update_scene_state(["door"], [3.0], 10, 0.0)
    assert assembler.is_complete


def test_first_measurement_without_any_name_is_refused(assembler: ObservationAssembler) -> None:
    """It passed for complete, and the observation lacked the joints."""
    with pytest.raises(ObservationError, match="lacks shoulder, elbow; it has no names"):
        assembler.update_joint_state([], [], 0, 0.0)
    assert not assembler.is_complete


def test_state_of_other_joints_alone_is_not_for_us(assembler: ObservationAssembler) -> None:
    """A gripper that publishes on the arm's topic was an error a message, and teleoperation lost the arm over it."""
    assert not assembler.update_joint_state(["finger"], [0.4], 9, 9.0)
    assert assembler.update_joint_state(["shoulder", "elbow"], [1.0, 2.0], 10, 10.0)
    assert not assembler.update_joint_state(["finger", "door"], [0.4, float("nan")], 99, 99.0)
    assert (assembler.stamp_ns, assembler.joint_positions().tolist()) == (10, [1.0, 2.0])
    with pytest.raises(ObservationError, match="lacks elbow; it has finger, shoulder"):
        assembler.update_joint_state(["finger", "shoulder"], [0.4, 1.0], 11, 11.0)


def test_state_of_other_joints_has_no_place_in_the_order_of_the_arms() -> None:
    latest = LatestObservation(("shoulder", "elbow"), ())
    latest.update_joint_state(["shoulder", "elbow"], [1.0, 2.0], 10, 1.0, may_go_back=False)
    for stamp_ns in (0, 5, 20):
        assert not latest.update_joint_state(["finger"], [0.4], stamp_ns, 2.0, may_go_back=False)
    latest.update_joint_state(["elbow", "shoulder"], [2.5, 1.5], 11, 3.0, may_go_back=False)
    assert (latest.measured_ns, latest.joint_positions.tolist(), latest.age_s(3.5)) == (11, [1.5, 2.5], 0.5)


def test_arm_without_a_scene_has_an_empty_one() -> None:
    assembler = ObservationAssembler(("shoulder",), ())
    assembler.update_joint_state(["shoulder"], [1.0], 5, 0.0)
    assembler.update_scene_state((), (), 5, 0.0)
    assert assembler.is_complete and assembler.observation().tolist() == [1.0]


def test_age_counts_from_receipt_of_the_older_part(assembler: ObservationAssembler) -> None:
    assert assembler.age_s(100.0) == np.inf
    assembler.update_joint_state(["shoulder", "elbow"], [1.0, 2.0], 0, received_s=10.0)
    assert assembler.age_s(100.0) == np.inf
    assembler.update_scene_state(["door"], [3.0], 0, received_s=12.0)
    assert assembler.age_s(12.5) == 2.5


@pytest.mark.parametrize(
    ("names", "values", "told"),
    [
        (["shoulder"], [1.0], "elbow"),
        (["shoulder", "elbow"], [1.0], "2 names but 1 values"),
        (["elbow", "shoulder"], [1.0, float("nan")], "shoulder is not finite"),
        ([], [], "no names"),
    ],
)
def test_bad_measurement_is_refused_and_changes_nothing(assembler, names, values, told) -> None:
    assembler.update_joint_state(["shoulder", "elbow"], [1.0, 2.0], 3, 0.0)
    with pytest.raises(ObservationError, match=told):
        assembler.update_joint_state(names, values, 4, 1.0)
    np.testing.assert_array_equal(assembler.joint_positions(), [1.0, 2.0])
    assert assembler.stamp_ns == 3


_NAMES = ("shoulder", "elbow", "wrist", "extra", "other")


@settings(max_examples=100, deadline=None)
@given(
    messages=st.lists(
        st.tuples(
            st.permutations(_NAMES),
            st.integers(0, 5),  # names of them that are sent
            st.integers(0, 6),  # values that are sent with them
            st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=6, max_size=6),
        ),
        max_size=8,
    )
)
def test_after_any_messages_the_last_good_one_counts(messages) -> None:
    """Good is: all needed names, a value for each name, and the needed ones finite. Other names alone are let pass."""
    assembler, expected = ObservationAssembler(_NAMES[:3], ()), None
    for stamp_ns, (order, names, values, numbers) in enumerate(messages):
        sent = dict(zip(order[:names], numbers, strict=False))
        is_good = set(_NAMES[:3]) <= set(sent) and names == values
        is_good = is_good and all(np.isfinite(sent[name]) for name in _NAMES[:3])
        if is_good:
            assembler.update_joint_state(order[:names], numbers[:values], stamp_ns, float(stamp_ns))
            expected = stamp_ns, [sent[name] for name in _NAMES[:3]]
        elif names and not set(_NAMES[:3]) & set(order[:names]):
            assert not assembler.update_joint_state(order[:names], numbers[:values], stamp_ns, float(stamp_ns))
        else:
            with pytest.raises(ObservationError):
                assembler.update_joint_state(order[:names], numbers[:values], stamp_ns, float(stamp_ns))
        if expected is not None:
            assert assembler.stamp_ns == expected[0]
            assert assembler.joint_positions().tolist() == expected[1]


def test_endless_joint_goes_on_where_its_driver_begins_a_new_turn():
    """Executor and teleoperation see the same: at the wrap the command chattered, or the arm stopped for a leap."""
    latest = LatestObservation(("a", "b"), (), continuous=("b",))
    for step, measured in enumerate((3.0, 3.1, -3.1, -3.0)):
        latest.update_joint_state(("b", "a"), (measured, 0.5), step, float(step), may_go_back=False)
    np.testing.assert_allclose(latest.joint_positions, [0.5, 2.0 * np.pi - 3.0])


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
