from dataclasses import replace
from pathlib import Path

import pytest
import yaml

pytest.importorskip("onnx")

from spirl_ros.arms.robot_configuration import RATES, read_robot
from spirl_ros.bringup.graphs import REAL_ARM, TELEOP
from spirl_ros.control.observation_fields import state_field
from spirl_ros.control.velocity_action import COMMANDED
from spirl_ros.deployment.bundle_description import ActionMeaning, Joint
from spirl_ros.errors import SpirlError
from spirl_ros.shipped import shipped
from tests.nodes.arm_bundle import write_arm_bundle


def nodes_of(**given: object) -> dict[str, dict]:
    values = REAL_ARM.check({name: str(value) for name, value in given.items()})
    return {node.name: dict(node.parameters) for node in REAL_ARM.nodes(values)}


def test_executor_gets_what_is_known_about_the_arm(tmp_path: Path) -> None:
    bundle = write_arm_bundle(tmp_path / "bundle", read_robot("fr3"))
    nodes = nodes_of(robot="fr3", bundle=bundle)
    assert list(nodes) == ["skill_executor"]  # the real driver runs already
    executor = nodes["skill_executor"]
    assert executor["command_interface"] == "joint_trajectory"
    assert executor["trajectory_controller"] == "fr3_arm_controller"
    assert executor["joint_state_topic"] == "franka/joint_states"
    assert executor["joint_names"].split(",") == [f"fr3_joint{number}" for number in range(1, 8)]
    assert executor["use_sim_time"] is False
    assert executor["robot"] == "fr3"  # so that a bundle loaded later is compared with the arm as well
    assert executor["speed"] == 0.1  # slow, where nobody asks for more
    assert executor["activity_topic"] == "controller_manager/activity"


def test_stand_in_is_started_where_hardware_is_fake(tmp_path: Path) -> None:
    bundle = write_arm_bundle(tmp_path / "bundle", read_robot("ur5e"))
    nodes = nodes_of(robot="ur5e", bundle=bundle, use_fake_hardware="true")
    assert list(nodes) == ["skill_executor", "stand_in_arm"]
    assert nodes["stand_in_arm"]["robot"] == "ur5e"
    assert nodes["skill_executor"]["ready_topic"] == "io_and_status_controller/robot_program_running"
    assert nodes["skill_executor"]["activity_topic"] == ""  # it has no controller manager


def test_policy_waits_to_be_asked_and_has_to_be_there(tmp_path: Path) -> None:
    bundle = write_arm_bundle(tmp_path / "bundle", read_robot("ur5e"))
    policy = nodes_of(bundle=bundle, policy="prior", speed="0.5")["skill_policy"]
    assert (policy["source"], policy["start"], policy["max_steps"], policy["speed"]) == (
        "prior",
        "on_request",
        200,
        0.5,
    )
    assert "goes_on" not in policy  # nothing resumes by itself on a real arm
    with pytest.raises(SpirlError, match="holds skills alone"):
        nodes_of(bundle=bundle, policy="learned")


def test_other_arm_is_described_by_a_file(tmp_path: Path) -> None:
    text = shipped("config/robots/generic.yaml").read_text()
    for rate, value in zip(RATES, (-1.0, 1.0, 2.0, 4.0, 40.0), strict=True):
        text = text.replace(f"{rate}: ~", f"{rate}: {value}")
    file = tmp_path / "mine.yaml"
    file.write_text(f"{text}\nfault_topic: protective_stop\n")
    bundle = write_arm_bundle(tmp_path / "bundle", read_robot("generic", file))
    nodes = nodes_of(robot="generic", robot_file=file, bundle=bundle, use_fake_hardware="true")
    assert nodes["skill_executor"]["joint_names"] == "joint_1,joint_2"
    assert nodes["skill_executor"]["fault_topic"] == "protective_stop"
    assert nodes["stand_in_arm"]["robot_file"] == str(file)


def test_whatever_does_not_fit_is_refused_before_anything_starts(tmp_path: Path) -> None:
    ur5e, fr3 = read_robot("ur5e"), read_robot("fr3")
    bundle = write_arm_bundle(tmp_path / "good", ur5e)
    description = yaml.safe_load((bundle / "bundle.yaml").read_text())
    joints = tuple(Joint(**joint) for joint in description["joints"])
    names = ur5e.limits.joint_names
    changed = {
        "trained at 12.5 Hz": {"control_rate_hz": 12.5},
        "times 2 from the commanded position, but here": {"action": ActionMeaning("joint_velocity", 2.0, COMMANDED)},
        "times 1 from the measured position, but here": {"action": ActionMeaning("joint_velocity", 1.0)},
        "shoulder_lift_joint a velocity of 3.5, but ur5e has 3.14": {
            "joints": (joints[0], replace(joints[1], velocity=3.5), *joints[2:])
        },
        "elbow_joint a position_lower of -4": {
            "joints": (*joints[:2], replace(joints[2], position_lower=-4.0), *joints[3:])
        },
        # Said that nothing measures it, and not how to name what does.
        "observes door, which no joint of ur5e measures. Name the topic with spirl_msgs/SceneState that has them: "
        "scene_state_topic:=<topic>": {"observation": (state_field((*names[:5], "door"), ("rad",) * 6),)},
    }
    refused = {
        "bundle is empty": {},
        "expected one of ur5e, fr3, generic": {"robot": "kuka", "bundle": bundle},
        "does not move without limits": {"robot": "generic", "bundle": bundle},
        "is not a bundle": {"bundle": tmp_path / "none"},
        "speed is '2', expected": {"bundle": bundle, "speed": "2"},
        "speed is 'nan', expected": {"bundle": bundle, "speed": "nan"},
        "but here are fr3_joint1": {"robot": "fr3", "bundle": bundle},
        "but here are shoulder_pan_joint": {"bundle": write_arm_bundle(tmp_path / "fr3", fr3)},
    } | {told: {"bundle": write_arm_bundle(tmp_path / told, ur5e, **changes)} for told, changes in changed.items()}
    for told, given in refused.items():
        with pytest.raises(SpirlError) as refusal:
            nodes_of(**given)
        assert told in str(refusal.value), str(refusal.value)


def test_bundle_may_be_more_careful_than_the_arm_and_observe_a_scene_that_is_measured(tmp_path: Path) -> None:
    robot = read_robot("ur5e")
    bundle = write_arm_bundle(tmp_path / "good", robot)
    joints = [Joint(**joint) for joint in yaml.safe_load((bundle / "bundle.yaml").read_text())["joints"]]
    careful = tuple(replace(joint, velocity=0.5, acceleration=1.0) for joint in joints)
    assert nodes_of(bundle=write_arm_bundle(tmp_path / "careful", robot, joints=careful))
    layout = (state_field((*robot.limits.joint_names[:5], "door"), ("rad",) * 6),)
    scene = write_arm_bundle(tmp_path / "scene", robot, observation=layout)
    nodes = nodes_of(bundle=scene, scene_state_topic="doors/state")
    assert nodes["skill_executor"]["scene_state_topic"] == "doors/state"


def test_stand_in_is_teleoperated_with_the_urdf_that_the_arms_file_names(tmp_path: Path) -> None:
    (tmp_path / "mine.urdf").write_text(shipped("config/urdf/ur5e.urdf").read_text())
    file = tmp_path / "mine.yaml"
    file.write_text(shipped("config/robots/ur5e.yaml").read_text() + "urdf: mine.urdf\n")
    for is_fake, urdf_file in (("true", str(tmp_path / "mine.urdf")), ("false", "")):
        given = {"robot": "generic", "robot_file": str(file), "use_fake_hardware": is_fake}
        nodes = {node.name: dict(node.parameters) for node in TELEOP.nodes(TELEOP.check(given))}
        assert nodes["teleop"]["urdf_file"] == urdf_file  # a driver publishes one that is calibrated
