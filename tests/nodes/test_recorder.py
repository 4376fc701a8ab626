"""The recorder over DDS beside real nodes; as a process of its own where that is killed or sent signals."""

import os
import shutil
import signal
import time
from pathlib import Path

import mujoco
import numpy as np
import pytest

pytest.importorskip("spirl_msgs")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import Trigger

from spirl_msgs.msg import RecordingStatus
from spirl_msgs.srv import ResetScene, StartRecording, StopRecording
from spirl_ros.demonstrations.formats.bag_import import import_bags
from spirl_ros.demonstrations.operator_style import DEFAULT_STYLE
from spirl_ros.demonstrations.replay import Drift, EpisodeReplayer
from spirl_ros.demonstrations.storage import read_dataset, write_dataset
from spirl_ros.kitchen.environment import KitchenEnvironment
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.operator import KitchenOperator
from spirl_ros.maze.family import MAZE
from spirl_ros.nodes.graph.messages import LATCHED_QOS
from spirl_ros.recording.bag_reader import BagFile
from spirl_ros.tasks.task import EpisodeConfig

TWO_TOPICS = "topics:=['joint_states sensor_msgs/msg/JointState','note std_msgs/msg/String latched']"


def start_recording(client, **request) -> StartRecording.Response:
    return client.call(StartRecording, "start_recording", StartRecording.Request(**request))


def stop_recording(client, is_awaited: bool = True, **request) -> StopRecording.Response:
    """The answer; the bag is there when the disk has completed it, which may be later."""
    response = client.call(StopRecording, "stop_recording", StopRecording.Request(**request))
    if response.success and is_awaited:
        client.wait_for(Path(response.path).is_dir, "the bag")
    return response


def messages_of(bag: Path, topic: str, message_type) -> list:
    file = BagFile(bag / f"{bag.name}_0.mcap")
    messages = file.read_all()
    assert not file.problem
    return [
        deserialize_message(message.data, message_type)
        for message in messages
        if file.channels[message.channel_id].topic == topic
    ]


class Arm:
    """Publishes joint states that count up."""

    def __init__(self, client, qos: QoSProfile | int = 10) -> None:
        self.client = client
        self.publisher = client.create_publisher(JointState, "joint_states", qos)
        self.sent: list[tuple[float, float]] = []
        client.wait_for(lambda: self.publisher.get_subscription_count() == 1, "the recorder's subscription")

    def publish(self, count: int, period_s: float = 0.005) -> None:
        for _ in range(count):
            self.sent.append((time.time(), float(len(self.sent))))
            self.publisher.publish(JointState(name=["a"], position=[self.sent[-1][1]]))
            self.client.spin_for(period_s)

    def wait_until_received(self) -> None:
        self.client.spin_for(0.3)


def positions_of(bag: Path) -> list[float]:
    return [message.position[0] for message in messages_of(bag, "/joint_states", JointState)]


def test_lockstep_episode_recorded_over_ros_is_the_in_process_episode(client, start_node, tmp_path) -> None:
    recorder = start_node("recorder", folder=tmp_path, start="each_episode", operator_name="scripted")
    start_node("mujoco_sim", rate="lockstep")
    operator_process = start_node("scripted_operator", episodes=1, seed=3, wait_for_recorder=True)
    client.wait_for(lambda: operator_process.process.poll() is not None, "the operator's end", deadline_s=90.0)
    assert recorder.end()[0] == 0
    write_dataset(tmp_path / "data", import_bags([tmp_path]))
    (episode,) = read_dataset(tmp_path / "data").episodes

    environment = KitchenEnvironment()
    operator = KitchenOperator(environment.scene)
    operator.start(environment.targets, seed=3)
    observations, rewards, intended, executed = [environment.reset(3)], [], [], []
    while not environment.has_ended:
        executed.append(operator.act(observations[-1]))
        intended.append(operator.intended_action)
        result = environment.step(executed[-1])
        observations.append(result.observation)
        rewards.append(result.reward)
    assert episode.steps == len(executed) > 100
    np.testing.assert_array_equal(episode.observations, observations)
    np.testing.assert_array_equal(episode.actions, intended)
    np.testing.assert_allclose(episode.executed_actions, executed, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(episode.rewards, rewards)
    assert (episode.terminated, episode.truncated) == (True, False)
    assert episode.metadata.completed_at_step == environment.progress.completed_at_step
    assert (episode.metadata.seed, episode.metadata.operator) == (3, "scripted")
    assert episode.metadata.task == environment.targets
    assert episode.metadata.operator_style == DEFAULT_STYLE
    assert episode.metadata.measurement_noise == vars(environment.noise)
    assert episode.metadata.mujoco_version == mujoco.__version__

    replayed = EpisodeReplayer(KITCHEN).replay(episode)
    assert replayed.start == "seed"
    assert replayed.joint_drift == replayed.scene_drift == replayed.tool_error_mm == Drift(0.0, 0.0)
    assert replayed.replayed == replayed.recorded


def test_services_start_stop_and_discard_episodes(client, start_here, tmp_path) -> None:
    statuses = client.collect(RecordingStatus, "recording_status", LATCHED_QOS)
    events = client.collect(String, "recording_event")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    note = client.create_publisher(String, "note", LATCHED_QOS)
    note.publish(String(data="sent before anything was recorded"))
    start_here("recorder", "-p", TWO_TOPICS, folder=tmp_path)
    arm = Arm(client)
    assert not stop_recording(client).success
    started = start_recording(client, task="kitchen", operator_name="anna")
    assert started.success and started.path == str(tmp_path / "episode_000001")
    assert "already" in start_recording(client).message
    arm.publish(50)
    arm.wait_until_received()
    stopped = stop_recording(client, is_success=True, note="well done")
    assert stopped.success, stopped.message
    assert stopped.messages == 50 + 1 + 2
    bag = Path(stopped.path)
    assert positions_of(bag) == list(range(50))
    assert [note.data for note in messages_of(bag, "/note", String)] == ["sent before anything was recorded"]
    assert [event.data for event in messages_of(bag, "/recording_event", String)] == ["start", "success"]
    metadata = (bag / "metadata.yaml").read_text()
    assert all(text in metadata for text in ("operator: anna", "note: well done", "is_success: 'true'"))
    assert "durability: transient_local" in metadata and "RIHS01_" in metadata

    start_recording(client)
    arm.publish(5)
    discarded = client.call(Trigger, "discard_recording", Trigger.Request())
    assert discarded.success
    client.wait_for(lambda: {path.name for path in tmp_path.iterdir()} == {".lock", "episode_000001"}, "the removal")
    client.wait_for(lambda: statuses[-1].state == RecordingStatus.IDLE and statuses[-1].episodes == 1, "idle")
    states = [status.state for status in statuses]
    assert RecordingStatus.RECORDING in states and RecordingStatus.FAILED not in states
    lost = [value.value for array in diagnostics for value in array.status[0].values if value.key == "lost messages"]
    assert lost and set(lost) == {"0"}
    assert [event.data for event in events] == ["start", "success", "start", "discarded"]


@pytest.mark.parametrize("pause_s", [0.1, 0.43])
def test_killed_recorder_loses_less_than_a_second_and_the_next_one_recovers(
    client, start_node, tmp_path, pause_s: float
) -> None:
    recorder = start_node("recorder", "-p", TWO_TOPICS, folder=tmp_path)
    arm = Arm(client)
    assert start_recording(client).success
    arm.publish(250)
    arm.publish(round(pause_s / 0.005))
    recorder.kill()
    killed_s = time.time()
    assert [path.name for path in tmp_path.glob("episode*")] == []
    again = start_node("recorder", "-p", TWO_TOPICS, folder=tmp_path)
    statuses = client.collect(RecordingStatus, "recording_status", LATCHED_QOS)
    client.wait_for(lambda: statuses, "the next recorder")
    bag = tmp_path / "episode_000001"
    positions = positions_of(bag)
    assert positions == list(range(len(positions)))
    assert len(positions) >= sum(sent_s < killed_s - 1.0 for sent_s, _ in arm.sent)
    assert "recovered:" in (bag / "metadata.yaml").read_text()
    assert start_recording(client).path == str(tmp_path / "episode_000002")
    _, output = again.end()
    assert f"recovered episode_000001 with {len(positions) + 1} messages" in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_completes_the_episode(client, start_node, tmp_path, number: int) -> None:
    recorder = start_node("recorder", "-p", TWO_TOPICS, folder=tmp_path)
    arm = Arm(client)
    start_recording(client)
    arm.publish(20)
    arm.wait_until_received()
    code, output = recorder.end(number)
    assert code == 0 and "aborted" in output
    assert positions_of(tmp_path / "episode_000001") == list(range(20))
    assert "recovered" not in (tmp_path / "episode_000001" / "metadata.yaml").read_text()


def test_publisher_that_offers_less_is_recorded_too(client, start_here, tmp_path) -> None:
    start_here("recorder", "-p", TWO_TOPICS, folder=tmp_path)
    note = client.create_publisher(String, "note", 10)
    arm = Arm(client, qos_profile_sensor_data)
    client.wait_for(lambda: note.get_subscription_count() == 1, "the weaker subscription")
    start_recording(client)
    arm.publish(20)
    note.publish(String(data="volatile"))
    arm.wait_until_received()
    bag = Path(stop_recording(client).path)
    assert len(positions_of(bag)) >= 19
    assert [message.data for message in messages_of(bag, "/note", String)] == ["volatile"]


def test_time_in_which_nobody_acts_is_no_episode(client, start_here, tmp_path) -> None:
    """The simulator's clock runs before an operator comes; that left a recording without actions."""
    start_here("recorder", folder=tmp_path, start="each_episode")
    start_here("mujoco_sim")
    statuses = client.collect(RecordingStatus, "recording_status", LATCHED_QOS)
    client.wait_for(lambda: any(status.messages > 10 for status in statuses), "a recording of the waiting arm")
    seed = ResetScene.Request(use_seed=True, seed=1)
    assert client.call(ResetScene, "reset_scene", seed).success
    commands = client.create_publisher(Float64MultiArray, "operator_action", 1)
    client.wait_for(lambda: commands.get_subscription_count() == 1, "the recorder's subscription")
    client.spin_for(0.3)
    commands.publish(Float64MultiArray(data=[0.0] * 9))
    client.spin_for(0.3)
    assert client.call(ResetScene, "reset_scene", seed).success
    client.wait_for(lambda: statuses[-1].episodes == 1, "the episode that was reset before its end")
    (bag,) = tmp_path.glob("episode_*")
    assert len(messages_of(bag, "/operator_action", Float64MultiArray)) == 1
    assert "note: reset before the task's end" in (bag / "metadata.yaml").read_text()


def test_short_disk_refuses_to_start_and_says_why(client, start_here, tmp_path) -> None:
    start_here("recorder", "-p", TWO_TOPICS, folder=tmp_path, min_free_mb=1e12)
    response = start_recording(client)
    assert not response.success
    assert "MB free, expected at least" in response.message and str(tmp_path) in response.message


def test_second_recorder_of_a_folder_ends_with_one_line(client, start_node, tmp_path) -> None:
    first = start_node("recorder", "-p", TWO_TOPICS, folder=tmp_path)
    client.wait_for(lambda: client.count_publishers("recording_status"), "the first recorder")
    second = start_node("recorder", "-p", TWO_TOPICS, folder=tmp_path)
    code, output = second.wait()
    assert code == 2
    assert f"another recorder (process {first.process.pid}) writes to {tmp_path}" in output
    assert "Traceback" not in output


def test_disk_that_runs_short_ends_the_episode_and_says_so(client, start_here, tmp_path) -> None:
    free_mb = shutil.disk_usage(tmp_path).free / 1e6
    if free_mb < 2000.0:
        pytest.skip(f"only {free_mb:.0f} MB free, 2000 needed")
    statuses = client.collect(RecordingStatus, "recording_status", LATCHED_QOS)
    recorder = start_here("recorder", "-p", TWO_TOPICS, folder=tmp_path / "out", min_free_mb=free_mb - 500.0)
    start_recording(client)
    client.wait_for(lambda: statuses and statuses[-1].state == RecordingStatus.RECORDING, "the recording")
    with open(tmp_path / "filler", "wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, 1_000_000_000)
    client.wait_for(lambda: statuses[-1].state == RecordingStatus.FAILED, "the recorder to end the episode")
    assert "free some space, then record again" in statuses[-1].reason
    events = messages_of(Path(statuses[-1].path), "/recording_event", String)
    assert [event.data for event in events] == ["start"]
    _, output = recorder.end(signal.SIGINT)
    assert output.count("recording ended: the disk has") == 1


@pytest.mark.parametrize(
    ("topics", "told"),
    [
        ("['joint_states']", "expected 'NAME TYPE'"),
        ("['joint_states sensor_msgs/msg/JointStates']", "sensor_msgs/msg/JointStates"),
        ("['a std_msgs/msg/String loud']", "expected 'NAME TYPE'"),
        ("5", "a list of texts"),
    ],
)
def test_bad_topics_end_it_with_one_line(start_here, tmp_path, topics: str, told: str) -> None:
    code, output = start_here("recorder", "-p", f"topics:={topics}", folder=tmp_path).wait()
    assert code == 2
    assert told in output and "Traceback" not in output


def test_any_arm_is_recorded_by_configuration(client, start_here, tmp_path) -> None:
    topics = "topics:=['/left/arm_controller/commands std_msgs/msg/Float64MultiArray']"
    start_here("recorder", "-p", topics, folder=tmp_path)
    publisher = client.create_publisher(Float64MultiArray, "/left/arm_controller/commands", 1)
    client.wait_for(lambda: publisher.get_subscription_count() == 1, "the recorder's subscription")
    start_recording(client)
    publisher.publish(Float64MultiArray(data=[1.0, 2.0]))
    client.spin_for(0.3)
    bag = Path(stop_recording(client).path)
    (message,) = messages_of(bag, "/left/arm_controller/commands", Float64MultiArray)
    assert list(message.data) == [1.0, 2.0]


@pytest.mark.parametrize("rate", ["lockstep", "realtime"])
def test_maze_recorded_over_ros_is_imported_with_the_picture_of_every_state(
    client, start_node, tmp_path, rate: str
) -> None:
    recorder = start_node("recorder", folder=tmp_path, start="each_episode", cameras="above")
    start_node("mujoco_sim", rate=rate, task="maze:goal")
    operator = start_node("scripted_operator", task="maze:goal", episodes=1, seed=3, wait_for_recorder=True)
    client.wait_for(lambda: operator.process.poll() is not None, "the operator's end", deadline_s=90.0)
    assert recorder.end()[0] == 0
    (episode,) = import_bags([tmp_path]).episodes
    assert episode.steps > 100 and [one.name for one in episode.metadata.more_fields] == ["view"]
    environment = MAZE.environment(EpisodeConfig("goal"))
    environment.reset(3)
    for state, picture in zip(episode.observations, episode.fields["view"], strict=True):
        environment.reset(3, state)
        np.testing.assert_array_equal(environment.observe()["view"], picture)
