"""What the arm was sent last, and how it is brought to rest."""

import numpy as np

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.safety_filter import FilteredCommand, SafetyFilter, SafetyState
from spirl_ros.control.skill_sequence import Outcome


class CommandedMotion:
    """Sends commands through the safety filter and remembers whether, and why, the arm has to stop.

    It ends in one of two ways: braking `with_release` leaves the arm ready for the next command; every other braking
    latches. Not thread-safe.
    """

    def __init__(self, limits: JointLimits, control_period_s: float, max_age_s: float) -> None:
        """Nothing was sent; `begin` comes first."""
        self._filter = SafetyFilter(limits, control_period_s, max_age_s)
        self.interventions = 0
        """Commands changed or refused since the beginning."""
        self.forget()

    @property
    def last(self) -> FilteredCommand | None:
        """What was sent last; None before the first."""
        return self._last

    @property
    def joint_positions(self) -> np.ndarray:
        """Where the arm was sent last (Da,) [rad, m], or where it has braked by itself since. Only after `begin`."""
        return self._filter.joint_positions

    @property
    def is_moving(self) -> bool:
        """Did the last command ask for motion."""
        return self._last is not None and self._filter.is_moving

    @property
    def is_at_rest_for_good(self) -> bool:
        """Has braking ended, and only `reset` allows motion again.

        An arm that was at rest is sent nothing: somebody else may have moved it away from the last command.
        """
        return self.has_to_latch and not self.is_moving

    @property
    def has_to_latch(self) -> bool:
        """Is the arm braking or at rest so that only `reset` allows motion again."""
        return bool(self.brake_reason) and not self._is_released_at_rest

    def begin(self, joint_positions: np.ndarray) -> None:
        """Take over the arm at its measured positions (Da,), which are the first command; errors as SafetyFilter."""
        self._last = self._filter.activate(joint_positions)

    def forget(self) -> None:
        """The arm may stand elsewhere: `begin` again."""
        self._last: FilteredCommand | None = None
        self.brake_reason = ""
        """Why the arm has to stop; empty when it need not."""
        self.brake_outcome = Outcome.STOPPED
        """How the skill under way ends when the arm is at rest."""
        self._is_released_at_rest = False

    def send(self, wanted: np.ndarray | None, age_s: float) -> FilteredCommand:
        """Filter a command, see SafetyFilter. Bad input for too long begins to brake for good."""
        return self._sent(self._filter.filter(wanted, age_s))

    def stay(self) -> FilteredCommand:
        """Come to rest where the last command was, ready for another at any moment."""
        assert self._last is not None
        return self.send(self._last.joint_positions, age_s=0.0)

    def miss(self, periods: float) -> None:
        """No command was sent for so many periods, and the arm braked by itself, see SafetyFilter.miss."""
        if self._last is not None:
            self._filter.miss(periods)

    def brake_for(self, reason: str, outcome: Outcome, *, with_release: bool) -> None:
        """Have the arm brake from the next command on."""
        self.brake_reason, self.brake_outcome, self._is_released_at_rest = reason, outcome, with_release

    def brake(self) -> FilteredCommand:
        """The next command on the way to rest."""
        return self._sent(self._filter.brake())

    def latch(self) -> None:
        """At rest for good: `last` says so, and is not to be sent. Nothing happens before the first command."""
        if self._last is not None and self._last.state is not SafetyState.LATCHED:
            self._last = self._filter.brake()

    def release(self) -> None:
        """At rest after braking `with_release`: be ready. Nothing happens otherwise."""
        if self._is_released_at_rest:
            assert self._last is not None
            # From where the arm was sent, not from where it is measured: the command must not jump.
            self._last = self._filter.activate(self._last.joint_positions)
            self.brake_reason, self._is_released_at_rest = "", False

    def reset(self, joint_positions: np.ndarray) -> None:
        """Release the latch; errors are those of SafetyFilter.reset. Then `begin` again."""
        self._filter.reset(joint_positions)
        self.forget()

    def _sent(self, filtered: FilteredCommand) -> FilteredCommand:
        self._last = filtered
        self.interventions += bool(filtered.interventions)
        return filtered
