"""The nodes with a family that another package brings: its simulator, its operator, and what shows both."""

from pathlib import Path

import pytest

pytest.importorskip("spirl_msgs")

from sensor_msgs.msg import JointState
from std_msgs.msg import String
from visualization_msgs.msg import Marker, MarkerArray

from spirl_msgs.msg import SceneState, TaskStatus
from spirl_msgs.srv import SetTask
from spirl_ros.nodes.graph.messages import LATCHED_QOS
from spirl_ros.tasks import families
from tests.tasks.small_family import install, put_on_path


@pytest.fixture
def both_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The families are found in this process."""
    for name, attribute in (("small", "SMALL"), ("alone", "ALONE")):
        monkeypatch.setitem(families._OURS, name, f"tests.tasks.small_family:{attribute}")


def test_installed_family_is_simulated_and_its_operator_does_its_task(
    client, start_node, domain_environment: dict[str, str], tmp_path: Path
) -> None:
    """Two processes, which find the package as they find every installed one."""
    put_on_path(domain_environment, install(tmp_path))
    simulator = start_node("mujoco_sim", rate="lockstep", task="small")
    statuses = client.collect(TaskStatus, "task_status", LATCHED_QOS)
    operator = start_node("scripted_operator", task="small", episodes=1, seed=5)
    code, output = operator.wait()
    assert code == 0 and "1 episodes: 2.00 of 2 subtasks in order on average" in output, output
    client.wait_for(lambda: statuses and statuses[-1].terminated, "the end of the task")
    last = statuses[-1]
    assert (last.task, list(last.subtasks), last.seed) == ("small:out_in", ["out", "in"], 5)
    assert last.max_steps == 90
    assert simulator.end()[0] == 0


def test_simulator_publishes_what_the_family_observes(both_here, client, start_here) -> None:
    start_here("mujoco_sim", rate="lockstep", task="small:in")
    joints, scenes = client.collect(JointState, "joint_states"), client.collect(SceneState, "scene_state")
    client.wait_for(lambda: joints and scenes, "states")
    assert (list(joints[-1].name), list(scenes[-1].name)) == (["shoulder", "elbow"], ["drawer"])
    for task, answer in (("out", True), ("small:out,in", True), ("kitchen:kettle", False), ("kettle", False)):
        assert client.call(SetTask, "set_task", SetTask.Request(task=task)).success is answer


def test_markers_and_frames_are_those_of_the_family(both_here, client, start_here) -> None:
    start_here("mujoco_sim", rate="lockstep", task="small:in")
    start_here("scene_markers", scene="small")
    arrays = client.collect(MarkerArray, "scene_markers")
    descriptions = client.collect(String, "robot_description", LATCHED_QOS)
    client.wait_for(lambda: arrays and descriptions, "markers and a URDF")
    shapes = [marker for marker in arrays[-1].markers if marker.ns == "small"]
    assert [marker.type for marker in shapes] == [Marker.CYLINDER, Marker.CYLINDER, Marker.CUBE]
    assert '<robot name="small">' in descriptions[-1].data and 'name="elbow" type="revolute"' in descriptions[-1].data


def test_page_draws_the_family_and_offers_its_tasks(both_here, client, start_here) -> None:
    pytest.importorskip("viser")
    page = start_here("monitor", scene="small", port=0)
    node = page.node
    assert node is not None and node.is_active
    scene = node._page.meshes
    assert scene is not None and scene.tool_position().tolist() == pytest.approx([0.3, 0.0, 0.1])


@pytest.mark.parametrize(
    ("node", "parameters", "told"),
    [
        ("mujoco_sim", {"task": "alone"}, "task family alone has no simulator in MuJoCo"),
        ("scripted_operator", {"task": "alone:out"}, "task family alone has no scripted operator. Let a bundle act"),
        ("scene_markers", {"scene": "alone"}, "nothing shows the task family alone"),
        ("monitor", {"scene": "alone", "port": 0}, "nothing shows the task family alone"),
        ("monitor", {"scene": "alne", "port": 0}, "Did you mean 'alone'"),
        ("teleop", {"robot": "small"}, "does not say how a person moves its arm. Write its method `teleoperated_arm`"),
        ("teleop", {"task": "small:in"}, "task family small does not say how a person moves its arm"),
        (
            "mujoco_sim",
            {"task": "small:oven"},
            "Tasks: out_in, out. Subtasks, to be listed in order with commas: out, in",
        ),
    ],
)
def test_what_a_family_lacks_is_told_in_one_line(
    both_here, client, start_here, node: str, parameters: dict, told: str
) -> None:
    code, output = start_here(node, **parameters).wait()
    assert code == 2 and told in output and "Traceback" not in output
