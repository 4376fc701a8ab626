"""What the recorder makes of topics: latched ones of several publishers, and those on which nothing comes."""

import re
from pathlib import Path

import pytest

pytest.importorskip("spirl_msgs")

import yaml
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import JointState
from std_msgs.msg import Header, String

from spirl_ros.nodes.graph.messages import LATCHED_QOS
from spirl_ros.recording.bag_reader import BagFile
from tests.nodes.test_recorder import Arm, messages_of, start_recording, stop_recording

TOPICS = (
    "topics:=['joint_states sensor_msgs/msg/JointState','calibration std_msgs/msg/String latched',"
    "'action std_msgs/msg/Float64MultiArray action optional']"
)


def notes(bag: Path) -> list[str]:
    return [message.data for message in messages_of(bag, "/calibration", String)]


def record_once(client, arm: Arm, count: int = 20) -> Path:
    assert start_recording(client).success
    arm.publish(count)
    arm.wait_until_received()
    return Path(stop_recording(client, is_success=True).path)


def test_every_publisher_of_a_latched_topic_is_in_every_bag(client, start_node, tmp_path) -> None:
    """Of two drivers that publish a calibration each, one was in every bag."""
    start_node("recorder", "-p", TOPICS, folder=tmp_path)
    arm = Arm(client)
    camera = client.create_publisher(String, "calibration", LATCHED_QOS)
    gripper = client.create_publisher(String, "calibration", LATCHED_QOS)
    for text in ("camera 1", "camera 2"):
        camera.publish(String(data=text))
    gripper.publish(String(data="gripper"))
    client.spin_for(4.0)
    assert [sorted(notes(record_once(client, arm))) for _ in range(2)] == [["camera 2", "gripper"]] * 2
    for number in range(3, 30):
        camera.publish(String(data=f"camera {number}"))
        client.spin_for(0.05)
    client.spin_for(4.0)
    assert sorted(notes(record_once(client, arm))) == ["camera 29", "gripper"]
    client.destroy_publisher(gripper)
    client.spin_for(4.0)
    assert notes(record_once(client, arm)) == ["camera 29"]


def test_bag_lasts_as_long_as_the_recording(client, start_here, tmp_path) -> None:
    """Its first message was the latched one, of when the graph began: a bag of 6 s lasted 88 s, and `ros2 bag play`
    waited."""
    note = client.create_publisher(String, "calibration", LATCHED_QOS)
    note.publish(String(data="early"))
    client.spin_for(1.0)
    start_here("recorder", "-p", TOPICS, folder=tmp_path)
    arm = Arm(client)
    arm.publish(10)
    client.spin_for(3.0)
    bag = record_once(client, arm, 100)
    information = yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    messages = BagFile(bag / f"{bag.name}_0.mcap").read_all()
    sent_s = [message.publish_time * 1e-9 for message in messages if len(message.data) < 40]
    assert information["duration"]["nanoseconds"] * 1e-9 == pytest.approx(arm.sent[-1][0] - arm.sent[10][0], abs=1.0)
    assert min(sent_s) < arm.sent[10][0] - 3.0  # it says itself when it was sent
    assert len(messages_of(bag, "/joint_states", JointState)) == 100 and notes(bag) == ["early"]


def level_of(arrays: list[DiagnosticArray]) -> DiagnosticStatus:
    return next(status for array in reversed(arrays) for status in array.status if status.name.startswith("recorder"))


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (
            "joint_stats sensor_msgs/msg/JointState",
            "nobody publishes it (sensor_msgs/msg/JointState is published on /joint_states)",
        ),
        (
            "joint_states std_msgs/msg/String",
            "it is published as sensor_msgs/msg/JointState, expected std_msgs/msg/String",
        ),
        ("silent std_msgs/msg/String", "test_client publishes it and sent nothing"),
        ("silent std_msgs/msg/String latched", "test_client publishes it and sent nothing"),
    ],
)  # fmt: skip
def test_topic_on_which_nothing_comes_is_named_from_the_start_on(
    client, start_node, tmp_path, asked: str, why: str
) -> None:
    """An episode without the arm's states was "success, verified", and the diagnostics said OK."""
    states = client.create_publisher(JointState, "joint_states", 10)
    client.create_publisher(String, "silent", LATCHED_QOS)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    topics = f"topics:=['{asked}','other std_msgs/msg/String optional']"
    recorder = start_node("recorder", "-p", topics, folder=tmp_path)
    client.wait_for(lambda: diagnostics, "the recorder")
    client.spin_for(1.0)
    name = f"/{asked.split()[0]}"
    started = start_recording(client)
    assert started.success
    is_silent = "silent" in asked
    assert is_silent or f"WARNING: {name}: {why}" in started.message
    client.wait_for(lambda: level_of(diagnostics).level == DiagnosticStatus.WARN, "the warning")
    assert f"{name}: {why}" in level_of(diagnostics).message
    values = {value.key: value.value for value in level_of(diagnostics).values}
    assert values[f"messages of {name}"] == "0"
    states.publish(JointState())
    stopped = stop_recording(client, is_success=True)
    assert stopped.success and f"WARNING: nothing was recorded of {name}: {why}" in stopped.message
    assert "/other" not in stopped.message
    information = yaml.safe_load((Path(stopped.path) / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert information["custom_data"]["empty_topics"] == f"{name} /other"
    _, output = recorder.end()
    assert is_silent or "[WARN] [" in output and f"{name}: {why}" in output


def test_topics_that_an_episode_may_be_without_are_no_warning(client, start_here, tmp_path) -> None:
    start_here("recorder", "-p", TOPICS.replace("latched", "latched optional"), folder=tmp_path)
    arm = Arm(client)
    started = start_recording(client)
    arm.publish(5)
    arm.wait_until_received()
    stopped = stop_recording(client)
    assert "WARNING: /" not in started.message and "nothing was recorded" not in stopped.message


def test_stamps_that_cannot_be_true_are_told_at_once(client, start_node, tmp_path) -> None:
    """A driver that never fills them in was recorded as success, and the import said that it lasted 0.000 s."""
    recorder = start_node("recorder", "-p", TOPICS, folder=tmp_path)
    publisher = client.create_publisher(JointState, "joint_states", 10)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    client.wait_for(publisher.get_subscription_count, "the recorder's subscription")
    start_recording(client)
    for moved_s in (0, -3, 5):
        for _ in range(20):
            now_ns = client.get_clock().now().nanoseconds
            stamp = Time(sec=now_ns // 10**9 + moved_s, nanosec=now_ns % 10**9)
            publisher.publish(JointState(header=Header(stamp=stamp)))
            client.spin_for(0.01)
    publisher.publish(JointState())
    client.wait_for(lambda: "header.stamp is 0" in level_of(diagnostics).message, "the warning")
    stopped = stop_recording(client)
    assert "WARNING: /joint_states: header.stamp is 0" in stopped.message
    assert "stamps: '/joint_states: header.stamp is 0'" in (Path(stopped.path) / "metadata.yaml").read_text()
    _, output = recorder.end()
    # The time between two messages is part of it, and how much later one of them came than the other.
    told = dict(re.findall(r"the clock of its stamps was set (back|forward) by (\d+\.\d+)", output))
    assert 1.0 < float(told["back"]) < 4.0 and 7.0 < float(told["forward"]) < 10.0, output
