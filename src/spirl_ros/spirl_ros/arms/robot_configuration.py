"""What is known about a real arm: its limits with their sources, its topics, and how to bring it back after a stop."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from spirl_ros.arms.limit_checks import REASON, check_against_urdf, check_units
from spirl_ros.arms.urdf_joints import LARGEST_URDF_BYTES, parse_urdf, urdf_joints
from spirl_ros.configuration import from_plain
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.safe_arm import SafeArm
from spirl_ros.control.tracking import TRACKING_TOLERANCE
from spirl_ros.control.velocity_action import COMMANDED, VelocityScale, as_velocity_scale, problem_of_scale
from spirl_ros.errors import ConfigError
from spirl_ros.files.plain_yaml import printable, read_regular_file, read_yaml_file, shortened
from spirl_ros.shipped import shipped

ROBOTS = ("ur5e", "fr3", "generic")
"""Files in config/robots. `generic` is a form to fill in."""

WITH_URDF = ("ur5e", "fr3")
"""Those of them that have a file in config/urdf."""

CONTROLLER_UPDATE_PERIOD_S = 0.01
"""Of a controller that nothing is known of [s]: the default rate of a controller manager is 100 Hz."""

RATES = ("position_lower", "position_upper", "velocity", "acceleration", "jerk")
"""What every joint has to say, as JointLimits does."""

_LARGEST_TOLERANCE = 3.0
"""More is not watching, or degrees."""


@dataclass(frozen=True)
class RobotConfiguration:
    """A real arm. Names of topics are relative, so that a namespace goes in front of them."""

    name: str
    description: str
    limits: JointLimits
    """In the order of the arm's position commands. No command leaves them."""
    home: np.ndarray
    """(Da,) where the stand-in for the arm begins [rad, m]."""
    control_rate_hz: float
    """Commands per second that skills for this arm are made for."""
    velocity_scale: VelocityScale
    """Joint velocity that an action of 1 asks for, in skills for this arm [rad/s, m/s]; in a file either one number, or
    `velocity_scale` of the joints that have another."""
    trajectory_controller: str
    """Trajectories go to <name>/joint_trajectory."""
    joint_state_topic: str = "joint_states"
    """The fastest one that has every joint."""
    max_age_s: float = 0.06
    """Joint states older than this stop the arm [s]."""
    path_tolerance: float = 0.2
    """Distance from the set-point at which the controller gives a trajectory up [rad, m]; 0 for never."""
    tracking_tolerance: float = TRACKING_TOLERANCE
    """A joint measured further than this from where it can be after its last commands stops the arm [rad, m]."""
    controller_update_period_s: float = CONTROLLER_UPDATE_PERIOD_S
    """Time between two updates of the controller, or more [s]: commands are sent so much ahead."""
    speed_scaling_topic: str = ""
    """std_msgs/Float64, the pendant's speed slider in percent; empty where there is none."""
    ready_topic: str = ""
    """std_msgs/Bool, latched: true while the arm takes commands; empty where there is none."""
    fault_topic: str = ""
    """std_msgs/Bool: true when the arm has stopped for a fault; empty where there is none."""
    tool_link: str = ""
    """Link of the URDF that teleoperation moves; empty where nobody does."""
    activity_topic: str = ""
    """controller_manager_msgs/ControllerManagerActivity; empty where there is none."""
    recovery: tuple[str, ...] = ()
    """What a person does after the arm has stopped, step by step."""
    urdf: str = ""
    """File of its URDF; a relative one is beside the robot's file. Empty where only the driver knows it."""
    continuous: tuple[str, ...] = ()
    """Joints that turn without end, which drivers may report within ±π. Their limits count whole turns."""
    slides: tuple[str, ...] = ()
    """Joints that slide, in m; every other turns, in rad."""

    def __post_init__(self) -> None:
        """Check ranges and names."""
        for name in ("control_rate_hz", "max_age_s", "tracking_tolerance", "controller_update_period_s"):
            if not 0.0 < getattr(self, name) < np.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected a finite number above 0.")
        if problem := problem_of_scale(self.velocity_scale, len(self.limits.joint_names)):
            raise ConfigError(f"velocity_scale {problem}.")
        if not 0.0 <= self.path_tolerance <= _LARGEST_TOLERANCE:
            raise ConfigError(
                f"path_tolerance is {self.path_tolerance}, expected rad or m from 0 to {_LARGEST_TOLERANCE:g}."
            )
        inside = (self.limits.position_lower <= self.home) & (self.home <= self.limits.position_upper)
        if not inside.all():  # NaN is not inside either
            worst = int(np.argmin(inside))
            raise ConfigError(
                f"home of {self.limits.joint_names[worst]} is {self.home[worst]}, expected a place within its limits, "
                f"{self.limits.position_lower[worst]:g} to {self.limits.position_upper[worst]:g} {self.units[worst]}."
            )
        for name in ("continuous", "slides"):
            if unknown := [joint for joint in getattr(self, name) if joint not in self.limits.joint_names]:
                raise ConfigError(f"{name} names {unknown[0]}, expected some of {', '.join(self.limits.joint_names)}.")
        if both := [joint for joint in self.continuous if joint in self.slides]:
            raise ConfigError(f"{both[0]} is prismatic (unit: m) and continuous, expected one of the two.")

    @property
    def units(self) -> tuple[str, ...]:
        """Unit of each joint's position, `rad` or `m` (Da)."""
        return tuple("m" if name in self.slides else "rad" for name in self.limits.joint_names)

    def safe_arm(self, max_age_s: float) -> SafeArm:
        """A new one, which takes no data older than that [s]; its actions lead what was commanded."""
        period_s, scale = 1.0 / self.control_rate_hz, self.velocity_scale
        return SafeArm(self.limits, period_s, max_age_s, velocity_scale=scale, action_reference=COMMANDED)

    def with_urdf(self, urdf: str) -> "RobotConfiguration":
        """The same arm with what its URDF knows besides: which joints slide, and which turn without end.

        Args:
            urdf: its text. It may have other joints than the arm, and lack some.

        Raises:
            ConfigError: no URDF, or limits here that are wider than there.
        """
        joints = urdf_joints(parse_urdf(urdf))
        check_against_urdf(self.limits, joints)
        kinds = {name: joints[name].kind for name in self.limits.joint_names if name in joints}
        if turning := [name for name in self.slides if kinds.get(name, "prismatic") != "prismatic"]:
            raise ConfigError(
                f"unit of {turning[0]} is m, but its joint in the URDF is {kinds[turning[0]]}. Correct one."
            )
        found = {"slides": "prismatic", "continuous": "continuous"}
        return replace(
            self,
            **{
                ours: tuple(
                    name for name in self.limits.joint_names if name in getattr(self, ours) or kinds.get(name) == theirs
                )
                for ours, theirs in found.items()
            },
        )


def read_robot(robot: str, file: Path | None = None) -> RobotConfiguration:
    """The configuration of a robot.

    Args:
        robot: one of ROBOTS.
        file: read this instead; `generic` needs one.

    Raises:
        ConfigError: an unknown robot, missing limits, or a file that cannot be used; the message names it.
    """
    if robot not in ROBOTS:
        raise ConfigError(
            f"there is no robot {robot}, expected one of {', '.join(ROBOTS)}. For another arm use robot:=generic with "
            "robot_file:=, a copy of config/robots/generic.yaml that you filled in."
        )
    path = shipped(f"config/robots/{robot}.yaml") if file is None else file
    values = read_yaml_file(path)
    try:
        parsed = _parse(values)
        if parsed.urdf:
            parsed = replace(parsed, urdf=str((path.parent / Path(parsed.urdf).expanduser()).absolute()))
            return parsed.with_urdf(read_urdf(Path(parsed.urdf)))
        return parsed.with_urdf(read_urdf(shipped(f"config/urdf/{robot}.urdf"))) if robot in WITH_URDF else parsed
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def find_robot(name: str) -> RobotConfiguration:
    """The configuration of a robot by its name, or by a file like config/robots/generic.yaml; errors as read_robot."""
    return read_robot("generic", Path(name)) if name.endswith((".yaml", ".yml")) else read_robot(name)


def read_urdf(file: Path) -> str:
    """The text of an arm's URDF; raises ConfigError when the file cannot be read."""
    try:
        return read_regular_file(file, LARGEST_URDF_BYTES).decode("utf-8")
    except ConfigError as error:
        raise ConfigError(f"{error} Give the arm's URDF, which xacro makes.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} cannot be read: {error}. Expected the arm's URDF, which xacro makes.") from error


def _parse(values: Any) -> RobotConfiguration:
    if not isinstance(values, dict):
        raise ConfigError(f"it holds {shortened(values)}, expected keys and values as in config/robots/generic.yaml.")
    joints = values.get("joints")
    if not isinstance(joints, list) or not joints or not all(isinstance(joint, dict) for joint in joints):
        raise ConfigError(
            f"joints are {shortened(joints)}, expected a list with name, home and {', '.join(RATES)} of each."
        )
    of_joints = ("limits", "home", "continuous", "slides", "velocity_scale")
    known = {field.name: field for field in fields(RobotConfiguration) if field.name not in of_joints}
    named = (*known, "velocity_scale", "joints", "sources")
    _check_names("", values, named, [name for name, field in known.items() if field.default is MISSING])
    for joint in joints:
        known_of_joint = ("name", "home", *RATES, *_OPTIONAL)
        needed = (
            "name",
            "home",
            *(rate for rate in RATES if not (rate in _ENDLESS and joint.get("continuous") is True)),
        )
        if not isinstance(joint.get("name", ""), str):
            raise ConfigError(
                f"name of a joint is {shortened(joint['name'])}, expected a text, as in the joint states."
            )
        _check_names(f"joint {printable(str(joint.get('name')), 80)}: ", joint, known_of_joint, needed)
    limits = JointLimits(
        joint_names=tuple(str(joint["name"]) for joint in joints),
        **{rate: np.array([_number(joint, rate, _ENDLESS.get(rate)) for joint in joints]) for rate in RATES},
    )
    given = {name: from_plain(values[name], field.type, name) for name, field in known.items() if name in values}
    excepted = {str(joint["name"]) for joint in joints if _reason(joint)}
    continuous = tuple(str(joint["name"]) for joint in joints if _is_continuous(joint))
    units = [_unit(joint) for joint in joints]
    check_units(limits, units, continuous, excepted.__contains__)
    return RobotConfiguration(
        limits=limits,
        home=np.array([_number(joint, "home") for joint in joints]),
        continuous=continuous,
        slides=tuple(name for name, unit in zip(limits.joint_names, units, strict=True) if unit == "m"),
        velocity_scale=_velocity_scale(values, joints, limits),
        **given,
    )


_OPTIONAL = ("unit", "continuous", "velocity_scale", REASON)
"""What a joint may say besides."""
_ENDLESS = {"position_lower": -20.0 * np.pi, "position_upper": 20.0 * np.pi}
"""Range of a joint that turns without end and says none: ten turns to both sides of where it reports 0."""


def _velocity_scale(values: Mapping, joints: Sequence[Mapping], limits: JointLimits) -> VelocityScale:
    """One number, or that of each joint; an action of 1 must be a motion that the joint can make."""
    has_own = ["velocity_scale" in joint for joint in joints]
    if "velocity_scale" not in values and not all(has_own):
        raise ConfigError("velocity_scale missing: the joint velocity that an action of 1 asks for [rad/s, m/s].")
    common = from_plain(values.get("velocity_scale", 1.0), float, "velocity_scale")
    scales = [_number(joint, "velocity_scale") if own else common for joint, own in zip(joints, has_own, strict=True)]
    for name, scale, own, velocity in zip(limits.joint_names, scales, has_own, limits.velocity, strict=True):
        if scale > (velocity if own else limits.velocity.max()):
            whose = f"of {name}, {velocity:g}" if own else f"of every joint, {limits.velocity.max():g} at most"
            raise ConfigError(
                f"velocity_scale is {scale:g}, expected no more than the velocity {whose}, in rad/s or m/s."
            )
    return as_velocity_scale(scales)


def _unit(joint: Mapping) -> str:
    unit = joint.get("unit", "rad")
    if unit not in ("rad", "m"):
        raise ConfigError(
            f"unit of joint {joint['name']} is {shortened(unit)}, expected rad, or m for a prismatic joint."
        )
    return unit


def _reason(joint: Mapping) -> str:
    reason = joint.get(REASON)
    if reason is not None and (not isinstance(reason, str) or not reason.strip()):
        raise ConfigError(f"{REASON} of joint {joint['name']} is {shortened(reason)}, expected the reason in words.")
    return reason or ""


def _is_continuous(joint: Mapping) -> bool:
    return from_plain(joint.get("continuous", False), bool, f"continuous of joint {joint['name']}")


def _check_names(where: str, values: Mapping, known: tuple[str, ...], required: list[str] | tuple[str, ...]) -> None:
    if unknown := [name for name in values if name not in known]:
        raise ConfigError(f"{where}{printable(str(unknown[0]), 80)} is unknown. Known are {', '.join(known)}.")
    if missing := [name for name in required if values.get(name) is None]:
        raise ConfigError(
            f"{where}{', '.join(missing)} missing. An arm does not move without limits: take them from the vendor's "
            "documents."
        )


def _number(joint: Mapping, name: str, default: float | None = None) -> float:
    value = joint.get(name)
    return from_plain(default if value is None else value, float, f"{name} of joint {joint['name']}")
