"""The arm that docs/new_arm.md writes out is one that can be used."""

import re
from pathlib import Path

from spirl_ros.arms.robot_configuration import read_robot
from spirl_ros.deployment.robot_facts import bundle_joints, robot_facts

PAGE = Path(__file__).resolve().parents[2] / "docs" / "new_arm.md"


def test_file_on_the_page_is_read_and_exported_for(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "my_arm.yaml"
    file.write_text(text, encoding="utf-8")
    robot = read_robot("generic", file)
    assert robot.limits.joint_names == ("base", "shoulder", "elbow")
    joints = bundle_joints(robot_facts(str(file)), robot.limits.joint_names)
    assert [joint.position_upper for joint in joints] == [2.6, 1.9, 2.2]
