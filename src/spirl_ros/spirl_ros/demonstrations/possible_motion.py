"""Is a recorded motion one that the arm can have made: within its range, without leaps, no faster than it is.

What is not was recorded in other units, wraps round at ±π, or has its times mixed up, and would teach a motion that
nobody made.
"""

import numpy as np

from spirl_ros.arms.robot_configuration import RobotConfiguration
from spirl_ros.errors import DatasetError

_BEYOND = {"rad": 0.02, "m": 0.002}
"""How far outside its range a joint may be measured: hands push, and sensors have noise [rad, m]."""
_TURN = 2.0 * np.pi
_FASTER = 1.05
"""Of the limit: times of messages are not exact."""


def possible_positions(times_s: np.ndarray, measured: np.ndarray, robot: RobotConfiguration) -> np.ndarray:
    """The measured positions (N, Da) [rad, m], joints that turn without end unwrapped from the first one on.

    Args:
        times_s: when they were measured (N,), increasing.
        measured: positions as the driver reports them, finite.
        robot: the arm.

    Raises:
        DatasetError: a leap that no joint can make, or a position outside the arm's range.
    """
    positions = measured.copy()
    for name in robot.continuous:
        column = robot.limits.joint_names.index(name)
        positions[:, column] = np.unwrap(measured[:, column])
    _require_no_leap(times_s, positions, robot)
    _require_inside(times_s, positions, robot)
    return positions


def require_speed(actions: np.ndarray, times_s: np.ndarray, positions: np.ndarray, robot: RobotConfiguration) -> None:
    """Refuse a motion that no action describes: cut short, it would teach another one.

    Args:
        actions: (T, Da), of which ±1 are the fastest.
        times_s: of the measurements (N,), from the first action on.
        positions: measured then (N, Da).
        robot: the arm.

    Raises:
        DatasetError: a joint is faster than an action of 1; the message says whether it can be.
    """
    step, joint = np.unravel_index(np.abs(actions).argmax(), actions.shape)
    if not abs(actions[step, joint]) > 1.0:
        return
    name, unit = robot.limits.joint_names[joint], robot.units[joint]
    scale = np.broadcast_to(robot.velocity_scale, len(robot.limits.joint_names))[joint]
    speed, limit = abs(actions[step, joint]) * scale, robot.limits.velocity[joint]
    moves = f"{name} moves at {speed:.3g} {unit}/s in control step {step}"
    if speed > _FASTER * limit:
        raise DatasetError(
            f"{moves}, faster than the {limit:g} {unit}/s that it can, which is its velocity in the robot's file. "
            "Is it recorded in other units, or are the times of the messages wrong? Leave this recording out."
        )
    start_s = step / robot.control_rate_hz
    during = (times_s[1:] > start_s) & (times_s[:-1] < start_s + 1.0 / robot.control_rate_hz)
    gaps_s, moved = np.diff(times_s)[during], np.abs(np.diff(positions[:, joint]))[during]
    worst = int((moved / gaps_s).argmax())
    if moved[worst] > _FASTER * limit * gaps_s[worst]:
        raise DatasetError(
            f"{moves}, of which {moved[worst]:.3g} {unit} in {gaps_s[worst] * 1e3:.1f} ms, which it cannot: its "
            f"velocity is {limit:g} {unit}/s. Messages are missing, or their times are wrong. Leave this recording out."
        )
    raise DatasetError(
        f"{moves}, faster than an action of 1, which is velocity_scale {scale:g}. Move the arm more slowly, or raise "
        f"velocity_scale in the robot's file, to at most its velocity of {limit:g}."
    )


def _require_no_leap(times_s: np.ndarray, positions: np.ndarray, robot: RobotConfiguration) -> None:
    """No joint goes further between two measurements than it can in that time and one more control period."""
    if len(times_s) < 2:
        return
    moved = np.diff(positions, axis=0)
    within_s = np.diff(times_s)[:, None] + 1.0 / robot.control_rate_hz
    excess = np.abs(moved) - robot.limits.velocity * within_s
    row, joint = np.unravel_index(excess.argmax(), excess.shape)
    if not excess[row, joint] > 0.0:
        return
    name, unit, leap = robot.limits.joint_names[joint], robot.units[joint], moved[row, joint]
    where = (
        f"{name} leaps from {positions[row, joint]:.3f} to {positions[row + 1, joint]:.3f} {unit}, "
        f"{times_s[row + 1]:.3f} s after the first message"
    )
    is_wrap = unit == "rad" and abs(abs(leap) - _TURN) < 0.1 + robot.limits.velocity[joint] * within_s[row, 0]
    if is_wrap and name not in robot.continuous:
        raise DatasetError(
            f"{where}: that is a whole turn, as of a joint that turns without end and is reported within ±π. If it is "
            "one, say `continuous: true` in its entry in the robot's file."
        )
    raise DatasetError(
        f"{where}, which it cannot: its velocity is {robot.limits.velocity[joint]:g} {unit}/s. Is it recorded in other "
        "units, or are messages missing? Leave this recording out, or correct the robot's file."
    )


def _require_inside(times_s: np.ndarray, positions: np.ndarray, robot: RobotConfiguration) -> None:
    limits, units = robot.limits, robot.units
    beyond = np.maximum(limits.position_lower - positions, positions - limits.position_upper)
    beyond = beyond - np.array([_BEYOND[unit] for unit in units])
    row, joint = np.unravel_index(beyond.argmax(), beyond.shape)
    if not beyond[row, joint] > 0.0:
        return
    name, unit = limits.joint_names[joint], units[joint]
    advice = f"Expected {unit}: is it recorded in {'degrees or percent' if unit == 'rad' else 'mm or percent'}?"
    if name in robot.continuous:
        advice = "It turns without end, so its range counts whole turns: widen it in the robot's file."
    raise DatasetError(
        f"{name} is at {positions[row, joint]:.4g} {unit}, {times_s[row]:.3f} s after the first message, outside "
        f"{limits.position_lower[joint]:g} to {limits.position_upper[joint]:g}, its range in the robot's file. {advice}"
    )
