"""Two joints with round numbers: at a period of 0.1 s, joint b may change its velocity by 1 rad/s in one of them."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.safety_filter import FilteredCommand, SafetyFilter, SafetyState
from spirl_ros.errors import CommandError, ConfigError

PERIOD_S, MAX_AGE_S = 0.1, 0.15
LIMITS = JointLimits(
    joint_names=("a", "b"),
    position_lower=np.array([-1.0, -4.0]),
    position_upper=np.array([1.0, 4.0]),
    velocity=np.array([5.0, 3.0]),
    acceleration=np.array([100.0, 10.0]),
    jerk=np.array([2000.0, 40.0]),
)
"""Joint a can stop within a period from its largest velocity, joint b within three."""


@pytest.fixture
def safety_filter() -> SafetyFilter:
    active = SafetyFilter(LIMITS, PERIOD_S, MAX_AGE_S)
    active.activate(np.zeros(2))
    return active


def moving(safety_filter: SafetyFilter) -> FilteredCommand:
    """Bring joint b to 3 rad/s, which takes three periods."""
    for position in (0.1, 0.3, 0.6):
        command = safety_filter.filter(np.array([0.0, position]), age_s=0.0)
    np.testing.assert_allclose(command.joint_velocities, [0.0, 3.0])
    return command


def test_first_command_equals_the_measured_position() -> None:
    measured = np.array([0.25, -3.0])
    command = SafetyFilter(LIMITS, PERIOD_S, MAX_AGE_S).activate(measured)
    assert command.joint_positions.tolist() == measured.tolist()
    assert command.joint_velocities.tolist() == [0.0, 0.0]


def test_measured_position_a_little_outside_begins_at_the_end_of_the_range() -> None:
    assert SafetyFilter(LIMITS, PERIOD_S, MAX_AGE_S).activate(np.array([1.0199, 0.0])).joint_positions[0] == 1.0


@pytest.mark.parametrize(
    ("measured", "told"),
    [
        ([1.0201, 0.0], "a is at 1.0201"),
        ([1.01, -5.0], "b is at -5.0000"),
        ([np.nan, 0.0], "finite"),
        ([0.0], "expected 2 finite"),
    ],
)
def test_unusable_measured_position_activates_nothing(measured: list[float], told: str) -> None:
    safety_filter = SafetyFilter(LIMITS, PERIOD_S, MAX_AGE_S)
    with pytest.raises(CommandError, match=told):
        safety_filter.activate(np.array(measured))
    for act in (lambda: safety_filter.filter(np.zeros(2), 0.0), safety_filter.brake):
        with pytest.raises(CommandError, match="not activated"):
            act()


def test_command_within_the_limits_passes_to_the_last_bit(safety_filter: SafetyFilter) -> None:
    wanted = np.array([0.1 + 0.2, 1.0 / 30.0])
    command = safety_filter.filter(wanted, age_s=0.1)
    assert command.joint_positions.tolist() == wanted.tolist()
    assert command.state is SafetyState.PASSED
    assert (command.interventions, command.reason, safety_filter.intervention_count) == ((), "", 0)


@pytest.mark.parametrize(
    ("wanted", "sent", "interventions"),
    [
        # a may go 0.5 in a period; b, from rest, 0.1.
        ([0.4, 0.0], [0.4, 0.0], ()),
        ([0.6, 0.0], [0.5, 0.0], ("velocity",)),
        ([0.0, 0.2], [0.0, 0.1], ("acceleration",)),
        ([1.5, 0.0], [0.5, 0.0], ("position", "velocity")),
        ([-9.0, -9.0], [-0.5, -0.1], ("position", "velocity", "acceleration")),
    ],
)
def test_checks_act_in_order_and_say_so(safety_filter: SafetyFilter, wanted, sent, interventions) -> None:
    command = safety_filter.filter(np.array(wanted), age_s=0.0)
    np.testing.assert_allclose(command.joint_positions, sent)
    assert command.interventions == interventions
    assert command.state is (SafetyState.LIMITED if interventions else SafetyState.PASSED)
    assert safety_filter.intervention_count == len(interventions[:1])


def test_command_for_a_place_out_of_range_is_limited_even_when_that_is_slow_enough(safety_filter: SafetyFilter) -> None:
    safety_filter.activate(np.array([0.9, 0.0]))
    command = safety_filter.filter(np.array([1.05, 0.0]), age_s=0.0)
    assert (command.state, command.interventions) == (SafetyState.LIMITED, ("position",))
    assert command.joint_positions[0] == 1.0


def test_motion_exactly_at_the_acceleration_limit_passes() -> None:
    """Rounding put some of these commands a billionth above it."""
    limits = replace(LIMITS, position_upper=np.array([1.0, 50.0]), velocity=np.array([5.0, 100.0]))
    safety_filter = SafetyFilter(limits, PERIOD_S, MAX_AGE_S)
    safety_filter.activate(np.zeros(2))
    for k in range(1, 20):
        command = safety_filter.filter(np.array([0.0, 0.1 * k * (k + 1) / 2]), age_s=0.0)
        assert command.state is SafetyState.PASSED, k


def test_joints_that_no_limit_touched_are_sent_to_the_last_bit(safety_filter: SafetyFilter) -> None:
    """From the last position with the velocity between them, half of these would come out a bit beside."""
    for wanted in np.random.default_rng(0).uniform(-0.2, 0.2, 50):
        command = safety_filter.filter(np.array([wanted, 9.0]), age_s=0.0)
        assert command.joint_positions[0] == wanted


def test_data_as_old_as_allowed_pass(safety_filter: SafetyFilter) -> None:
    assert safety_filter.filter(np.zeros(2), MAX_AGE_S).state is SafetyState.PASSED


def test_reason_names_the_first_check_the_joint_and_the_values(safety_filter: SafetyFilter) -> None:
    command = safety_filter.filter(np.array([0.2, 9.0]), age_s=0.0)
    assert command.reason == "position of b: 9.0000 asked, 4.0000 allowed"
    assert command.is_limited is not None and command.is_limited.tolist() == [False, True]
    assert command.joint_positions[0] == 0.2


def test_limits_count_from_the_last_command_sent_and_not_from_the_last_one_asked(safety_filter: SafetyFilter) -> None:
    safety_filter.filter(np.array([0.9, 0.0]), age_s=0.0)  # sent: 0.5
    command = safety_filter.filter(np.array([0.95, 0.0]), age_s=0.0)
    assert command.joint_positions[0] == 0.95


def test_joint_slows_down_before_the_end_of_its_range(safety_filter: SafetyFilter) -> None:
    """From 3 rad/s joint b needs 0.2 + 0.1 rad to stop; one more period at 3 rad/s must leave that."""
    safety_filter.activate(np.array([0.0, 2.75]))
    velocities = [safety_filter.filter(np.array([0.0, 4.0]), age_s=0.0).joint_velocities[1] for _ in range(9)]
    # At 3.35 the remaining 0.65 would allow 3.125 rad/s: 0.1 (3.125 + 2.125 + 1.125 + 0.125) = 0.65.
    # At 3.65 the remaining 0.35 allow 13 / 6 rad/s: 0.1 (13 + 7 + 1) / 6 = 0.35.
    expected = [1.0, 2.0, 3.0, 3.0, 13.0 / 6.0, 7.0 / 6.0, 1.0 / 6.0, 0.0, 0.0]
    np.testing.assert_allclose(velocities, expected, atol=1e-7)
    assert safety_filter.filter(np.array([0.0, 4.0]), 0.0).joint_positions[1] == 4.0


@pytest.mark.parametrize(
    ("command", "age_s", "told"),
    [
        (None, 0.0, "finite: there is no command"),
        (np.array([0.0, np.nan]), 0.0, "finite: command of b is nan"),
        (np.array([np.inf, 0.0]), 0.0, "finite: command of a is inf"),
        (np.zeros(3), 0.0, "finite: command has shape"),
        (np.zeros(2), 0.16, "fresh: data is 0.160 s old, expected at most 0.150 s"),
        (np.zeros(2), np.inf, "fresh"),
        (np.zeros(2), np.nan, "fresh"),
        (np.zeros(2), -1.0, "fresh"),
    ],
)
def test_bad_input_at_rest_sends_the_last_command_again(safety_filter: SafetyFilter, command, age_s, told) -> None:
    refused = safety_filter.filter(command, age_s)
    assert refused.joint_positions.tolist() == [0.0, 0.0]
    assert refused.state is SafetyState.HOLDING
    assert told in refused.reason
    assert refused.interventions == (told.split(":")[0],)
    assert safety_filter.intervention_count == 1


def test_not_finite_is_found_before_stale(safety_filter: SafetyFilter) -> None:
    assert safety_filter.filter(np.array([np.nan, 0.0]), age_s=np.inf).interventions == ("finite",)


def test_bad_input_holds_then_brakes_then_latches(safety_filter: SafetyFilter) -> None:
    """With a jerk of 40 rad/s³, the deceleration of b rises by 4 rad/s² in a period and has to be released likewise."""
    moving(safety_filter)
    commands = [safety_filter.filter(None, 0.0) for _ in range(7)]
    # Decelerations 4, 8, 10 (the limit), 6, 2.
    assert [command.state.name for command in commands] == ["HOLDING"] * 2 + ["BRAKING"] * 2 + ["LATCHED"] * 3
    velocities = np.array([command.joint_velocities[1] for command in commands])
    np.testing.assert_allclose(velocities, [2.6, 1.8, 0.8, 0.2, 0.0, 0.0, 0.0], atol=1e-9)


def test_good_command_ends_holding(safety_filter: SafetyFilter) -> None:
    last = moving(safety_filter)
    held = safety_filter.filter(None, 0.0)
    assert held.joint_positions[1] > last.joint_positions[1]
    command = safety_filter.filter(held.joint_positions + [0.0, 0.3], age_s=0.0)
    assert command.state is SafetyState.PASSED
    for _ in range(2):  # The count of refused commands began anew.
        assert safety_filter.filter(None, 0.0).state is SafetyState.HOLDING


def test_good_command_ends_neither_braking_nor_the_latch(safety_filter: SafetyFilter) -> None:
    moving(safety_filter)
    for _ in range(3):
        command = safety_filter.filter(None, 0.0)
    assert command.state is SafetyState.BRAKING
    with pytest.raises(CommandError, match="moving"):
        safety_filter.reset(command.joint_positions)
    while command.state is SafetyState.BRAKING:
        command = safety_filter.filter(command.joint_positions, age_s=0.0)
        assert command.interventions == ("latch",)
    at_rest = command.joint_positions
    for _ in range(100):
        command = safety_filter.filter(np.zeros(2), age_s=0.0)
    assert command.state is SafetyState.LATCHED
    assert command.joint_positions.tolist() == at_rest.tolist()


def test_explicit_reset_releases_the_latch_at_the_measured_position(safety_filter: SafetyFilter) -> None:
    for _ in range(3):
        command = safety_filter.filter(None, 0.0)
    assert command.state is SafetyState.LATCHED
    first = safety_filter.reset(np.array([0.1, 0.2]))
    assert first.joint_positions.tolist() == [0.1, 0.2]
    assert safety_filter.filter(np.array([0.1, 0.25]), age_s=0.0).state is SafetyState.PASSED
    assert safety_filter.intervention_count == 0


def test_brake_needs_no_fault_and_latches(safety_filter: SafetyFilter) -> None:
    moving(safety_filter)
    states = [safety_filter.brake().state.name for _ in range(5)]
    assert states == ["BRAKING"] * 4 + ["LATCHED"]


def test_without_forgiven_periods_the_first_bad_command_latches() -> None:
    safety_filter = SafetyFilter(LIMITS, PERIOD_S, MAX_AGE_S, hold_periods=0)
    safety_filter.activate(np.zeros(2))
    assert safety_filter.filter(None, 0.0).state is SafetyState.LATCHED


def test_braking_goes_on_from_the_deceleration_of_the_last_good_command(safety_filter: SafetyFilter) -> None:
    """Joint b slows down by 8 rad/s² already; the jerk of 40 rad/s³ allows 4 more or less, so 10, its limit."""
    moving(safety_filter)
    safety_filter.filter(np.array([0.0, 0.6 + 0.22]), age_s=0.0)  # from 3 to 2.2 rad/s
    assert safety_filter.filter(None, 0.0).joint_velocities[1] == pytest.approx(1.2)


def test_deceleration_is_released_with_limited_jerk_too(safety_filter: SafetyFilter) -> None:
    """At 0.7 rad/s 5.5 rad/s² would do, but from 10 rad/s² the jerk of 40 rad/s³ leads to 6 at least: 0.1 rad/s."""
    moving(safety_filter)
    for position in (0.87, 1.04, 1.11):  # 2.7, 1.7 and 0.7 rad/s
        command = safety_filter.filter(np.array([0.0, position]), age_s=0.0)
    assert command.state is SafetyState.PASSED
    assert safety_filter.filter(None, 0.0).joint_velocities[1] == pytest.approx(0.1)


def test_braking_after_missed_periods_goes_on_from_the_deceleration_of_the_tail(safety_filter: SafetyFilter) -> None:
    """In one missed period the arm braked by 10 rad/s² from 3 to 2 rad/s; from rest, jerk alone would give 4."""
    moving(safety_filter)
    safety_filter.miss(1)
    assert safety_filter.brake().joint_velocities[1] == pytest.approx(1.0)


def test_arm_that_braked_through_the_missed_periods_is_at_rest() -> None:
    for speed in np.random.default_rng(0).uniform(0.1, 0.9, 20):
        safety_filter = SafetyFilter(LIMITS, PERIOD_S, MAX_AGE_S)
        safety_filter.activate(np.zeros(2))
        safety_filter.filter(np.array([0.0, speed * PERIOD_S]), age_s=0.0)
        safety_filter.miss(30)
        assert not safety_filter.is_moving


def test_missed_periods_before_activation_are_an_error() -> None:
    with pytest.raises(CommandError, match="not activated"):
        SafetyFilter(LIMITS, PERIOD_S, MAX_AGE_S).miss(1)


def test_braking_never_turns_a_joint_round(safety_filter: SafetyFilter) -> None:
    """Joint b slows down at full rate already; releasing that with limited jerk would send it backwards."""
    moving(safety_filter)
    safety_filter.filter(np.array([0.0, 0.8]), age_s=0.0)
    command = safety_filter.filter(np.array([0.0, 0.9]), age_s=0.0)
    np.testing.assert_allclose(command.joint_velocities[1], 1.0)
    velocities = [safety_filter.filter(None, 0.0).joint_velocities[1] for _ in range(4)]
    assert min(velocities) >= 0.0 and velocities[-1] == 0.0


def test_results_do_not_share_memory_with_the_filter(safety_filter: SafetyFilter) -> None:
    command = safety_filter.filter(np.array([0.1, 0.0]), age_s=0.0)
    command.joint_positions[:] = 9.0
    command.joint_velocities[:] = 9.0
    refused = safety_filter.filter(None, 0.0)
    assert refused.joint_positions.tolist() == [0.1, 0.0]
    refused.joint_positions[:] = refused.joint_velocities[:] = -0.5
    assert safety_filter.filter(None, 0.0).joint_positions.tolist() == [0.1, 0.0]


@pytest.mark.parametrize(
    ("period_s", "max_age_s", "hold_periods", "told"),
    [(0.0, 1.0, 2, "control_period_s is 0.0"), (0.1, np.nan, 2, "max_age_s is nan"), (0.1, 1.0, -1, "hold_periods")],
)
def test_bad_configuration_is_refused(period_s, max_age_s, hold_periods, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        SafetyFilter(LIMITS, period_s, max_age_s, hold_periods=hold_periods)


def test_states_have_the_numbers_of_the_message() -> None:
    SafetyStatus = pytest.importorskip("spirl_msgs.msg").SafetyStatus
    assert {state.name: int(state) for state in SafetyState} == {
        name: getattr(SafetyStatus, name) for name in ("PASSED", "LIMITED", "HOLDING", "BRAKING", "LATCHED")
    }


class Watch:
    """Follows what is sent and checks every limit from the positions alone."""

    def __init__(self, limits: JointLimits, period_s: float, positions: np.ndarray) -> None:
        self.limits, self.period_s = limits, period_s
        self.positions, self.velocities = positions, np.zeros_like(positions)
        self.half_range = (limits.position_upper - limits.position_lower) / 2.0
        self.middle = limits.position_lower + self.half_range
        self.largest = np.zeros(3)
        """Largest share seen of each limit: position, velocity, acceleration."""

    def see(self, command: FilteredCommand) -> None:
        velocities = (command.joint_positions - self.positions) / self.period_s
        accelerations = (velocities - self.velocities) / self.period_s
        shares = (
            np.abs(command.joint_positions - self.middle) / self.half_range,
            np.abs(velocities) / self.limits.velocity,
            np.abs(accelerations) / self.limits.acceleration,
        )
        largest = np.array([share.max() for share in shares])
        assert (largest <= 1.0 + 1e-6).all(), (command, largest)  # NaN would fail
        assert (command.joint_positions >= self.limits.position_lower).all()
        assert (command.joint_positions <= self.limits.position_upper).all()
        assert np.abs(command.joint_velocities - velocities).max() <= 1e-9
        self.largest = np.maximum(self.largest, largest)
        self.positions, self.velocities = command.joint_positions, velocities


NINE = JointLimits(
    joint_names=tuple(f"joint_{i}" for i in range(9)),
    position_lower=np.linspace(-3.0, -0.01, 9),
    position_upper=np.linspace(2.0, 0.04, 9),
    velocity=np.geomspace(0.1, 10.0, 9),
    acceleration=np.geomspace(30.0, 0.3, 9),
    jerk=np.geomspace(10.0, 5000.0, 9),
)


def commands(watch: Watch, generator: np.random.Generator) -> Iterator[tuple[np.ndarray | None, float]]:
    """Random and adversarial commands: far away, at the limits, to and fro, just within, not finite, stale, none."""
    limits, n = watch.limits, len(watch.limits.joint_names)
    while True:
        kind, length = generator.integers(9), int(generator.integers(1, 30))
        direction = generator.choice((-1.0, 1.0), n)
        for _ in range(length):
            age_s = 0.0
            if kind == 0:
                command = generator.uniform(-10.0, 10.0, n)
            elif kind == 1:
                command = np.where(direction > 0, limits.position_upper, limits.position_lower)
            elif kind == 2:
                direction = -direction
                command = watch.positions + direction * limits.velocity * watch.period_s
            elif kind == 3:
                command = watch.positions + direction * limits.velocity * watch.period_s * generator.uniform(0.9, 1.1)
            elif kind == 4:
                command = direction * 1e300
            elif kind == 5:
                command = watch.positions + generator.normal(size=n) * 1e-3
            elif kind == 6:
                ahead = watch.velocities + direction * limits.acceleration * watch.period_s
                command = watch.positions + ahead * watch.period_s
            elif kind == 7:
                command = generator.choice((np.nan, np.inf, -np.inf, 0.0), n)
            else:
                command = None if generator.random() < 0.5 else watch.positions
                age_s = 10.0
            yield command, age_s


@pytest.mark.slow
@pytest.mark.parametrize("period_s", [0.002, 0.08])
def test_hundred_thousand_random_and_adversarial_commands_leave_within_every_limit(period_s: float) -> None:
    generator = np.random.default_rng(5)
    safety_filter = SafetyFilter(NINE, period_s, 0.1)
    start = generator.uniform(NINE.position_lower, NINE.position_upper)
    watch = Watch(NINE, period_s, safety_filter.activate(start).joint_positions)
    latched = 0
    for (command, age_s), _ in zip(commands(watch, generator), range(50_000), strict=False):
        filtered = safety_filter.filter(command, age_s)
        watch.see(filtered)
        if filtered.state is SafetyState.LATCHED:
            latched += 1
            watch.see(safety_filter.reset(watch.positions))
    assert latched > 30
    # Every limit was reached, so it was the filter that kept them.
    assert watch.largest.min() > 0.999


@st.composite
def arms(draw, smallest: float = 1e-3, largest: float = 1e3) -> tuple[JointLimits, float, np.ndarray]:
    """Limits of one joint, from `smallest` to `largest` in SI units, a control period and a start."""
    amount = st.floats(smallest, largest)
    lower = draw(st.floats(-3.0, 3.0))
    upper = lower + draw(st.floats(1e-2, 6.0))
    limits = JointLimits(
        ("joint",), *(np.array([value]) for value in (lower, upper, draw(amount), draw(amount), draw(amount)))
    )
    return limits, draw(st.floats(1e-3, 0.2)), np.array([draw(st.floats(lower, upper))])


@settings(max_examples=200, deadline=None)
@given(
    arm=arms(),
    commands=st.lists(st.one_of(st.floats(), st.floats(-4.0, 10.0), st.none()), min_size=1, max_size=60),
)
def test_any_commands_to_any_arm_leave_within_its_limits(arm, commands: list[float | None]) -> None:
    limits, period_s, start = arm
    safety_filter = SafetyFilter(limits, period_s, 0.1, hold_periods=5)
    watch = Watch(limits, period_s, safety_filter.activate(start).joint_positions)
    for command in commands:
        watch.see(safety_filter.filter(None if command is None else np.array([command]), age_s=0.0))


@settings(max_examples=50, deadline=None)
@given(arm=arms(smallest=0.5, largest=50.0), commands=st.lists(st.floats(-4.0, 10.0), min_size=1, max_size=30))
def test_any_motion_is_braked_to_rest_with_limited_jerk(arm, commands: list[float]) -> None:
    """Speed never rises; deceleration grows by no more than the jerk allows, unless the range ends."""
    limits, period_s, start = arm
    # The ends of the range go before the jerk, so they are moved out of the way once the joint moves.
    safety_filter = SafetyFilter(limits, period_s, 0.1)
    safety_filter.activate(start)
    for position in commands:
        last = safety_filter.filter(np.array([position]), age_s=0.0)
    safety_filter.limits = replace(limits, position_lower=np.array([-1e9]), position_upper=np.array([1e9]))
    watch = Watch(safety_filter.limits, period_s, last.joint_positions)
    watch.velocities = last.joint_velocities
    deceleration = None
    for _ in range(20_000):
        command = safety_filter.brake()
        watch.see(command)
        speed, slower = abs(last.joint_velocities[0]), abs(command.joint_velocities[0])
        assert slower <= speed + 1e-9 and command.joint_velocities[0] * last.joint_velocities[0] >= 0.0
        now = (speed - slower) / period_s
        if deceleration is not None:
            assert now <= deceleration + limits.jerk[0] * period_s * (1.0 + 1e-6) + 1e-6
        deceleration, last = now, command
        if last.state is SafetyState.LATCHED:
            break
    assert last.state is SafetyState.LATCHED
