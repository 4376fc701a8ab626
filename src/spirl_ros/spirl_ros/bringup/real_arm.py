"""What moves an arm that is not simulated: skill executor or teleop, and a stand-in where there is no hardware."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spirl_ros.arms.robot_configuration import WITH_URDF, RobotConfiguration, read_robot
from spirl_ros.deployment.bundle_file import find_bundle, read_description
from spirl_ros.errors import ConfigError

NO_SCENE = "none"
NO_POLICY, PRIOR, _LEARNED = ARM_POLICIES = ("none", "prior", "learned")


def real_arm_parameters(values: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Parameters by node, for checked argument values of `real_arm`.

    Raises:
        ConfigError: no bundle, an unknown robot, a robot without limits, or a file that cannot be used.
        BundleError: the bundle is for another arm, or allows more than this one's limits.
    """
    robot = robot_of(values)
    bundle = _bundle(values["bundle"], robot, values["scene_state_topic"])
    is_fake = values["use_fake_hardware"] == "true"
    autostart = values["autostart"] == "true"
    use_sim_time = values["use_sim_time"] == "true"
    nodes: dict[str, dict[str, Any]] = {
        "skill_executor": {
            "bundle": str(bundle),
            "robot": values["robot"],
            "robot_file": _file(values["robot_file"]),
            "speed": _speed(values["speed"]),
            "command_interface": "joint_trajectory",
            "joint_names": ",".join(robot.limits.joint_names),
            "joint_state_topic": robot.joint_state_topic,
            "trajectory_controller": robot.trajectory_controller,
            "max_age_s": robot.max_age_s,
            "ready_topic": robot.ready_topic,
            "fault_topic": robot.fault_topic,
            "speed_scaling_topic": robot.speed_scaling_topic,
            # A stand-in has no controller manager.
            "activity_topic": "" if is_fake else robot.activity_topic,
            "autostart": autostart,
            "use_sim_time": use_sim_time,
        }
    }
    if values["scene_state_topic"] != NO_SCENE:
        nodes["skill_executor"]["scene_state_topic"] = values["scene_state_topic"]
    if values["policy"] != NO_POLICY:
        nodes["skill_policy"] = _policy_parameters(values, bundle, robot)
    if is_fake:
        nodes["stand_in_arm"] = _stand_in_parameters(values)
    return nodes


def arm_teleop_parameters(values: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Parameters by node, for checked argument values of `teleop` and an arm that is not simulated.

    Raises:
        ConfigError: an unknown robot, a robot without limits, or a file that cannot be used.
    """
    robot = robot_of(values)
    is_fake, urdf_file = values["use_fake_hardware"] == "true", _file(values["urdf"])
    if is_fake and not urdf_file:  # a driver publishes the arm's own, with its calibration
        urdf_file = robot.urdf
    if is_fake and not urdf_file and values["robot"] not in WITH_URDF:
        raise ConfigError(
            f"argument urdf is empty, and no stand-in has one for robot:={values['robot']}. Give its file: "
            "urdf:=<file>."
        )
    teleop = {
        "robot": values["robot"],
        "robot_file": _file(values["robot_file"]),
        "urdf_file": urdf_file,
        "is_stand_in": is_fake,
        "speed": 0.25,  # slow, where nobody asks for more
        "keyboard": values["keyboard"],
        "gamepad": values["gamepad"],
        "gamepad_file": _file(values["gamepad_file"]),
        "operator_name": values["operator_name"],
        "task": values["task"],
        "autostart": values["autostart"] == "true",
        "use_sim_time": values["use_sim_time"] == "true",
    }
    return {"teleop": teleop, **({"stand_in_arm": _stand_in_parameters(values)} if is_fake else {})}


def recorded_topics(robot: RobotConfiguration) -> list[str]:
    """What the recorder records of an arm, as its parameter `topics`."""
    return [
        f"{robot.joint_state_topic} sensor_msgs/msg/JointState",
        "operator_action std_msgs/msg/Float64MultiArray action optional",
        f"{robot.trajectory_controller}/joint_trajectory trajectory_msgs/msg/JointTrajectory action optional",
        "forward_position_controller/commands std_msgs/msg/Float64MultiArray action optional",
        "safety_status spirl_msgs/msg/SafetyStatus latched optional",
    ]


def robot_of(values: Mapping[str, str]) -> RobotConfiguration:
    """The configuration that the arguments robot and robot_file name; errors as read_robot."""
    return read_robot(values["robot"], Path(_file(values["robot_file"])) if values["robot_file"] else None)


def _stand_in_parameters(values: Mapping[str, str]) -> dict[str, Any]:
    return {
        # A command that waits for a busy machine costs acceleration, and the stand-in stops where it is too much.
        "realtime_priority": 50,
        "robot": values["robot"],
        "robot_file": _file(values["robot_file"]),
        "autostart": values["autostart"] == "true",
        "use_sim_time": False,
    }


def _file(given: str) -> str:
    """The same place, whatever folder a node is started in."""
    return str(Path(given).expanduser().absolute()) if given else ""


def _policy_parameters(values: Mapping[str, str], bundle: Path, robot: RobotConfiguration) -> dict[str, Any]:
    """It waits to be asked: nothing that only started moves a real arm."""
    is_prior = values["policy"] == PRIOR
    if not is_prior and read_description(bundle).policy is None:
        raise ConfigError(f"{bundle} holds skills alone, expected a policy. Use policy:=prior, or another bundle.")
    scene = {} if values["scene_state_topic"] == NO_SCENE else {"scene_state_topic": values["scene_state_topic"]}
    return {
        "bundle": str(bundle),
        "speed": _speed(values["speed"]),
        "source": "prior" if is_prior else "policy",
        "latent": "sample" if is_prior else "mean",
        "start": "on_request",
        "episodes": 1,
        "max_steps": int(values["max_steps"]),
        "joint_state_topic": robot.joint_state_topic,
        **scene,
        "autostart": values["autostart"] == "true",
        "use_sim_time": values["use_sim_time"] == "true",
    }


def _speed(given: str) -> float:
    try:
        speed = float(given)
    except ValueError:
        speed = float("nan")
    if not 0.02 <= speed <= 1.0:
        raise ConfigError(f"argument speed is '{given}', expected a number from 0.02 to 1. Begin with 0.1.")
    return speed


def _bundle(given: str, robot: RobotConfiguration, scene_state_topic: str) -> Path:
    if not given:
        raise ConfigError(
            f"argument bundle is empty, expected a folder of skills for {robot.name}: bundle:=<folder>. "
            "docs/real_arms.md says how to make one."
        )
    bundle = find_bundle(given, "argument bundle")
    description = read_description(bundle)
    description.check_fits_robot(robot, scene_names=None)
    scene = [name for name in description.state.names if name not in robot.limits.joint_names]
    if scene and scene_state_topic == NO_SCENE:
        raise ConfigError(
            f"bundle '{description.name}' observes {', '.join(scene)}, which no joint of {robot.name} measures. "
            "Name the topic with spirl_msgs/SceneState that has them: scene_state_topic:=<topic>."
        )
    return bundle
