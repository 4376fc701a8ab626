"""What a bundle must say about a robot and a dataset does not: joint limits, and units of the scene's values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from spirl_ros.arms.robot_configuration import RobotConfiguration, find_robot
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.velocity_action import COMMANDED, MEASURED
from spirl_ros.deployment.bundle_description import Joint
from spirl_ros.errors import BundleError, ConfigError


@dataclass(frozen=True)
class RobotFacts:
    """A robot in its scene."""

    name: str
    limits: JointLimits
    units: Mapping[str, str]
    """Unit of every value that can be observed, by name: `rad`, `m`, or `1`."""
    action_reference: str
    """Which position an action of its demonstrations leads, one of velocity_action.REFERENCES."""

    def joints(self, names: Sequence[str]) -> tuple[Joint, ...]:
        """The named joints in that order.

        Raises:
            BundleError: this robot has no such joint.
        """
        joints = []
        for name in names:
            if name not in self.limits.joint_names:
                raise BundleError(
                    f"the dataset moves {name}, but the robot {self.name} has {', '.join(self.limits.joint_names)}. "
                    "Choose the robot that the demonstrations were made on with --robot."
                )
            row = self.limits.joint_names.index(name)
            rates = ("position_lower", "position_upper", "velocity", "acceleration", "jerk")
            values = {rate: float(getattr(self.limits, rate)[row]) for rate in rates}
            joints.append(Joint(name, self.units[name], **values))
        return tuple(joints)

    def observation_units(self, names: Sequence[str]) -> tuple[str, ...]:
        """Units of the named values. Raises BundleError for one that this robot cannot observe."""
        if unknown := [name for name in names if name not in self.units]:
            raise BundleError(
                f"the dataset observes {unknown[0]}, which is unknown for the robot {self.name}. "
                "Choose the robot that the demonstrations were made on with --robot."
            )
        return tuple(self.units[name] for name in names)


def robot_facts(name: str) -> RobotFacts:
    """The facts about a robot, by its name or by a file like config/robots/generic.yaml.

    Raises:
        ConfigError: an unknown name, or a file that cannot be used.
    """
    if name.endswith((".yaml", ".yml")):
        return _real(find_robot(name))
    if name not in _ROBOTS:
        raise ConfigError(
            f"robot is '{name}', expected one of {', '.join(_ROBOTS)}, or a file like config/robots/generic.yaml."
        )
    return _ROBOTS[name]()


def _kitchen() -> RobotFacts:
    """Units are read from the scene's joint types."""
    import mujoco

    from spirl_ros.tasks.kitchen.joint_limits import kitchen_joint_limits
    from spirl_ros.tasks.kitchen.scene import load_kitchen_scene

    scene = load_kitchen_scene()
    by_type = {
        int(mujoco.mjtJoint.mjJNT_SLIDE): ("m",),
        int(mujoco.mjtJoint.mjJNT_HINGE): ("rad",),
        int(mujoco.mjtJoint.mjJNT_FREE): ("m", "m", "m", "1", "1", "1", "1"),
    }
    units = [unit for kind in scene.model.jnt_type for unit in by_type[int(kind)]]
    names = (*scene.joint_names, *scene.scene_names)
    return RobotFacts("kitchen", kitchen_joint_limits(scene), dict(zip(names, units, strict=True)), MEASURED)


def _real(robot: RobotConfiguration) -> RobotFacts:
    """A real arm alone. Actions of its recordings are the velocities that it had."""
    units = dict(zip(robot.limits.joint_names, robot.units, strict=True))
    return RobotFacts(robot.name, robot.limits, units, COMMANDED)


_ROBOTS: dict[str, Callable[[], RobotFacts]] = {
    "kitchen": _kitchen,
    "ur5e": lambda: _real(find_robot("ur5e")),
    "fr3": lambda: _real(find_robot("fr3")),
}
ROBOT_NAMES = tuple(_ROBOTS)
