"""A stand-in for a real arm: joints without a world, behind the rules of ros2_control's controllers.

What it does with commands is what joint_trajectory_controller, UR's variant of it and forward_command_controller of
ROS 2 Jazzy do: which trajectories are refused, that a new one replaces the old one at once, where it starts from and
that it starts too early there, how points are joined, what the pendant's speed slider scales, that it holds at the end,
how a violated tolerance ends. What it does with set-points is a simple servo's. It also watches what a vendor's
controller watches, the limits, and stops for good when a set-point leaves them.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from spirl_ros.arms.joint_trajectory import JointTrajectory, TrajectoryFollower
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.trajectory_knots import trajectory_knots
from spirl_ros.errors import CommandError, ConfigError

JOINT_TRAJECTORY, FORWARD_POSITION = "joint_trajectory", "forward_position"
CONTROLLERS = (JOINT_TRAJECTORY, FORWARD_POSITION)
"""Only one controller holds the joints of an arm at a time."""


@dataclass(frozen=True)
class StandInSettings:
    """How the controllers and the servos behave; the defaults are a stock arm's as docs/real_arms.md sets it up."""

    controller: str = JOINT_TRAJECTORY
    """The active controller, one of CONTROLLERS."""
    update_period_s: float = 0.002
    """Time between two set-points [s], the controller manager's."""
    interpolate_from_desired_state: bool = True
    """Whether a new trajectory starts where the last command was; otherwise where the joints are measured."""
    begins_early: bool = False
    """Whether a new trajectory that starts where the last command was is taken to have been there one update earlier:
    its first update goes twice as far as the others. Controllers since joint_trajectory_controller 4.17 do that, and
    so does the node by default; without it trajectories have exactly the limits that they were made with."""
    speed_scaling: float = 1.0
    """The pendant's speed slider to begin with. It slows the time of a trajectory, but not its first update."""
    may_end_in_motion: bool = False
    """Whether a trajectory may end in motion: the controller's `allow_nonzero_velocity_at_trajectory_end`."""
    path_tolerance: float = 0.2
    """Largest distance of a joint from its set-point on the way [rad, m]; 0 for any."""
    decelerate_on_cancel: bool = False
    """Whether the set-point, which jumps to the measured joints beyond that tolerance, brakes to rest from there with
    the acceleration limit; otherwise it stays there, as UR's controller does whatever the parameter of that name
    says."""
    servo_lag_s: float = 0.02
    """How far the joints follow behind the set-points at constant velocity [s]; with 0 they are where those are."""
    servo_delay_s: float = 0.0
    """How long a set-point is under way to the servos [s], in whole updates."""
    acceleration_tolerance: float = 5.0
    """The arm stops for good above so many times the acceleration limit. A command that arrives late costs some."""
    position_tolerance: float = 2e-3
    """It stops for good so far outside its range [rad, m]."""

    def __post_init__(self) -> None:
        """Check names and ranges."""
        if self.controller not in CONTROLLERS:
            raise ConfigError(f"controller is '{self.controller}', expected one of {', '.join(CONTROLLERS)}.")
        for name in ("update_period_s", "acceleration_tolerance", "position_tolerance"):
            if not 0.0 < getattr(self, name) < np.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected a finite number above 0.")
        for name in ("servo_lag_s", "servo_delay_s", "speed_scaling"):
            if not 0.0 <= getattr(self, name) < np.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected a finite number of 0 or more.")
        if not self.path_tolerance >= 0.0:
            raise ConfigError(f"path_tolerance is {self.path_tolerance}, expected 0 or more.")


class StandInArm:
    """Joints that follow commands. Its time goes on with `advance`. Not thread-safe: the caller holds a lock."""

    def __init__(
        self, limits: JointLimits, positions: np.ndarray, settings: StandInSettings | None = None, now_s: float = 0.0
    ) -> None:
        """Begin at rest.

        Args:
            limits: of the arm, in the order of its position commands.
            positions: where it stands (Da,) [rad, m].
            settings: of its controllers and servos.
            now_s: time [s].

        Raises:
            ConfigError: it would stand outside its limits.
        """
        positions = np.array(positions, dtype=float)
        has_size = positions.shape == limits.position_lower.shape
        if not has_size or not ((limits.position_lower <= positions) & (positions <= limits.position_upper)).all():
            raise ConfigError(f"the arm would begin at {positions.tolist()}, expected a place within its limits.")
        self.limits = limits
        self.settings = StandInSettings() if settings is None else settings
        self.positions, self.velocities = positions, np.zeros_like(positions)
        """Measured (Da,) [rad, m] and [rad/s, m/s]."""
        self.desired, self.desired_velocities = positions.copy(), np.zeros_like(positions)
        """The set-point (Da,), as it was sent to the servos last."""
        self.time_s = now_s
        self.speed_scaling = self.settings.speed_scaling
        """Where the speed slider is, 1 for full speed; whoever moves it sets this."""
        self.fault = ""
        """Why the arm has stopped for good, until `recover`; empty while it takes commands."""
        self.hold_reason = ""
        """Why the last trajectory was given up for holding; empty while none was."""
        self._arrived: tuple[JointTrajectory, float | None] | None = None
        self._follower: TrajectoryFollower | None = None
        self._trajectory_s = now_s
        self._next_position: np.ndarray | None = None
        self._mean_velocities = np.zeros_like(positions)
        self._clear_delay()
        self._forget_peaks()

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The joints, in the order of position commands."""
        return self.limits.joint_names

    @property
    def is_ready(self) -> bool:
        """Whether it takes commands."""
        return not self.fault

    def peaks(self) -> tuple[float, float]:
        """Largest velocity and acceleration of the set-points since the last call, as shares of the limits."""
        peaks = self._velocity_peak, self._acceleration_peak
        self._forget_peaks()
        return peaks

    def command_trajectory(self, trajectory: JointTrajectory, start_s: float | None = None) -> None:
        """Follow a trajectory from the next update on; what was followed before is forgotten.

        Args:
            trajectory: what to follow, in this arm's joint order.
            start_s: time of its zero on the arm's clock; None is that update.

        Raises:
            CommandError: it would end in the past, another controller is active, or the arm has stopped for good.
        """
        self._check_takes(JOINT_TRAJECTORY)
        if start_s is not None and start_s + trajectory.times_s[-1] < self.time_s:
            raise CommandError(
                f"trajectory ends at {start_s + trajectory.times_s[-1]:.3f} s, but it is {self.time_s:.3f} s now. "
                "Stamp it with the arm's clock, or with 0 to start at once."
            )
        self._arrived = trajectory, start_s
        self.hold_reason = ""

    def command_positions(self, positions: np.ndarray) -> None:
        """Make these the set-point (Da,), as they come.

        Raises:
            CommandError: a wrong size, a value that is not finite, another controller is active, or the arm has
                stopped for good.
        """
        self._check_takes(FORWARD_POSITION)
        positions = np.array(positions, dtype=float)
        if positions.shape != self.desired.shape or not np.isfinite(positions).all():
            raise CommandError(f"positions are {positions.tolist()}, expected {self.desired.size} finite numbers.")
        # The controller writes it with its next update; a jump is for the drive to judge, which sees it there.
        self._arrived = self._follower = None
        self._next_position = positions

    def advance(self, now_s: float) -> None:
        """Let time pass, in whole updates of the controllers."""
        period_s = self.settings.update_period_s
        while self.time_s + period_s <= now_s + 1e-9:
            self.time_s += period_s
            self._update(period_s)

    def stop(self, reason: str) -> None:
        """Stop for good, as an emergency stop or a vendor's protective stop does."""
        self.fault = reason
        self._arrived = self._follower = self._next_position = None

    def recover(self) -> None:
        """Take commands again, on somebody's explicit demand; the arm stays where it is."""
        self.fault = self.hold_reason = ""
        self._hold(self.positions)
        self._clear_delay()

    def _check_takes(self, controller: str) -> None:
        if self.fault:
            raise CommandError(f"the arm has stopped: {self.fault}. Recover it first.")
        if controller != self.settings.controller:
            raise CommandError(
                f"the {controller} controller is not active, {self.settings.controller} is. Switch controllers, or "
                "correct command_interface."
            )

    def _update(self, period_s: float) -> None:
        if self.fault:
            self._brake(period_s)
            return
        desired, velocities = self.desired, np.zeros_like(self.desired)
        self._begin_or_go_on(period_s)
        if self._follower is not None:
            # What is sent now is for the next update. Its time is not the arm's while the slider is down.
            desired, velocities = self._follower.sample(self._trajectory_s + period_s)
        elif self._next_position is not None:
            desired, self._next_position = self._next_position, None
        mean_velocities = (desired - self.desired) / period_s
        if fault := self._out_of_limits(desired, mean_velocities, period_s):
            self.stop(fault)
            self._brake(period_s)
            return
        self.desired, self.desired_velocities, self._mean_velocities = desired, velocities, mean_velocities
        self._servo(period_s)
        self._check_path(period_s)

    def _begin_or_go_on(self, period_s: float) -> None:
        """Take up a trajectory that has arrived, or let the time of the one under way go on."""
        if self._arrived is None:
            self._trajectory_s += self.speed_scaling * period_s
            return
        (trajectory, start_s), self._arrived = self._arrived, None
        position, velocity, was_there_s = self.positions, self.velocities, self.time_s
        if self.settings.interpolate_from_desired_state:
            position, velocity = self.desired, self.desired_velocities
            if self.settings.begins_early:
                was_there_s -= period_s
        self._trajectory_s = self.time_s
        start_s = self.time_s if start_s is None else start_s
        self._follower = TrajectoryFollower(trajectory, start_s, position, velocity, arrived_s=was_there_s)

    def _out_of_limits(self, desired: np.ndarray, mean_velocities: np.ndarray, period_s: float) -> str:
        """Which limit a set-point breaks, or nothing. Position set-points are not judged by acceleration: they jump.

        Velocities and accelerations are those from set-point to set-point, which is all that the servos get.
        """
        limits, names = self.limits, self.limits.joint_names
        outside = np.maximum(limits.position_lower - desired, desired - limits.position_upper)
        if outside.max() > self.settings.position_tolerance:
            worst = int(np.argmax(outside))
            return f"position limit of {names[worst]}: set-point {desired[worst]:.4f}"
        if self._follower is None:
            return ""
        share = np.abs(mean_velocities) / limits.velocity
        self._velocity_peak = max(self._velocity_peak, float(share.max()))
        if share.max() > 1.0 + 1e-3:
            worst = int(np.argmax(share))
            return f"velocity limit of {names[worst]}: {mean_velocities[worst]:.3f} of {limits.velocity[worst]:.3f}"
        accelerations = (mean_velocities - self._mean_velocities) / period_s
        share = np.abs(accelerations) / limits.acceleration
        self._acceleration_peak = max(self._acceleration_peak, float(share.max()))
        if share.max() > self.settings.acceleration_tolerance:
            worst = int(np.argmax(share))
            return (
                f"acceleration limit of {names[worst]}: {accelerations[worst]:.2f} of {limits.acceleration[worst]:.2f}"
            )
        return ""

    def _servo(self, period_s: float) -> None:
        """A critically damped joint: at constant velocity it follows `servo_lag_s` behind what has come through."""
        self._under_way.append(self.desired)
        target = self._under_way.popleft()
        if self.settings.servo_lag_s == 0.0:
            self.positions, self.velocities = target, (target - self.positions) / period_s
            return
        w = 2.0 / self.settings.servo_lag_s
        # The exact solution over one period with the set-point held: x = (A + B t) exp(-w t).
        a = self.positions - target
        b = self.velocities + w * a
        decay = np.exp(-w * period_s)
        self.positions = target + (a + b * period_s) * decay
        self.velocities = (b - w * (a + b * period_s)) * decay

    def _brake(self, period_s: float) -> None:
        """After a fault the drives bring each joint to rest with its acceleration limit."""
        step = self.limits.acceleration * period_s
        slower = np.sign(self.velocities) * np.maximum(np.abs(self.velocities) - step, 0.0)
        self.positions = self.positions + 0.5 * (self.velocities + slower) * period_s
        self.velocities = slower
        self._hold(self.positions)

    def _check_path(self, period_s: float) -> None:
        tolerance = self.settings.path_tolerance
        if self._follower is None or tolerance == 0.0 or self._trajectory_s + period_s >= self._follower.end_s:
            return
        errors = np.abs(self.positions - self.desired)
        if errors.max() > tolerance:
            worst = int(np.argmax(errors))
            self.hold_reason = (
                f"{self.joint_names[worst]} is {errors[worst]:.3f} from its set-point, tolerated are {tolerance:.3f}"
            )
            velocities = self.velocities
            self._hold(self.positions)
            if self.settings.decelerate_on_cancel:
                self._ramp(velocities, self.time_s + period_s)

    def _ramp(self, velocities: np.ndarray, start_s: float) -> None:
        """From the set-point on to rest, each joint with its acceleration limit, from measured velocities (Da,)."""
        knots = trajectory_knots(self.desired, velocities, self.limits, 0.0)
        ramp = JointTrajectory(knots.times_s, knots.positions, knots.velocities)
        self._follower = TrajectoryFollower(ramp, start_s, self.desired, velocities)
        self._trajectory_s = self.time_s
        self._mean_velocities = velocities

    def _hold(self, positions: np.ndarray) -> None:
        self._arrived = self._follower = self._next_position = None
        self.desired, self.desired_velocities = positions.copy(), np.zeros_like(positions)
        self._mean_velocities = np.zeros_like(positions)

    def _clear_delay(self) -> None:
        """No set-point is under way but the present one."""
        count = round(self.settings.servo_delay_s / self.settings.update_period_s)
        self._under_way = deque([self.desired] * count)

    def _forget_peaks(self) -> None:
        self._velocity_peak = self._acceleration_peak = 0.0
