"""Kinematics of any arm from its URDF, as every ros2_control arm publishes it on `robot_description`."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

import mujoco
import numpy as np

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
            limits: the arm's joints by name, in the order of its commands. Where the URDF's range is narrower, it counts.
            tool_link: the link whose origin is the tool point and whose axes are the tool's.

        Raises:
            ConfigError: no URDF, a joint or the link is not in it, or another joint moves the tool as well.
        """
        self._model = model = _compile(urdf)
        self._data = mujoco.MjData(model)
        names = {model.joint(index).name: index for index in range(model.njnt)}
        _require(names, limits.joint_names, "joints")
        links = {model.body(index).name: index for index in range(1, model.nbody)}
        if not tool_link:
            raise ConfigError(f"tool_link is missing, expected one of the URDF's links: {', '.join(links)}.")
        _require(links, (tool_link,), "links")
        self._tool = links[tool_link]
        joints = [names[name] for name in limits.joint_names]
        self._refuse_other_joints(joints, tool_link)
        self._positions, self._columns = model.jnt_qposadr[joints], model.jnt_dofadr[joints]
        self._jacobian = np.zeros((6, model.nv))
        ranges = np.where(model.jnt_limited[joints, None].astype(bool), model.jnt_range[joints], (-np.inf, np.inf))
        self.lower = np.maximum(limits.position_lower, ranges[:, 0]) + LIMIT_MARGIN_RAD
        """(Da,) [rad, m]."""
        self.upper = np.minimum(limits.position_upper, ranges[:, 1]) - LIMIT_MARGIN_RAD
        """(Da,) [rad, m]."""
        if not (self.lower < self.upper).all():
            bad = int(np.argmin(self.lower < self.upper))
            raise ConfigError(
                f"the URDF allows {limits.joint_names[bad]} {ranges[bad].tolist()}, and the arm's configuration "
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
        return self._jacobian[:, self._columns]

    def _move_to(self, q: np.ndarray) -> None:
        self._data.qpos[self._positions] = q
        mujoco.mj_kinematics(self._model, self._data)

    def _refuse_other_joints(self, joints: Sequence[int], tool_link: str) -> None:
        """A joint that nobody commands and nobody measures here must not stand between root and tool."""
        body = self._tool
        while body != 0:
            first, count = int(self._model.body_jntadr[body]), int(self._model.body_jntnum[body])
            for joint in range(first, first + count):
                if joint not in joints:
                    raise ConfigError(
                        f"joint {self._model.joint(joint).name} moves {tool_link} too, but the arm's configuration has "
                        "no such joint. Add it, or choose another tool_link."
                    )
            body = int(self._model.body_parentid[body])


def _compile(urdf: str) -> mujoco.MjModel:
    try:
        robot = ElementTree.fromstring(urdf)
        if robot.tag != "robot":
            raise ValueError(f"its root element is {robot.tag}, expected robot")
        for link in robot.iter("link"):
            for part in [part for part in link if part.tag in _UNUSED]:
                link.remove(part)
            link.append(ElementTree.fromstring(_SOME_INERTIAL))
        for extension in robot.findall("mujoco"):
            robot.remove(extension)
        robot.append(ElementTree.fromstring(_KEEP_LINKS))
        return mujoco.MjModel.from_xml_string(ElementTree.tostring(robot, encoding="unicode"))
    except (ElementTree.ParseError, ValueError) as error:
        raise ConfigError(f"this is no URDF that can be used: {error}. It begins with {urdf[:80]!r}.") from error


def _require(known: dict[str, int], names: Sequence[str], what: str) -> None:
    missing = [name for name in names if name not in known]
    if missing:
        raise ConfigError(
            f"the URDF has no {what} {', '.join(missing)}; it has {', '.join(name for name in known if name) or 'none'}. "
            "Correct the arm's configuration, or give another URDF."
        )
