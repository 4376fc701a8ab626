"""The markers as RViz gets them."""

import math
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")

from builtin_interfaces.msg import Time
from std_msgs.msg import String
from visualization_msgs.msg import Marker, MarkerArray

from spirl_msgs.msg import Skill, SkillStatus
from spirl_ros.monitoring.views import SafetyView
from spirl_ros.nodes.marker_messages import (
    KITCHEN,
    NEXT_SKILL,
    PRIOR,
    SAFETY,
    SUBTASKS,
    TOOL_PATH,
    to_safety_markers,
)
from spirl_ros.nodes.messages import COMMAND_QOS, LATCHED_QOS, stamp_ns
from spirl_ros.nodes.transform_topic import to_transforms
from spirl_ros.shipped import shipped
from tests.nodes.kitchen_bundle import HORIZON, write_kitchen_bundle


def numbers_of(marker: Marker) -> list[float]:
    place, turn, size, colour = marker.pose.position, marker.pose.orientation, marker.scale, marker.color
    values = [place.x, place.y, place.z, turn.w, turn.x, turn.y, turn.z, size.x, size.y, size.z]
    values += [colour.r, colour.g, colour.b, colour.a]
    return values + [value for point in marker.points for value in (point.x, point.y, point.z)]


def test_every_marker_is_complete_and_nothing_stays(client, start_node, tmp_path) -> None:
    bundle = write_kitchen_bundle(tmp_path / "bundle")
    start_node("mujoco_sim")
    start_node("skill_executor", bundle=bundle)
    start_node("scene_markers", bundle=bundle, prior_samples=3)
    skills = client.create_publisher(Skill, "skill", COMMAND_QOS)
    statuses = client.collect(SkillStatus, "skill_status", LATCHED_QOS)
    arrays = client.collect(MarkerArray, "scene_markers")
    client.wait_for(lambda: statuses and not statuses[-1].reason, "an executor that is ready")

    def last_of(namespace: str) -> list[Marker]:
        return [marker for marker in arrays[-1].markers if marker.ns == namespace] if arrays else []

    client.wait_for(lambda: len(last_of(SUBTASKS)) == 1, "markers")
    assert not last_of(NEXT_SKILL) and not last_of(SAFETY)
    skills.publish(Skill(skill_id=1, latent=[0.6, 0.4], source=Skill.SOURCE_MANUAL))
    client.wait_for(lambda: len(last_of(PRIOR)) == 3 and last_of(TOOL_PATH), "the skill's ways")
    assert len(last_of(NEXT_SKILL)[0].points) == HORIZON + 1
    client.wait_for(lambda: statuses[-1].state == SkillStatus.IDLE and not last_of(NEXT_SKILL), "the skill's end")
    client.spin_for(1.2)
    seen = {marker.ns for array in arrays for marker in array.markers}
    assert seen >= {KITCHEN, TOOL_PATH, NEXT_SKILL, PRIOR, SUBTASKS}
    drawn: set[int] = set()
    for array in arrays:
        keys = [(marker.ns, marker.id) for marker in array.markers]
        assert len(keys) == len(set(keys))
        stamps = {stamp_ns(marker.header.stamp) for marker in array.markers}
        assert len(stamps) == 1 and stamps.pop() > 0
        for marker in array.markers:
            assert marker.header.frame_id == "world" and marker.action == Marker.ADD
            assert 0.3 <= marker.lifetime.sec + marker.lifetime.nanosec * 1e-9 <= 4.0
            assert all(math.isfinite(value) for value in numbers_of(marker))
            turn = marker.pose.orientation
            assert turn.w**2 + turn.x**2 + turn.y**2 + turn.z**2 == pytest.approx(1.0, abs=1e-6)
            assert marker.color.a > 0.0 and max(marker.scale.x, marker.scale.z) > 0.0
            assert marker.type != Marker.LINE_STRIP or len(marker.points) >= 2
            if marker.mesh_resource:
                assert Path(marker.mesh_resource.removeprefix("file://")).is_file()
            if marker.ns == KITCHEN:
                drawn.add(marker.id)
    assert drawn == set(range(117))


def test_robot_description_waits_for_those_who_come_late(client, start_node) -> None:
    start_node("scene_markers")
    client.wait_for(lambda: client.count_publishers("robot_description") == 1, "the node")
    client.spin_for(0.5)
    descriptions = client.collect(String, "robot_description", LATCHED_QOS)
    client.wait_for(lambda: descriptions, "the description")
    assert '<joint name="panda0_joint1" type="revolute">' in descriptions[0].data


def test_frames_become_transforms_with_their_parents() -> None:
    (tool,) = to_transforms(
        ["tool"], ["hand"], np.array([[1.0, 2.0, 3.0]]), np.array([[0.5, 0.1, 0.2, 0.3]]), Time(sec=7)
    )
    assert (tool.child_frame_id, tool.header.frame_id, tool.header.stamp.sec) == ("tool", "hand", 7)
    place, turn = tool.transform.translation, tool.transform.rotation
    assert (place.x, place.y, place.z) == (1.0, 2.0, 3.0)
    assert (turn.w, turn.x, turn.y, turn.z) == (0.5, 0.1, 0.2, 0.3)


def test_frames_are_published_where_tf2_msgs_is_installed(client, start_node) -> None:
    tf2_messages = pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is part of a full ROS 2 distribution")
    start_node("mujoco_sim")
    start_node("scene_markers")
    arrays = client.collect(tf2_messages.TFMessage, "/tf")
    client.wait_for(lambda: arrays, "frames")
    assert {transform.child_frame_id for transform in arrays[-1].transforms} >= {"panda0_link0", "panda0_link7", "tool"}


def test_markers_are_taken_off_the_screen_at_the_end(client, start_node) -> None:
    start_node("mujoco_sim")
    markers = start_node("scene_markers")
    arrays = client.collect(MarkerArray, "scene_markers")
    client.wait_for(lambda: arrays, "markers")
    assert markers.end()[0] == 0
    client.spin_for(0.3)
    assert [marker.action for marker in arrays[-1].markers] == [Marker.DELETEALL]


def test_interventions_are_marked_at_the_tool_and_only_while_they_last() -> None:
    tool = np.array([0.1, 0.2, 1.9])
    assert to_safety_markers(SafetyView("passed", "", (), 3, 0.0), tool, 0.4) == []
    ball, text = to_safety_markers(SafetyView("limited", "velocity of joint1", (), 4, 0.0), tool, 0.4)
    assert (ball.pose.position.x, ball.pose.position.z) == (0.1, 1.9)
    assert text.text == "limited: velocity of joint1" and ball.lifetime.nanosec == 400_000_000


def test_where_rviz_is_not_installed_the_node_says_so_and_goes_on(client, start_node, domain_environment) -> None:
    folders = domain_environment["PATH"].split(os.pathsep)
    domain_environment["PATH"] = os.pathsep.join(folder for folder in folders if not (Path(folder) / "rviz2").exists())
    node = start_node("scene_markers", rviz=True)
    assert any("rviz2 is not installed here" in line for line in node.process.stdout)
    client.create_subscription(MarkerArray, "scene_markers", lambda _: None, 1)
    client.wait_for(lambda: client.count_publishers("scene_markers") == 1, "the node")
    assert node.end()[0] == 0


def test_rviz_is_started_with_our_configuration_and_ended_with_the_node(
    client, start_node, domain_environment, tmp_path
) -> None:
    """A stand-in for the program, since RViz needs a screen: what counts is how it is started and that it is ended."""
    program = tmp_path / "rviz2"
    program.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\ntrap "echo > {tmp_path}/ended; exit" TERM\n'
        "while true; do sleep 0.05; done\n"
    )
    program.chmod(0o755)
    domain_environment["PATH"] = f"{tmp_path}{os.pathsep}{domain_environment['PATH']}"
    node = start_node("scene_markers", "-r", "__ns:=/left", rviz=True)
    client.wait_for(lambda: (tmp_path / "arguments").exists() and (tmp_path / "arguments").read_text(), "RViz")
    arguments = (tmp_path / "arguments").read_text().split()
    assert arguments[:2] == ["-d", str(shipped("rviz/kitchen.rviz"))] and "__ns:=/left" in arguments
    assert "/tf:=tf" in arguments  # the frames of this namespace
    assert node.end()[0] == 0
    assert (tmp_path / "ended").exists()


def test_rviz_configuration_shows_the_topic_and_every_namespace() -> None:
    import yaml

    configuration = yaml.safe_load(shipped("rviz/kitchen.rviz").read_text())["Visualization Manager"]
    (display,) = [display for display in configuration["Displays"] if display["Name"] == "Scene"]
    assert display["Topic"]["Value"] == "scene_markers"
    assert set(display["Namespaces"]) == {KITCHEN, TOOL_PATH, NEXT_SKILL, PRIOR, SUBTASKS, SAFETY}
    assert configuration["Global Options"]["Fixed Frame"] == "world"
