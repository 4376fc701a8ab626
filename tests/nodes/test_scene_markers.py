"""The markers as RViz gets them."""

import math
import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.action.client import ActionClient
from std_msgs.msg import String
from std_srvs.srv import Trigger
from visualization_msgs.msg import Marker, MarkerArray

from spirl_msgs.action import ExecuteSkill
from spirl_msgs.msg import Skill, SkillStatus
from spirl_msgs.srv import LoadBundle
from spirl_ros.bringup.graphs import TRAIN
from spirl_ros.deployment.bundle_file import description_digest, read_description
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.maze.family import MAZE
from spirl_ros.monitoring.views import SafetyView, SkillView, TaskView
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS, stamp_ns
from spirl_ros.nodes.graph.transform_topic import TransformTopic, to_transforms
from spirl_ros.nodes.viewers.marker_messages import (
    NEXT_SKILL,
    PRIOR,
    SAFETY,
    SUBTASKS,
    TOOL_PATH,
    to_safety_markers,
    to_silence_marker,
    to_subtask_marker,
)
from spirl_ros.nodes.viewers.rviz_window import rviz_configuration
from tests.nodes.kitchen_bundle import HORIZON, write_kitchen_bundle

SCENE = "kitchen"
"""The namespace of the scene's markers."""
ABOVE_ARM_M = (-0.2, 0.2, 2.95)


def numbers_of(marker: Marker) -> list[float]:
    place, turn, size, colour = marker.pose.position, marker.pose.orientation, marker.scale, marker.color
    values = [place.x, place.y, place.z, turn.w, turn.x, turn.y, turn.z, size.x, size.y, size.z]
    values += [colour.r, colour.g, colour.b, colour.a]
    return values + [value for point in marker.points for value in (point.x, point.y, point.z)]


class Scene:
    """Simulator, executor and markers, and what arrives of them."""

    def __init__(
        self, client, start_node, bundle: Path, rate: str = "realtime", shown_bundle: Path | None = None
    ) -> None:
        self.client = client
        self.simulator = start_node("mujoco_sim", rate=rate)
        # A skill of 1.6 s in place of 0.4 s, so that a busy machine shows it too.
        slowly = {"max_age_s": 1.0, "max_missed": 100, "speed": 0.25} if rate == "realtime" else {}
        self.executor = start_node("skill_executor", bundle=bundle, rate=rate, **slowly)
        self.markers = start_node("scene_markers", bundle=shown_bundle or bundle, prior_samples=3)
        self.skills = client.create_publisher(Skill, "skill", COMMAND_QOS)
        self.statuses = client.collect(SkillStatus, "skill_status", LATCHED_QOS)
        self.arrays = client.collect(MarkerArray, "scene_markers")
        client.wait_for(lambda: self.statuses and not self.statuses[-1].reason, "an executor that is ready")
        client.wait_for(lambda: "skill" in self.text_of(SUBTASKS), "markers")

    def last_of(self, namespace: str) -> list[Marker]:
        return [marker for marker in self.arrays[-1].markers if marker.ns == namespace] if self.arrays else []

    def text_of(self, namespace: str) -> str:
        return "".join(marker.text for marker in self.last_of(namespace))

    def trigger(self, name: str) -> None:
        answer = self.client.call(Trigger, f"skill_executor/{name}", Trigger.Request())
        assert answer.success, answer.message

    def send(self, skill_id: int, latent: list[float]) -> None:
        self.skills.publish(Skill(skill_id=skill_id, latent=latent, source=Skill.SOURCE_MANUAL))


def test_every_marker_is_complete_and_nothing_stays(client, start_here, tmp_path) -> None:
    bundle = write_kitchen_bundle(tmp_path / "bundle")
    start_here("mujoco_sim")
    # A tenth of the speed: the skill takes four seconds, and markers of an arm at rest are drawn twice a second.
    start_here("skill_executor", bundle=bundle, max_age_s=1.0, max_missed=100, speed=0.1)
    start_here("scene_markers", bundle=bundle, prior_samples=3)
    skills = client.create_publisher(Skill, "skill", COMMAND_QOS)
    statuses = client.collect(SkillStatus, "skill_status", LATCHED_QOS)
    arrays = client.collect(MarkerArray, "scene_markers")
    client.wait_for(lambda: statuses and not statuses[-1].reason, "an executor that is ready")

    def each_of(namespace: str) -> list[list[Marker]]:
        return [[marker for marker in array.markers if marker.ns == namespace] for array in arrays]

    def last_of(namespace: str) -> list[Marker]:
        return each_of(namespace)[-1] if arrays else []

    client.wait_for(lambda: len(last_of(SUBTASKS)) == 1, "markers")
    client.wait_for(lambda: skills.get_subscription_count() == 2, "executor and markers to listen")
    assert not last_of(NEXT_SKILL) and not last_of(SAFETY)
    skills.publish(Skill(skill_id=1, latent=[0.6, 0.4], source=Skill.SOURCE_MANUAL))
    client.wait_for(lambda: any(each_of(PRIOR)) and last_of(TOOL_PATH), "the skill's ways")
    assert {len(found) for found in each_of(PRIOR)} == {0, 3}
    assert {len(found[0].points) for found in each_of(NEXT_SKILL) if found} == {HORIZON + 1}
    client.wait_for(lambda: statuses[-1].state == SkillStatus.IDLE and not last_of(NEXT_SKILL), "the skill's end")
    client.spin_for(1.2)
    seen = {marker.ns for array in arrays for marker in array.markers}
    assert seen >= {SCENE, TOOL_PATH, NEXT_SKILL, PRIOR, SUBTASKS}
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
            if marker.ns == SCENE:
                drawn.add(marker.id)
    assert drawn == set(range(117))


def test_what_has_no_source_any_more_leaves_the_screen(client, start_node, tmp_path) -> None:
    """A killed executor's ball and state, and a killed simulator's whole scene, once stayed for ever."""
    scene = Scene(client, start_node, write_kitchen_bundle(tmp_path / "bundle"))
    scene.trigger("stop")
    client.wait_for(lambda: "latched: latch: told to brake" in scene.text_of(SAFETY), "the ball of the latch")
    assert "skill: latched" in scene.text_of(SUBTASKS) and "[ ] kettle" in scene.text_of(SUBTASKS)

    scene.executor.process.kill()
    client.wait_for(lambda: not scene.last_of(SAFETY), "the ball's end")
    client.wait_for(lambda: "skill" not in scene.text_of(SUBTASKS), "the end of the executor's state")
    assert "[ ] kettle" in scene.text_of(SUBTASKS)  # the simulator lives

    scene.simulator.process.kill()
    scene.arrays.clear()
    client.wait_for(lambda: "no joint states" in scene.text_of(SUBTASKS), "a word of the end")
    client.spin_for(1.0)
    actions = [marker.action for array in scene.arrays for marker in array.markers]
    assert actions.count(Marker.DELETEALL) == 1
    after = scene.arrays[[array.markers[0].action for array in scene.arrays].index(Marker.DELETEALL) :]
    assert len(after) > 5 and {marker.ns for array in after for marker in array.markers[-1:]} == {SUBTASKS}
    assert all(len(array.markers) == 1 for array in after[1:])

    start_node("mujoco_sim")
    client.wait_for(lambda: len(scene.last_of(SCENE)) > 50, "the scene of another simulator")
    assert "[ ] kettle" in scene.text_of(SUBTASKS)


def test_skill_that_is_refused_is_not_to_come(client, start_here, tmp_path) -> None:
    """Its way and the prior's fan stayed on the screen."""
    scene = Scene(client, start_here, write_kitchen_bundle(tmp_path / "bundle"))
    scene.trigger("stop")
    client.wait_for(lambda: scene.statuses[-1].state == SkillStatus.LATCHED, "the latch")
    scene.send(2, [0.5, 0.4])
    client.spin_for(1.0)
    assert not scene.last_of(NEXT_SKILL) and not scene.last_of(PRIOR)
    scene.trigger("reset")
    client.spin_for(0.5)
    assert not scene.last_of(NEXT_SKILL)


def test_latch_has_a_ball_until_it_is_released_and_a_limit_has_one_for_a_moment(client, start_here, tmp_path) -> None:
    bundle = write_kitchen_bundle(tmp_path / "bundle", scale=100.0, share_of_limits=0.3)  # asks for more than it may
    scene = Scene(client, start_here, bundle)
    scene.trigger("stop")
    client.wait_for(lambda: {marker.type for marker in scene.last_of(SAFETY)} == {Marker.SPHERE, 9}, "the ball")
    assert "latched: latch: told to brake" in scene.text_of(SAFETY)
    scene.trigger("reset")
    client.wait_for(lambda: scene.arrays and not scene.last_of(SAFETY), "the ball's end")
    scene.send(1, [1.0, -1.0])
    client.wait_for(lambda: "limited: " in scene.text_of(SAFETY), "the limit's ball")
    text = scene.text_of(SAFETY)
    assert "panda0_joint" in text.splitlines()[1] and "intervention" in text.splitlines()[-1]
    client.wait_for(lambda: scene.arrays and not scene.last_of(SAFETY), "the ball's end")


def test_skill_of_the_action_has_its_ways(client, start_here, tmp_path) -> None:
    """Such skills have the number 0, which once was that of the preview before the first."""
    scene = Scene(client, start_here, write_kitchen_bundle(tmp_path / "bundle"))
    action = ActionClient(client, ExecuteSkill, "execute_skill")
    client.wait_for(action.server_is_ready, "the action")
    begins: list[np.ndarray] = []
    for _ in range(2):
        answer: Any = action.send_goal_async(ExecuteSkill.Goal(latent=[0.6, 0.4]))
        client.wait_for(answer.done, "an answer")
        client.wait_for(lambda: len(scene.last_of(PRIOR)) == 3, "the skill's ways")
        begin = next(iter(scene.last_of(NEXT_SKILL)[0].points))
        begins.append(np.array([begin.x, begin.y, begin.z]))
        result = answer.result().get_result_async()
        client.wait_for(lambda result=result: result.done() and not scene.last_of(NEXT_SKILL), "the skill's end")
    assert np.linalg.norm(begins[1] - begins[0]) > 0.01  # each from where it began
    action.destroy()


def test_ways_wait_for_the_bundle_that_the_executor_has(client, start_here, tmp_path) -> None:
    """In a training the executor begins with other skills, and the run's own are made later."""
    first, later = write_kitchen_bundle(tmp_path / "first"), tmp_path / "later"
    scene = Scene(client, start_here, first, shown_bundle=later)
    scene.send(1, [0.6, 0.4])
    client.wait_for(lambda: scene.statuses[-1].state == SkillStatus.EXECUTING, "the skill")
    client.wait_for(lambda: scene.statuses[-1].state == SkillStatus.IDLE, "the skill's end")
    assert not any(marker.ns == NEXT_SKILL for array in scene.arrays for marker in array.markers)
    write_kitchen_bundle(later, name="kitchen_later", scale=0.5)
    answer = client.call(LoadBundle, "load_bundle", LoadBundle.Request(path=str(later)))
    assert answer.success, answer.message
    scene.send(2, [0.6, 0.4])
    client.wait_for(lambda: scene.last_of(NEXT_SKILL), "the skill's way")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics", 50)

    def values() -> dict[str, str]:
        found = [s for array in diagnostics for s in array.status if s.name.startswith("scene_markers")]
        return {value.key: value.value for value in found[-1].values} if found else {}

    client.wait_for(values, "diagnostics")
    assert values()["bundle"] == "kitchen_later"
    assert values()["bundle digest"] == description_digest(read_description(later))[:12]


def test_markers_of_a_training_show_the_skills_of_its_run(tmp_path) -> None:
    given = {"out": str(tmp_path / "run"), "skills": "skills", "rviz": "true"}
    nodes = {node.name: node for node in TRAIN.nodes(TRAIN.check(given))}
    assert nodes["scene_markers"].parameters["bundle"] == str(tmp_path / "run" / "skills")
    pytest.importorskip("torch")
    from spirl_ros.rl.run import SKILLS_FOLDER

    assert SKILLS_FOLDER == "skills"


@pytest.mark.slow
def test_training_tells_what_it_chose_and_the_markers_show_it(client, start_node, tmp_path) -> None:
    """It says so beside the action: on the topic `skill` the executor would take it for another skill."""
    torch = pytest.importorskip("torch", reason="learning needs torch")
    for name in ("onnxscript", "gymnasium_robotics"):
        pytest.importorskip(name)
    from tests.commands.test_export import make_run
    from tests.rl.begun_run import begin_run

    torch.manual_seed(0)
    torch.set_num_threads(1)
    changes = "batch_size=8 critic_hidden=8 critic_layers=1 offline_updates=0 demos_in_replay=false warm_up_decisions=4"
    out = begin_run(tmp_path / "run", make_run(tmp_path / "skills").folder, ("steps=100000", *changes.split()))
    choices = client.collect(Skill, "chosen_skill", 10_000)
    commands = client.collect(Skill, "skill", 100)
    scene = Scene(
        client, start_node, write_kitchen_bundle(tmp_path / "first"), rate="lockstep", shown_bundle=out / "skills"
    )
    start_node("trainer", out=out)

    def shown() -> set[str]:
        return {marker.ns for array in scene.arrays for marker in array.markers}

    client.wait_for(lambda: shown() >= {NEXT_SKILL, PRIOR} and len(choices) > 20, "skills", 120.0)
    numbers = [choice.skill_id for choice in choices]
    assert numbers == sorted(set(numbers)) and numbers[0] >= 1
    assert all(choice.source == Skill.SOURCE_POLICY for choice in choices)
    # The policy begins as the prior, so they are apart by what was learned only.
    assert all(0.0 <= choice.prior_divergence + 1e-4 < 50.0 for choice in choices)
    executed = {tuple(status.latent) for status in scene.statuses if status.state == SkillStatus.EXECUTING}
    assert len(executed & {tuple(choice.latent) for choice in choices}) > 5
    assert commands == []


def test_robot_description_waits_for_those_who_come_late(client, start_here) -> None:
    start_here("scene_markers")
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


def test_frames_are_published_where_tf2_msgs_is_installed(client, start_here) -> None:
    tf2_messages = pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is part of a full ROS 2 distribution")
    start_here("mujoco_sim")
    start_here("scene_markers")
    arrays = client.collect(tf2_messages.TFMessage, "/tf")
    client.wait_for(lambda: arrays, "frames")
    assert {transform.child_frame_id for transform in arrays[-1].transforms} >= {"panda0_link0", "panda0_link7", "tool"}


def test_frames_are_published_with_the_message_of_tf2_msgs(monkeypatch) -> None:
    """A stand-in for the package, which the wheels do not have."""

    class TFMessage:
        def __init__(self, transforms: list) -> None:
            self.transforms = transforms

    class Topic:
        def __init__(self) -> None:
            self.published, self.is_open = [], True

        def create_publisher(self, message_type: type, name: str, depth: int) -> "Topic":
            self.opened = message_type, name, depth
            return self

        def destroy_publisher(self, publisher: "Topic") -> None:
            self.is_open = False

        def get_subscription_count(self) -> int:
            return 2

        def publish(self, message: TFMessage) -> None:
            self.published.append(message)

    module = types.ModuleType("tf2_msgs.msg")
    module.TFMessage = TFMessage  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "tf2_msgs", types.ModuleType("tf2_msgs"))
    monkeypatch.setitem(sys.modules, "tf2_msgs.msg", module)
    node: Any = Topic()
    topic = TransformTopic(node)
    # Relative: `/tf` outside a namespace, and a robot's own in one.
    assert topic.is_available and node.opened[:2] == (TFMessage, "tf") and topic.listeners == 2
    transforms = to_transforms(["tool"], ["hand"], np.zeros((1, 3)), np.array([[1.0, 0.0, 0.0, 0.0]]), Time(sec=7))
    topic.publish(tuple(transforms))
    (message,) = node.published
    assert type(message) is TFMessage and message.transforms == transforms
    topic.close()
    assert not node.is_open


def test_without_tf2_msgs_nothing_is_published(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tf2_msgs.msg", None)  # importing it fails
    node: Any = None
    topic = TransformTopic(node)
    topic.publish([])
    topic.close()
    assert not topic.is_available and topic.listeners == 0


def test_subtask_text_tells_task_step_and_skill() -> None:
    task = TaskView("kitchen", 3, 7, ("bottom_burner", "kettle"), (True, False), {"bottom_burner": 40}, 1, 52, 280, "")
    skill = SkillView("executing", 6, 2, 10, (0.1,), "kitchen", "")
    text = to_subtask_marker(task, skill, ABOVE_ARM_M, 0.4).text
    assert text == "[x] bottom burner\n[ ] kettle\nstep 52 of 280\nskill 6: executing"
    assert to_subtask_marker(task, None, ABOVE_ARM_M, 0.4).text.splitlines()[-1] == "step 52 of 280"


def test_markers_are_taken_off_the_screen_at_the_end(client, start_here) -> None:
    start_here("mujoco_sim")
    markers = start_here("scene_markers")
    arrays = client.collect(MarkerArray, "scene_markers")
    client.wait_for(lambda: arrays, "markers")
    assert markers.end()[0] == 0
    client.spin_for(0.3)
    assert [marker.action for marker in arrays[-1].markers] == [Marker.DELETEALL]


def test_interventions_are_marked_at_the_tool_and_only_while_they_last() -> None:
    tool = np.array([0.1, 0.2, 1.9])
    assert to_safety_markers(SafetyView("passed", "", (), 3, 0.0), tool, 0.4) == []
    limited = SafetyView("limited", "velocity of joint1", ("joint1", "joint4"), 4, 0.0)
    ball, text = to_safety_markers(limited, tool, 0.4)
    assert (ball.pose.position.x, ball.pose.position.z) == (0.1, 1.9) and ball.lifetime.nanosec == 400_000_000
    assert text.text == "limited: velocity of joint1\njoint1, joint4\n4 interventions"
    # Every joint is braked, which the names would not make clearer.
    _, text = to_safety_markers(SafetyView("latched", "stopped", ("joint1",), 1, 0.0), tool, 0.4)
    assert text.text == "latched: stopped\n1 intervention"


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
    assert arguments[0] == "-d" and arguments[1].endswith("/kitchen.rviz") and "__ns:=/left" in arguments
    assert "/tf:=tf" in arguments  # the frames of this namespace
    assert node.end()[0] == 0
    assert (tmp_path / "ended").exists()


def test_rviz_that_ends_at_once_is_told_of(client, start_node, domain_environment, tmp_path) -> None:
    """Without a display it ends at once, and the log went on to say that it shows the scene."""
    program = tmp_path / "rviz2"
    program.write_text(f"#!/bin/sh\necho > {tmp_path}/started\necho could not connect to display\nexit 134\n")
    program.chmod(0o755)
    domain_environment["PATH"] = f"{tmp_path}{os.pathsep}{domain_environment['PATH']}"
    node = start_node("scene_markers", rviz=True)
    client.wait_for((tmp_path / "started").exists, "RViz")
    client.spin_for(4.0)
    code, output = node.end()
    assert code == 0 and "RViz has ended with exit code 134" in output, output


def test_words_of_a_text_stand_next_to_each_other() -> None:
    """RViz takes the width of a space from scale.x; only z was set, and words stood 10 to 15 letters apart."""
    safety = to_safety_markers(SafetyView("latched", "stopped", (), 1, 0.0), np.zeros(3), 0.4)[1]
    for text in (safety, to_silence_marker(4.0, KITCHEN.view().text_place(), 0.4)):
        assert text.type == Marker.TEXT_VIEW_FACING and 0.05 <= text.scale.z <= 0.1
        assert (text.scale.x, text.scale.y) == (0.5 * text.scale.z, 0.0)


def test_task_of_seven_lines_is_inside_the_view_of_the_rviz_configuration() -> None:
    """It lay above: from 2.6 m its middle was at 1.12 of half the picture's height.

    RViz looks with 45 degrees from top to bottom, and a text's place is its middle.
    """
    import yaml

    view = yaml.safe_load(rviz_configuration(KITCHEN.view()))["Visualization Manager"]["Views"]["Current"]
    focus = np.array([view["Focal Point"][axis] for axis in "XYZ"])
    yaw, pitch = view["Yaw"], view["Pitch"]
    back = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
    up = np.array([-np.cos(yaw) * np.sin(pitch), -np.sin(yaw) * np.sin(pitch), np.cos(pitch)])
    text = to_silence_marker(4.0, KITCHEN.view().text_place(), 0.4)
    place = np.array([text.pose.position.x, text.pose.position.y, text.pose.position.z])
    top = place + 3.5 * text.scale.z * up - (focus + view["Distance"] * back)
    assert 0.5 < top @ up / -(top @ back) / np.tan(np.radians(22.5)) < 0.95


def test_rviz_configuration_shows_the_topic_and_every_namespace() -> None:
    import yaml

    configuration = yaml.safe_load(rviz_configuration(KITCHEN.view()))["Visualization Manager"]
    (display,) = [display for display in configuration["Displays"] if display["Name"] == "Scene"]
    assert display["Topic"]["Value"] == "scene_markers"
    assert set(display["Namespaces"]) == {SCENE, TOOL_PATH, NEXT_SKILL, PRIOR, SUBTASKS, SAFETY}
    assert configuration["Global Options"]["Fixed Frame"] == "world"


def test_rviz_configuration_shows_what_cameras_take() -> None:
    import yaml

    configuration = yaml.safe_load(rviz_configuration(MAZE.view(), MAZE.robot.observation.pictures))
    displays = configuration["Visualization Manager"]["Displays"]
    (camera,) = [display for display in displays if display["Class"] == "rviz_default_plugins/Image"]
    assert (camera["Name"], camera["Topic"]["Value"]) == ("Camera above", "camera/above/image_raw")
