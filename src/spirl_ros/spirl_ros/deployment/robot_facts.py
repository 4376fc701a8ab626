"""What a bundle must say about a robot and a dataset does not: joint limits, and units of the scene's values."""

from collections.abc import Sequence

from spirl_ros.arms.robot_configuration import ROBOTS, RobotConfiguration, find_robot
from spirl_ros.control.observation_fields import Field, ObservationSpec, state_field
from spirl_ros.control.velocity_action import COMMANDED
from spirl_ros.deployment.bundle_description import Joint
from spirl_ros.errors import BundleError, ConfigError
from spirl_ros.tasks.families import family_names, find_family, is_family
from spirl_ros.tasks.task import RobotFacts

_RATES = ("position_lower", "position_upper", "velocity", "acceleration", "jerk")
_ARMS = tuple(name for name in ROBOTS if name != "generic")  # which is a form to fill in
_ADVICE = "Choose the robot that the demonstrations were made on with --robot."


def robot_facts(name: str) -> RobotFacts:
    """The facts about a robot: a task family's by its name, an arm's by its name or by its file.

    Raises:
        ConfigError: an unknown name, or a file that cannot be used.
    """
    if is_family(name):
        return find_family(name).robot
    if name in _ARMS or name.endswith((".yaml", ".yml")):
        return _real(find_robot(name))
    raise ConfigError(
        f"robot is '{name}', expected one of {', '.join((*family_names(), *_ARMS))}, or a file like "
        "config/robots/generic.yaml."
    )


def bundle_joints(robot: RobotFacts, names: Sequence[str]) -> tuple[Joint, ...]:
    """The named joints of a robot in that order. Raises BundleError for one that it does not have."""
    joints = []
    for name in names:
        if name not in robot.limits.joint_names:
            raise BundleError(
                f"the dataset moves {name}, but the robot {robot.name} has "
                f"{', '.join(robot.limits.joint_names)}. {_ADVICE}"
            )
        row = robot.limits.joint_names.index(name)
        joints.append(
            Joint(name, robot.units[name], **{rate: float(getattr(robot.limits, rate)[row]) for rate in _RATES})
        )
    return tuple(joints)


def observed_state(robot: RobotFacts, names: Sequence[str]) -> Field:
    """The state with the named values. Raises BundleError for one that this robot cannot observe."""
    if unknown := [name for name in names if name not in robot.units]:
        raise BundleError(f"the dataset observes {unknown[0]}, which is unknown for the robot {robot.name}. {_ADVICE}")
    return state_field(names, (robot.units[name] for name in names))


def _real(robot: RobotConfiguration) -> RobotFacts:
    """A real arm alone. Actions of its recordings are the velocities that it had."""
    names = robot.limits.joint_names
    return RobotFacts(
        name=robot.name,
        limits=robot.limits,
        observation=ObservationSpec((state_field(names, robot.units),)),
        control_period_s=1.0 / robot.control_rate_hz,
        velocity_scale=robot.velocity_scale,
        action_reference=COMMANDED,
    )
