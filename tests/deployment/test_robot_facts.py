import pytest

from spirl_ros.arms.robot_configuration import RATES
from spirl_ros.deployment.robot_facts import bundle_joints, observed_state, robot_facts
from spirl_ros.errors import BundleError, ConfigError
from spirl_ros.shipped import shipped


def test_real_arm_gives_its_limits_to_a_bundle() -> None:
    facts = robot_facts("fr3")
    (joint,) = bundle_joints(facts, ["fr3_joint2"])
    assert (joint.unit, joint.velocity, joint.acceleration) == ("rad", 2.5, 2.0)
    assert observed_state(facts, ["fr3_joint1", "fr3_joint7"]).units == ("rad", "rad")
    with pytest.raises(BundleError, match="moves elbow_joint, but the robot fr3 has"):
        bundle_joints(facts, ["elbow_joint"])


def test_any_arm_is_described_by_a_file(tmp_path) -> None:
    text = shipped("config/robots/generic.yaml").read_text()
    with pytest.raises(ConfigError, match="does not move without limits"):
        robot_facts(str(shipped("config/robots/generic.yaml")))
    for rate, value in zip(RATES, (-1.0, 1.0, 2.0, 4.0, 40.0), strict=True):
        text = text.replace(f"{rate}: ~", f"{rate}: {value}")
    (tmp_path / "mine.yaml").write_text(text)
    assert bundle_joints(robot_facts(str(tmp_path / "mine.yaml")), ["joint_2"])[0].jerk == 40.0


def test_unknown_robot_is_told_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match=r"kitchen, maze, ur5e, fr3, or a file"):
        robot_facts("kuka")
