"""An arm that takes actions and joint targets, and is sent what the safety filter makes of them.

The one order that holds in training, in evaluation, under a person's hands and on the robot: what an action means, the
safety filter, the command. Whoever holds a SafeArm sends the commands that it returns.
"""

import numpy as np

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.safety_filter import FilteredCommand, SafetyFilter, SafetyState
from spirl_ros.control.velocity_action import MEASURED, VelocityAction, VelocityScale


class SafeArm:
    """Turns actions into safe joint commands and remembers what was sent, and whether and why the arm has to stop.

    Each of `act`, `go_on`, `aim` and `brake` is one control period, and the command that it returns has to be sent.
    `brake_for` asks for braking that ends in one of two ways: `with_release` leaves the arm ready for the next command;
    every other braking latches. It has no clock. Not thread-safe.
    """

    def __init__(
        self,
        limits: JointLimits,
        control_period_s: float,
        max_age_s: float,
        *,
        velocity_scale: VelocityScale = 1.0,
        action_reference: str = MEASURED,
        commands_per_action: int = 1,
    ) -> None:
        """Nothing was sent; `begin` comes first.

        Args:
            limits: of the arm.
            control_period_s: time between two commands [s].
            max_age_s: what was computed from older data is refused [s].
            velocity_scale: joint velocity of an action of 1 [rad/s, m/s].
            action_reference: what an action is relative to, one of velocity_action.REFERENCES.
            commands_per_action: commands that the way of one action is divided into.

        Raises:
            ConfigError: see SafetyFilter.
        """
        self._filter = SafetyFilter(limits, control_period_s, max_age_s)
        action_s = control_period_s * commands_per_action
        self._meaning = VelocityAction(limits.position_lower, limits.position_upper, action_s, velocity_scale)
        self._action_reference = action_reference
        self._commands_per_action = commands_per_action
        self.interventions = 0
        """Commands changed or refused since the beginning."""
        self.forget()

    @property
    def limits(self) -> JointLimits:
        """Of the arm."""
        return self._filter.limits

    @property
    def last(self) -> FilteredCommand | None:
        """What was sent last; None before the first."""
        return self._last

    @property
    def joint_positions(self) -> np.ndarray:
        """Where the arm was sent last (Da,) [rad, m], or where it has braked by itself since. Only after `begin`."""
        return self._filter.joint_positions

    @property
    def interventions_since_begin(self) -> int:
        """Commands changed or refused since `begin` or a release."""
        return self._filter.intervention_count

    @property
    def is_moving(self) -> bool:
        """Whether the last command asked for motion."""
        return self._last is not None and self._filter.is_moving

    @property
    def is_on_its_way(self) -> bool:
        """Whether the last action has commands left, for `go_on`."""
        return self._commands_left > 0

    @property
    def is_at_rest_for_good(self) -> bool:
        """Whether braking has ended, and only `reset` allows motion again.

        An arm that was at rest is sent nothing: somebody else may have moved it away from the last command.
        """
        return self.has_to_latch and not self.is_moving

    @property
    def has_to_latch(self) -> bool:
        """Whether the arm is braking or at rest so that only `reset` allows motion again."""
        return bool(self.brake_reason) and not self._is_released_at_rest

    def begin(self, joint_positions: np.ndarray) -> FilteredCommand:
        """Take over the arm at its measured positions (Da,), which are the first command; errors as SafetyFilter."""
        self._last = self._filter.activate(joint_positions)
        self._commands_left = 0
        return self._last

    def forget(self) -> None:
        """The arm may stand elsewhere: `begin` again."""
        self._last: FilteredCommand | None = None
        self.brake_reason = ""
        """Why the arm has to stop; empty when it need not."""
        self._is_released_at_rest = False
        self._goal = self._way = np.empty(0)
        self._commands_left = 0

    def act(self, action: np.ndarray, joint_positions: np.ndarray, age_s: float) -> FilteredCommand:
        """Carry out an action, or begin to: its first command.

        Args:
            action: (Da,) in [-1, 1]; what is outside is clipped.
            joint_positions: measured (Da,) [rad, m].
            age_s: how old they are [s].
        """
        commanded = self._filter.joint_positions
        led = self._meaning.led_positions(self._action_reference, joint_positions, commanded)
        self._goal = self._meaning.joint_command(action, led)
        self._way = (self._goal - commanded) / self._commands_per_action
        self._commands_left = self._commands_per_action
        return self.go_on(age_s)

    def go_on(self, age_s: float) -> FilteredCommand:
        """The next command of the action under way, see `is_on_its_way`."""
        self._commands_left -= 1
        return self.aim(self._goal if self._commands_per_action == 1 else self.joint_positions + self._way, age_s)

    def aim(self, joint_target: np.ndarray | None, age_s: float) -> FilteredCommand:
        """Go to a joint target (Da,) [rad, m]; None, or data that is too old [s], holds, then brakes, then latches."""
        return self._sent(self._filter.filter(joint_target, age_s))

    def stay(self) -> FilteredCommand:
        """Come to rest where the last command was, ready for another at any moment."""
        assert self._last is not None
        return self.aim(self._last.joint_positions, age_s=0.0)

    def end_action(self) -> None:
        """The action under way goes no further: another one begins with the next command."""
        self._commands_left = 0

    def miss(self, periods: float) -> None:
        """No command was sent for so many periods, and the arm braked by itself, see SafetyFilter.miss."""
        if self._last is not None:
            self._filter.miss(periods)

    def brake_for(self, reason: str, *, with_release: bool) -> None:
        """Have the arm brake from the next command on: its holder calls `brake` while there is a `brake_reason`."""
        self.brake_reason, self._is_released_at_rest = reason, with_release

    def brake(self) -> FilteredCommand:
        """The next command on the way to rest."""
        self._commands_left = 0
        return self._sent(self._filter.brake())

    def latch(self) -> None:
        """At rest for good: `last` says so, and is not to be sent. Nothing happens before the first command."""
        self._commands_left = 0
        if self._last is not None and self._last.state is not SafetyState.LATCHED:
            self._last = self._filter.brake()

    def release(self) -> None:
        """At rest after braking `with_release`: be ready. Nothing happens otherwise."""
        if self._is_released_at_rest:
            assert self._last is not None
            # From where the arm was sent, not from where it is measured: the command must not jump.
            self._last = self._filter.activate(self._last.joint_positions)
            self.brake_reason, self._is_released_at_rest = "", False

    def reset(self, joint_positions: np.ndarray) -> FilteredCommand:
        """Release the latch, on somebody's explicit demand, and take over the arm where it is measured (Da,).

        Raises:
            CommandError: also when it still moves, see SafetyFilter.reset; nothing is changed.
        """
        first = self._filter.reset(joint_positions)
        self.forget()
        self._last = first
        return first

    def _sent(self, filtered: FilteredCommand) -> FilteredCommand:
        self._last = filtered
        self.interventions += bool(filtered.interventions)
        return filtered
