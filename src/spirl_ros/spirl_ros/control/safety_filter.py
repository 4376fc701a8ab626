"""The last thing a joint command passes on its way: it leaves within the limits, or the arm comes to rest."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.errors import CommandError, ConfigError

FINITE, FRESH, LATCH = "finite", "fresh", "latch"
POSITION, VELOCITY, ACCELERATION = "position", "velocity", "acceleration"
"""The checks. `latch` refuses whatever comes between a fault and the explicit reset."""

_POSITION_TOLERANCE = 0.02
"""How far outside its range a joint may be measured when the filter is activated [rad, m]."""
_ROUNDING = 1.0 + 1e-9


class SafetyState(IntEnum):
    """What became of a command; the numbers are those of spirl_msgs/SafetyStatus."""

    PASSED = 0
    """Sent as asked."""
    LIMITED = 1
    """Sent after a limit changed it."""
    HOLDING = 2
    """Refused; the arm comes to rest, and the next good command is taken again."""
    BRAKING = 3
    """Refused for too long; the arm is brought to rest, and no command is taken."""
    LATCHED = 4
    """At rest until an explicit reset."""


class FilteredCommand(NamedTuple):
    """What to send to the arm in this control period."""

    joint_positions: np.ndarray
    """(Da,) [rad, m], always within the limits."""
    joint_velocities: np.ndarray
    """(Da,) [rad/s, m/s], of the way from the last command to this one."""
    state: SafetyState
    interventions: tuple[str, ...] = ()
    """The checks that changed or refused the command, in their order; empty when it passed."""
    is_limited: np.ndarray | None = None
    """Which joints' commands were changed, (Da,) of bool; None when the command passed or was refused as a whole."""
    cause: tuple = ()
    """What `reason` is made from, because few readers ask for the text: values and names, see there."""
    arrives_s: float | None = None
    """When an arm that is taken over has to be there [s]; None is one control period, as for every other command."""

    @property
    def reason(self) -> str:
        """The first check that acted, with the offending value, for people; empty when the command passed."""
        if not self.interventions:
            return ""
        if self.is_limited is None:
            return f"{self.interventions[0]}: {self.cause[0]}"
        joint_names, before, after = self.cause
        bad = int(np.argmax(before != after))
        return f"{self.interventions[0]} of {joint_names[bad]}: {before[bad]:.4f} asked, {after[bad]:.4f} allowed"


class SafetyFilter:
    """Checks commands in a fixed order: finite, fresh, position, velocity, acceleration; all relative to the last sent.

    A joint that moves towards the end of its range is slowed so that it can stop before it without exceeding its
    acceleration. Bad input (none, wrong size, not finite, too old) brings the arm to rest with limited jerk: for
    `hold_periods` calls the next good command ends that (HOLDING), from then on none does (BRAKING), and at rest the
    filter latches. Braking never speeds a joint up or turns it round; that and the position range go before the jerk.

    Call `filter` exactly once for each command period. Not thread-safe.
    """

    def __init__(
        self, limits: JointLimits, control_period_s: float, max_age_s: float, *, hold_periods: int = 2
    ) -> None:
        """Prepare; `activate` begins.

        Args:
            limits: of the arm.
            control_period_s: time between two commands [s].
            max_age_s: input older than this is refused [s].
            hold_periods: how many refused commands in a row are forgiven.

        Raises:
            ConfigError: a time that is not positive and finite, or a negative number of periods.
        """
        for name, value in (("control_period_s", control_period_s), ("max_age_s", max_age_s)):
            if not 0.0 < value < np.inf:
                raise ConfigError(f"{name} is {value}, expected a finite time above 0.")
        if hold_periods < 0:
            raise ConfigError(f"hold_periods is {hold_periods}, expected 0 or more.")
        self.limits = limits
        self._period_s = T = control_period_s
        self._max_age_s = max_age_s
        self._hold_periods = hold_periods
        # A billionth more than the limits: a command that is exactly at one must not be changed by rounding.
        self._velocity_limit = limits.velocity * _ROUNDING
        self._velocity_step = limits.acceleration * T * _ROUNDING  # largest change of velocity in one period
        self._acceleration_step = limits.jerk * T
        self._rest = np.zeros(len(limits.joint_names))
        self._state: SafetyState | None = None
        self._intervention_count = 0

    @property
    def intervention_count(self) -> int:
        """Commands changed or refused since activation."""
        return self._intervention_count

    @property
    def joint_positions(self) -> np.ndarray:
        """Where the arm was sent last (Da,) [rad, m], or where it has braked by itself since, see `miss`."""
        return self._positions.copy()

    @property
    def is_moving(self) -> bool:
        """Whether the last command asked for motion."""
        return self._state is not None and bool(self._velocities.any())

    def activate(self, joint_positions: np.ndarray) -> FilteredCommand:
        """Begin, or begin again, with the arm at rest.

        Args:
            joint_positions: measured (Da,) [rad, m].

        Returns:
            The first command to send: the measured positions, or the end of the range for a joint that noise or play
            shows a little outside it.

        Raises:
            CommandError: wrong size, not finite, or further outside the range than 0.02; nothing is changed.
        """
        measured = np.array(joint_positions, dtype=float)
        limits = self.limits
        if measured.shape != self._rest.shape or not np.isfinite(measured).all():
            raise CommandError(
                f"cannot activate at joint positions {measured}, expected {self._rest.size} finite measured positions."
            )
        positions = np.clip(measured, limits.position_lower, limits.position_upper)
        outside = np.abs(measured - positions)
        if (outside > _POSITION_TOLERANCE).any():
            worst = int(np.argmax(outside))
            raise CommandError(
                f"cannot activate: {limits.joint_names[worst]} is at {measured[worst]:.4f}, expected "
                f"{limits.position_lower[worst]:.4f} to {limits.position_upper[worst]:.4f}. "
                "Move the joint back into its range by other means, or correct the limits."
            )
        self._positions, self._velocities, self._accelerations = positions, self._rest, self._rest
        self._state = SafetyState.PASSED
        self._refused_in_a_row = self._intervention_count = 0
        return FilteredCommand(positions.copy(), self._rest.copy(), SafetyState.PASSED)

    def reset(self, joint_positions: np.ndarray) -> FilteredCommand:
        """Release the latch, on somebody's explicit demand. Arguments, result and errors are those of `activate`.

        Raises:
            CommandError: also when the arm has not come to rest yet.
        """
        if self.is_moving:
            raise CommandError("cannot reset while the arm is moving. Wait until it is at rest.")
        return self.activate(joint_positions)

    def filter(self, joint_command: np.ndarray | None, age_s: float) -> FilteredCommand:
        """Make a command safe to send.

        Args:
            joint_command: wanted positions (Da,) [rad, m]; None when there is none.
            age_s: age of the data it was computed from, on the steady clock [s].

        Returns:
            What to send. It continues from what the last call returned, so it has to be sent.

        Raises:
            CommandError: the filter was not activated.
        """
        if self._state is None:
            raise CommandError("the safety filter was not activated. Activate it at the measured positions.")
        if self._state >= SafetyState.BRAKING:
            return self._refuse(LATCH, "after bad input no command is taken until an explicit reset")
        command = None if joint_command is None else np.asarray(joint_command, dtype=float)
        if command is None:
            return self._refuse(FINITE, "there is no command")
        if command.shape != self._rest.shape:
            return self._refuse(FINITE, f"command has shape {command.shape}, expected {self._rest.shape}")
        if not np.isfinite(command).all():
            bad = int(np.argmin(np.isfinite(command)))
            return self._refuse(FINITE, f"command of {self.limits.joint_names[bad]} is {command[bad]}")
        if not abs(age_s) <= self._max_age_s:  # an age from the future is no age; NaN fails too
            return self._refuse(FRESH, f"data is {age_s:.3f} s old, expected at most {self._max_age_s:.3f} s")
        return self._limit(command)

    def brake(self) -> FilteredCommand:
        """In place of `filter`, to end: bring the arm to rest without waiting for better input, then latch.

        Raises:
            CommandError: the filter was not activated.
        """
        if self._state is None:
            raise CommandError("the safety filter was not activated. Activate it at the measured positions.")
        self._refused_in_a_row = self._hold_periods
        return self._refuse(LATCH, "told to brake")

    def miss(self, periods: float) -> None:
        """Take in that no command was sent for so many periods, or a part of one, to an arm that braked by itself.

        That is what the tail of trajectory_knots does: each joint with its own acceleration limit, from where the last
        command brought it. The next command goes on from there, instead of asking the arm to make up for it.

        Raises:
            CommandError: the filter was not activated.
        """
        if self._state is None:
            raise CommandError("the safety filter was not activated. Activate it at the measured positions.")
        limits, T = self.limits, self._period_s
        braking_s = np.minimum(periods * T, np.abs(self._velocities) / limits.acceleration)
        slower = self._velocities - np.sign(self._velocities) * limits.acceleration * braking_s
        slower[np.abs(slower) <= 1e-12] = 0.0
        # The arm is half a period behind its commands, see trajectory_knots.
        arm = self._positions - 0.5 * T * self._velocities + 0.5 * (self._velocities + slower) * braking_s
        ahead = arm + 0.5 * T * slower
        self._positions = np.minimum(np.maximum(ahead, limits.position_lower), limits.position_upper)
        self._accelerations = np.where(slower == 0.0, 0.0, -np.sign(slower) * limits.acceleration)
        self._velocities = slower

    def _limit(self, command: np.ndarray) -> FilteredCommand:
        limits, T = self.limits, self._period_s
        in_range = np.minimum(np.maximum(command, limits.position_lower), limits.position_upper)
        wanted = (in_range - self._positions) / T
        allowed = np.minimum(np.maximum(wanted, -self._velocity_limit), self._velocity_limit)
        allowed = self._able_to_stop(allowed)
        sent = np.minimum(
            np.maximum(allowed, self._velocities - self._velocity_step), self._velocities + self._velocity_step
        )
        self._refused_in_a_row = 0
        is_limited = (in_range != command) | (sent != wanted)
        if not is_limited.any():
            self._state = SafetyState.PASSED
            self._accelerations = (wanted - self._velocities) / T
            self._positions, self._velocities = in_range, wanted
            return FilteredCommand(in_range.copy(), wanted.copy(), SafetyState.PASSED)
        # Joints that no limit touched are sent as asked, to the last bit.
        self._send(np.where(sent != wanted, self._positions + sent * T, in_range))
        self._state = SafetyState.LIMITED
        self._intervention_count += 1
        steps = (POSITION, command, in_range), (VELOCITY, wanted, allowed), (ACCELERATION, allowed, sent)
        acted = [step for step in steps if (step[1] != step[2]).any()]
        return FilteredCommand(
            self._positions.copy(),
            self._velocities.copy(),
            SafetyState.LIMITED,
            tuple([check for check, _, _ in acted]),
            is_limited,
            (limits.joint_names, *acted[0][1:]),
        )

    def _refuse(self, check: str, reason: str) -> FilteredCommand:
        """Take one more step towards rest instead of the command."""
        self._intervention_count += 1
        self._refused_in_a_row += 1
        # Jerk-limited speeds to rest; the acceleration clip cannot undo them, the end of the range may.
        slower = self._able_to_stop(self._braked())
        self._send(self._positions + slower * self._period_s)
        if self._refused_in_a_row <= self._hold_periods:
            self._state = SafetyState.HOLDING
        else:
            self._state = SafetyState.BRAKING if self._velocities.any() else SafetyState.LATCHED
        positions, velocities = self._positions.copy(), self._velocities.copy()
        return FilteredCommand(positions, velocities, self._state, (check,), None, (reason,))

    def _send(self, positions: np.ndarray) -> None:
        limits = self.limits
        positions = np.minimum(np.maximum(positions, limits.position_lower), limits.position_upper)  # against rounding
        velocities = (positions - self._positions) / self._period_s
        self._accelerations = (velocities - self._velocities) / self._period_s
        self._positions, self._velocities = positions, velocities

    def _able_to_stop(self, velocities: np.ndarray) -> np.ndarray:
        """Velocities (Da,) slowed so that the joints, braking from the next period on, stay in their range."""
        if (np.abs(velocities) <= self._velocity_step).all():
            return velocities  # They can stop in one period, and where that leads was checked.
        room = np.array((self._positions - self.limits.position_lower, self.limits.position_upper - self._positions))
        downwards, upwards = _fastest_to_rest(room, self._velocity_step, self._period_s)
        return np.minimum(np.maximum(velocities, -downwards), upwards)

    def _braked(self) -> np.ndarray:
        """Velocities (Da,) one period further on the way to rest, with limited jerk."""
        T, step = self._period_s, self._acceleration_step
        speed, direction = np.abs(self._velocities), np.sign(self._velocities)
        deceleration = np.maximum(-direction * self._accelerations, 0.0)
        # The strongest one that can also be released in time.
        wanted = np.minimum(_fastest_to_rest(speed, step, T), self.limits.acceleration)
        wanted = np.minimum(np.maximum(wanted, deceleration - step), deceleration + step)
        braked = direction * (speed - wanted * T)
        return np.where(wanted * T < speed * (1.0 - 1e-9), braked, 0.0)


def _fastest_to_rest(room: np.ndarray, step: np.ndarray, period_s: float) -> np.ndarray:
    """Largest rate that, reduced by `step` in every further period, covers no more than `room` until it is zero.

    With u = rate / step and r = room / (step * period), the way is u + (u - 1) + … = n u - n (n - 1) / 2 for the whole
    number n of periods with n - 1 <= u < n; it is solved for u. The same for velocities (room is a distance) and
    accelerations (room is a velocity).
    """
    r = np.maximum(room, 0.0) / (step * period_s)
    n = np.floor(np.sqrt(2.0 * r + 0.25) + 0.5)
    return step * (r / n + 0.5 * (n - 1.0))
