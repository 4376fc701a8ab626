"""What is known about a real arm: its limits with their sources, its topics, and how to bring it back after a stop."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from spirl_ros.configuration import from_plain
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.tracking import TRACKING_TOLERANCE
from spirl_ros.errors import ConfigError
from spirl_ros.shipped import shipped

ROBOTS = ("ur5e", "fr3", "generic")
"""Files in config/robots. `generic` is a form to fill in."""

WITH_URDF = ("ur5e", "fr3")
"""Those of them that have a file in config/urdf."""

RATES = ("position_lower", "position_upper", "velocity", "acceleration", "jerk")
"""What every joint has to say, as JointLimits does."""


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
    velocity_scale: float
    """Joint velocity that an action of 1 asks for, in skills for this arm [rad/s, m/s]."""
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
    continuous: tuple[str, ...] = ()
    """Joints that turn without end, which drivers may report within ±π. Their limits count whole turns."""
    slides: tuple[str, ...] = ()
    """Joints that slide, in m; every other turns, in rad."""

    def __post_init__(self) -> None:
        """Check ranges and names."""
        for name in ("control_rate_hz", "velocity_scale", "max_age_s", "tracking_tolerance"):
            if not 0.0 < getattr(self, name) < np.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected a finite number above 0.")
        if not 0.0 <= self.path_tolerance < np.inf:
            raise ConfigError(f"path_tolerance is {self.path_tolerance}, expected a finite number of 0 or more.")
        inside = (self.limits.position_lower <= self.home) & (self.home <= self.limits.position_upper)
        if not inside.all():  # NaN is not inside either
            worst = int(np.argmin(inside))
            raise ConfigError(
                f"home of {self.limits.joint_names[worst]} is {self.home[worst]}, expected a place within its limits."
            )
        for name in ("continuous", "slides"):
            if unknown := [joint for joint in getattr(self, name) if joint not in self.limits.joint_names]:
                raise ConfigError(f"{name} names {unknown[0]}, expected some of {', '.join(self.limits.joint_names)}.")
        if both := [joint for joint in self.continuous if joint in self.slides]:
            raise ConfigError(f"{both[0]} slides and turns without end, expected one of the two.")

    @property
    def units(self) -> tuple[str, ...]:
        """Unit of each joint's position, `rad` or `m` (Da)."""
        return tuple("m" if name in self.slides else "rad" for name in self.limits.joint_names)


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
    try:
        return _parse(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}. Expected YAML like config/robots/generic.yaml.") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def find_robot(name: str) -> RobotConfiguration:
    """The configuration of a robot by its name, or by a file like config/robots/generic.yaml; errors as read_robot."""
    return read_robot("generic", Path(name)) if name.endswith((".yaml", ".yml")) else read_robot(name)


def read_urdf(file: Path) -> str:
    """The text of an arm's URDF; raises ConfigError when the file cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}. Expected the arm's URDF, which xacro makes.") from error


def _parse(values: Any) -> RobotConfiguration:
    if not isinstance(values, dict):
        raise ConfigError(f"it holds {values!r}, expected keys and values as in config/robots/generic.yaml.")
    joints = values.get("joints")
    if not isinstance(joints, list) or not joints or not all(isinstance(joint, dict) for joint in joints):
        raise ConfigError(f"joints are {joints!r}, expected a list with name, home and {', '.join(RATES)} of each.")
    of_joints = ("limits", "home", "continuous", "slides")
    known = {field.name: field for field in fields(RobotConfiguration) if field.name not in of_joints}
    _check_names("", values, (*known, "joints", "sources"), [n for n, f in known.items() if f.default is MISSING])
    for joint in joints:
        needed = ("name", "home", *RATES)
        _check_names(f"joint {joint.get('name')}: ", joint, (*needed, "unit", "continuous"), needed)
    limits = JointLimits(
        joint_names=tuple(str(joint["name"]) for joint in joints),
        **{rate: np.array([_number(joint, rate) for joint in joints]) for rate in RATES},
    )
    given = {name: from_plain(values[name], field.type, name) for name, field in known.items() if name in values}
    return RobotConfiguration(
        limits=limits,
        home=np.array([_number(joint, "home") for joint in joints]),
        continuous=tuple(str(joint["name"]) for joint in joints if _is_continuous(joint)),
        slides=tuple(str(joint["name"]) for joint in joints if _unit(joint) == "m"),
        **given,
    )


def _unit(joint: Mapping) -> str:
    unit = joint.get("unit", "rad")
    if unit not in ("rad", "m"):
        raise ConfigError(f"unit of joint {joint['name']} is {unit!r:.80}, expected rad, or m for one that slides.")
    return unit


def _is_continuous(joint: Mapping) -> bool:
    return from_plain(joint.get("continuous", False), bool, f"continuous of joint {joint['name']}")


def _check_names(where: str, values: Mapping, known: tuple[str, ...], required: list[str] | tuple[str, ...]) -> None:
    if unknown := [name for name in values if name not in known]:
        raise ConfigError(f"{where}{unknown[0]} is unknown. Known are {', '.join(known)}.")
    if missing := [name for name in required if values.get(name) is None]:
        raise ConfigError(
            f"{where}{', '.join(missing)} missing. An arm does not move without limits: take them from the vendor's "
            "documents."
        )


def _number(joint: Mapping, name: str) -> float:
    return from_plain(joint[name], float, f"{name} of joint {joint['name']}")
