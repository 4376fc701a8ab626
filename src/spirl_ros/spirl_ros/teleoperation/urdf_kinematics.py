"""Kinematics of any arm from its URDF, as every ros2_control arm publishes it on `robot_description`."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence

import mujoco
import numpy as np

from spirl_ros.arms.urdf_joints import UrdfJoint, parse_urdf, urdf_joints
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.errors import ConfigError

LIMIT_MARGIN_RAD = 0.005
"""Kept from the ends of the range [rad, m], so that measurement noise at one is not outside."""

_UNUSED = ("visual", "collision", "inertial")
"""Meshes lie on the computer of the driver, and masses move no tool."""
_SOME_INERTIAL = '<inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>'
"""MuJoCo wants every moving body to have a mass."""
_KEEP_LINKS = '<mujoco><compiler fusestatic="false"/></mujoco>'
"""Otherwise links on fixed joints, such as the tool's, become part of their parents."""


class UrdfKinematics:
    """Where the tool is and how the joints move it. Axes are those of the URDF's root link. Not thread-safe."""

    def __init__(self, urdf: str, limits: JointLimits, tool_link: str) -> None:
        """Read the arm.

        Args:
            urdf: the text of it. Only links and joints count: meshes, masses and everything else is left out.
            limits: the arm's joints by name, in the order of its commands. Where the URDF's range is narrower, it
                counts. Joints that mimic one of these follow it.
            tool_link: the link whose origin is the tool point and whose axes are the tool's.

        Raises:
            ConfigError: no URDF, a joint or the link is not in it, another joint moves the tool as well, or none does.
        """
        root = parse_urdf(urdf)
        described = urdf_joints(root)
        self._model = model = _compile(root)
        self._data = mujoco.MjData(model)
        names = {model.joint(index).name: index for index in range(model.njnt)}
        _require(names, limits.joint_names, "joints")
        links = {model.body(index).name: index for index in range(1, model.nbody)}
        if not tool_link:
            raise ConfigError(f"tool_link is missing, expected one of the URDF's links: {', '.join(links)}.")
        _require(links, (tool_link,), "links")
        self._tool = links[tool_link]
        found = _followers(described, limits.joint_names)
        followers = {name: follower for name, follower in found.items() if name in names}
        joints = [names[name] for name in (*limits.joint_names, *followers)]
        self._refuse_other_joints(joints, tool_link)
        self._positions, self._columns = model.jnt_qposadr[joints], model.jnt_dofadr[joints]
        self._jacobian = np.zeros((6, model.nv))
        leaders = {name: row for row, name in enumerate(limits.joint_names)}
        self._gains = np.concatenate(
            [
                np.eye(len(leaders)),
                *(gain * np.eye(len(leaders))[[leaders[name]]] for name, gain, _ in followers.values()),
            ]
        )
        self._offsets = np.array([0.0] * len(leaders) + [offset for _, _, offset in followers.values()])
        ranges = np.where(model.jnt_limited[joints, None].astype(bool), model.jnt_range[joints], (-np.inf, np.inf))
        lower, upper = self._ranges(ranges)
        self.lower = np.maximum(limits.position_lower, lower) + LIMIT_MARGIN_RAD
        """(Da,) [rad, m]."""
        self.upper = np.minimum(limits.position_upper, upper) - LIMIT_MARGIN_RAD
        """(Da,) [rad, m]."""
        if not (self.lower < self.upper).all():
            bad = int(np.argmin(self.lower < self.upper))
            raise ConfigError(
                f"the URDF allows {limits.joint_names[bad]} {lower[bad]:g} to {upper[bad]:g}, and the arm's "
                "configuration "
                f"{limits.position_lower[bad]} to {limits.position_upper[bad]}: nothing is left. Correct one of them."
            )

    def tool_position(self, q: np.ndarray) -> np.ndarray:
        """Place (3,) [m] of the tool at joint positions (Da,) [rad, m]."""
        self._move_to(q)
        return self._data.xpos[self._tool].copy()

    def tool_rotation(self, q: np.ndarray) -> np.ndarray:
        """Rotation (3, 3) of the tool at joint positions (Da,) [rad, m]; columns are its axes."""
        self._move_to(q)
        return self._data.xmat[self._tool].reshape(3, 3).copy()

    def jacobian(self, q: np.ndarray) -> np.ndarray:
        """Linear and angular velocity of the tool per joint velocity, (6, Da), at joint positions (Da,) [rad, m]."""
        self._move_to(q)
        mujoco.mj_comPos(self._model, self._data)  # mj_jacBody reads the motion axes that this computes
        mujoco.mj_jacBody(self._model, self._data, self._jacobian[:3], self._jacobian[3:], self._tool)
        return self._jacobian[:, self._columns] @ self._gains

    def _move_to(self, q: np.ndarray) -> None:
        self._data.qpos[self._positions] = self._gains @ q + self._offsets
        mujoco.mj_kinematics(self._model, self._data)

    def _ranges(self, ranges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest positions (Da,) at which every joint (N,) is within its own range (N, 2)."""
        gains = self._gains.sum(axis=1)  # one per row
        with np.errstate(invalid="ignore"):  # a joint that stands still whatever its leader does
            ends = np.sort((ranges - self._offsets[:, None]) / np.where(gains == 0.0, np.nan, gains)[:, None], axis=1)
        moved = self._gains != 0.0
        lower = np.where(moved, ends[:, :1], -np.inf).max(axis=0)
        return lower, np.where(moved, ends[:, 1:], np.inf).min(axis=0)

    def _refuse_other_joints(self, joints: Sequence[int], tool_link: str) -> None:
        """A joint that nobody commands or measures must not stand between root and tool, one of ours must."""
        body, moving = self._tool, 0
        while body != 0:
            first, count = int(self._model.body_jntadr[body]), int(self._model.body_jntnum[body])
            for joint in range(first, first + count):
                if joint not in joints:
                    raise ConfigError(
                        f"joint {self._model.joint(joint).name} moves {tool_link} too, but the arm's configuration has "
                        "no such joint. Add it, or choose another tool_link."
                    )
            moving += count
            body = int(self._model.body_parentid[body])
        if not moving:
            raise ConfigError(
                f"tool_link is {tool_link}, which no joint of the arm moves. Choose a link behind its last joint."
            )


def _compile(root: ElementTree.Element) -> mujoco.MjModel:
    for link in root.iter("link"):
        for part in [part for part in link if part.tag in _UNUSED]:
            link.remove(part)
        link.append(ElementTree.fromstring(_SOME_INERTIAL))
    for joint in root.iter("joint"):
        for mimic in joint.findall("mimic"):
            joint.remove(mimic)
    for extension in root.findall("mujoco"):
        root.remove(extension)
    root.append(ElementTree.fromstring(_KEEP_LINKS))
    text = ElementTree.tostring(root, encoding="unicode")
    try:
        return mujoco.MjModel.from_xml_string(text)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"this is not a usable URDF: {error}. It begins with {text[:80]!r}.") from error


def _followers(described: Mapping[str, UrdfJoint], joint_names: Sequence[str]) -> dict[str, tuple[str, float, float]]:
    """Joints that mimic one of the arm's, directly or through others: which one, times what, plus what."""
    followers = {}
    for name, joint in described.items():
        multiplier, offset, leader = 1.0, 0.0, name
        passed = {name}
        while leader not in joint_names and described.get(leader, _NOBODY).follows not in ("", *passed):
            joint = described[leader]
            offset, multiplier = offset + multiplier * joint.offset, multiplier * joint.multiplier
            leader = joint.follows
            passed.add(leader)
        if leader in joint_names and leader != name:
            followers[name] = (leader, multiplier, offset)
    return followers


_NOBODY = UrdfJoint("unknown")


def _require(known: dict[str, int], names: Sequence[str], what: str) -> None:
    missing = [name for name in names if name not in known]
    if missing:
        raise ConfigError(
            f"the URDF has no {what} {', '.join(missing)}; it has "
            f"{', '.join(name for name in known if name) or 'none'}. "
            "Correct the arm's configuration, or give another URDF."
        )
