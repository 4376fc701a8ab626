"""Refuses limits that cannot be meant: in degrees, millimetres or percent, or wider than the arm's URDF allows."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from spirl_ros.arms.urdf_joints import UrdfJoint
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.errors import ConfigError

REASON = "unusual_because"
"""What a joint in a robot's file says, in words, when its limits really are that wide."""

_TURN = 2.0 * np.pi
_LARGEST: Mapping[str, Mapping[str, float]] = {
    "rad": {"range": 2.0 * _TURN, "velocity": 20.0, "acceleration": 50.0, "jerk": 10_000.0},
    "m": {"range": 5.0, "velocity": 5.0, "acceleration": 50.0, "jerk": 5_000.0},
}
"""More than the joints of arms have; limits in degrees, millimetres or percent are beyond at least one of them. The
largest jerk that a vendor publishes is the one for the last joints of Franka's arms."""
_MOST_TURNS = 20.0
"""Range of a joint that turns without end."""
_ROUNDING = 1e-3
"""Relative: files say 3.142 or 6.2832 for what a URDF has in all digits."""


def check_units(
    limits: JointLimits, units: Sequence[str], continuous: Sequence[str], is_excepted: Callable[[str], bool]
) -> None:
    """Refuse limits that no joint of an arm has.

    Args:
        limits: of the arm.
        units: `rad` or `m` of each joint.
        continuous: names of joints that turn without end.
        is_excepted: whether the file says why this joint is unusual.

    Raises:
        ConfigError: the joint, the value, and what it may be in.
    """
    for row, (name, unit) in enumerate(zip(limits.joint_names, units, strict=True)):
        largest = dict(_LARGEST[unit])
        if name in continuous:
            largest["range"] = _MOST_TURNS * _TURN
        found = {rate: float(getattr(limits, rate)[row]) for rate in ("velocity", "acceleration", "jerk")}
        found["range"] = float(limits.position_upper[row] - limits.position_lower[row])
        for what, most in largest.items():
            if found[what] > most * (1.0 + 1e-6) and not is_excepted(name):
                what = {"range": "range from position_lower to position_upper"}.get(what, what)
                wrong = "degrees, or has the joint percent, or is it a slide (unit: m)" if unit == "rad" else "mm"
                raise ConfigError(
                    f"the {what} of {name} is {found[what.split()[0]]:g}, expected at most {most:g} for a joint in "
                    f"{unit}. "
                    f"Is it in {wrong}? Angles are in rad, slides in m, and that per s, s2 and s3. If the joint "
                    f"really is like that, say why in its entry: {REASON}: <in words>."
                )


def check_against_urdf(limits: JointLimits, joints: Mapping[str, UrdfJoint]) -> None:
    """Refuse limits that are wider than those of a URDF, for the joints that it has.

    Raises:
        ConfigError: the joint and both values.
    """
    for row, name in enumerate(limits.joint_names):
        joint = joints.get(name, UrdfJoint("unknown"))
        for rate, theirs in joint.limits.items():
            if joint.kind == "continuous" and rate.startswith("position"):
                continue
            mine = float(getattr(limits, rate)[row])
            beyond = theirs - mine if rate == "position_lower" else mine - theirs
            if beyond > _ROUNDING * abs(theirs):
                raise ConfigError(
                    f"{rate} of {name} is {mine:g}, but the arm's URDF allows {theirs:g} only. "
                    f"{_in_degrees(mine, theirs)}Lower it, or give the URDF of this arm."
                )


def _in_degrees(mine: float, theirs: float) -> str:
    return "That looks like degrees, expected rad. " if theirs != 0.0 and abs(mine / theirs) > 30.0 else ""
