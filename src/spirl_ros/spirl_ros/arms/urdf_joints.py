"""The joints of an arm as its URDF describes them: their kinds, their limits, and which one another follows."""

import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from spirl_ros.errors import ConfigError

LARGEST_URDF_BYTES = 20_000_000
_MOST_LINKS = 1000
"""A humanoid with two hands has some 150."""
_DEEPEST = 100
"""Elements within elements. A URDF has six, extensions of other programs have some more."""
_LIMITS = {
    "position_lower": "lower",
    "position_upper": "upper",
    "velocity": "velocity",
    "acceleration": "acceleration",
    "jerk": "jerk",
}
"""Attributes of <limit> for what JointLimits calls them; the last two stand in newer files only."""


@dataclass(frozen=True)
class UrdfJoint:
    """One joint."""

    kind: str
    """`revolute`, `continuous`, `prismatic`, `fixed`, `floating` or `planar`."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Those that are given, named as in JointLimits [rad, m, and that per s, s² and s³]."""
    follows: str = ""
    """The joint that it mimics; empty when it moves by itself."""
    multiplier: float = 1.0
    """Of that joint's position."""
    offset: float = 0.0
    """Added to it [rad, m]."""


def parse_urdf(urdf: str) -> ElementTree.Element:
    """The root element of a URDF.

    Raises:
        ConfigError: it is no URDF, a xacro file, too large or too deep.
    """
    if len(urdf) > LARGEST_URDF_BYTES:
        raise ConfigError(f"the URDF has {len(urdf)} characters, expected at most {LARGEST_URDF_BYTES}.")
    root, depth, links = None, 0, 0
    try:
        for event, element in ElementTree.iterparse(io.StringIO(urdf), events=("start", "end")):
            depth += 1 if event == "start" else -1
            if event == "end":
                continue
            root = element if root is None else root
            if _is_xacro(element):
                raise ConfigError(_RUN_XACRO)
            links += element.tag == "link"
            if depth > _DEEPEST or links > _MOST_LINKS:
                raise ValueError(f"it has more than {_MOST_LINKS} links, or is nested more than {_DEEPEST} deep")
        if root is None or root.tag != "robot":
            raise ValueError(f"its root element is {'none' if root is None else root.tag[:40]}, expected robot")
    except ConfigError:
        raise
    except (ElementTree.ParseError, ValueError) as error:
        if "<xacro:" in urdf:
            raise ConfigError(_RUN_XACRO) from error
        raise ConfigError(f"this is not a usable URDF: {error}. It begins with {urdf[:80]!r}.") from error
    return root


def urdf_joints(root: ElementTree.Element) -> dict[str, UrdfJoint]:
    """The joints below the root element, by name.

    Raises:
        ConfigError: a number in it is none.
    """
    joints = {}
    for element in root.findall("joint"):
        name, mimic = element.get("name", ""), element.find("mimic")
        follows = {}
        if mimic is not None:
            follows = {
                "follows": mimic.get("joint", ""),
                "multiplier": _number(mimic, "multiplier", name, 1.0),
                "offset": _number(mimic, "offset", name, 0.0),
            }
        joints[name] = UrdfJoint(element.get("type", ""), _limits(element.find("limit"), name), **follows)
    return joints


def _limits(limit: ElementTree.Element | None, joint: str) -> dict[str, float]:
    """Without what only stands for not known: a range from 0 to 0, and rates of 0."""
    if limit is None:
        return {}
    values = {ours: _number(limit, theirs, joint, 0.0) for ours, theirs in _LIMITS.items() if theirs in limit.attrib}
    if "position_lower" in values or "position_upper" in values:  # the one that is missing is 0
        lower, upper = values.setdefault("position_lower", 0.0), values.setdefault("position_upper", 0.0)
        if lower == upper == 0.0:
            del values["position_lower"], values["position_upper"]
    return {name: value for name, value in values.items() if name.startswith("position") or value > 0.0}


def _number(element: ElementTree.Element, name: str, joint: str, default: float) -> float:
    """An attribute; infinite where it says so."""
    text = element.get(name)
    try:
        value = default if text is None else float(text)
    except ValueError:
        value = np.nan
    if np.isnan(value):
        raise ConfigError(f"{name} of joint {joint} in the URDF is {text!r:.80}, expected a number.")
    return value


def _is_xacro(element: ElementTree.Element) -> bool:
    """Whether it is an element of xacro, or has an expression that xacro would have replaced."""
    if element.tag.startswith("{") and "xacro" in element.tag:
        return True
    return element.tag in ("link", "joint", "limit", "origin", "mimic") and any(
        "${" in value or "$(" in value for value in element.attrib.values()
    )


_RUN_XACRO = (
    "this is a xacro file, from which a URDF is made. Run xacro first, and give what it prints: "
    "`xacro my_arm.urdf.xacro > my_arm.urdf`."
)
