"""Pictures of cameras: as messages, from the simulator, and to the policy that chooses skills by them."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from rclpy.action.client import ActionClient
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Float64MultiArray

from spirl_msgs.action import RunEpisode
from spirl_msgs.msg import Skill, SkillStatus, TaskStatus
from spirl_ros.control.image_messages import from_image, image_topic
from spirl_ros.control.observation_fields import PICTURE, STATE, Field
from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.errors import ObservationError
from spirl_ros.maze.family import MAZE
from spirl_ros.maze.picture import VIEW
from spirl_ros.nodes.graph.camera_topics import to_image
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS, stamp_ns, to_stamp
from spirl_ros.tasks.skill_environment import SkillEnvironment
from spirl_ros.tasks.task import EpisodeConfig
from tests.nodes.maze_bundle import HORIZON, write_maze_bundle
from tests.nodes.test_recorder import messages_of, start_recording, stop_recording

EYE = Field("eye", (2, 3, 3), PICTURE, source="wrist")
GREY = Field("grey", (2, 3, 1), PICTURE, source="wrist")
PICTURE_OF_EYE = np.arange(18, dtype=np.uint8).reshape(EYE.shape)
MANY = 2000
CAMERA = image_topic(VIEW.source)
STEPS = 60


def image(**changes) -> Image:
    message = to_image(PICTURE_OF_EYE, to_stamp(7), "wrist")
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def test_picture_is_the_same_after_its_way_as_a_message() -> None:
    message = image()
    assert (message.encoding, message.step, stamp_ns(message.header.stamp)) == ("rgb8", 9, 7)
    np.testing.assert_array_equal(from_image(message, EYE), PICTURE_OF_EYE)
    np.testing.assert_array_equal(from_image(image(encoding="bgr8"), EYE), PICTURE_OF_EYE[..., ::-1])
    grey = PICTURE_OF_EYE[..., :1]
    np.testing.assert_array_equal(from_image(to_image(grey, to_stamp(0), ""), GREY), grey)
    # Rows may end with bytes that are no pixels.
    padded = np.pad(PICTURE_OF_EYE.reshape(2, 9), ((0, 0), (0, 3)), constant_values=99)
    np.testing.assert_array_equal(from_image(image(step=12, data=padded.tobytes()), EYE), PICTURE_OF_EYE)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"encoding": "mono8"}, "camera 'wrist' sends 'mono8', expected rgb8 or bgr8"),
        ({"encoding": "16UC1"}, "camera 'wrist' sends '16UC1', expected rgb8 or bgr8"),
        ({"encoding": "\n" * 500}, "expected rgb8 or bgr8"),
        ({"width": 2, "height": 3}, "camera 'wrist' sends 2 x 3 pixels, expected 3 x 2"),
        ({"width": 640, "height": 480}, "camera 'wrist' sends 640 x 480 pixels, expected 3 x 2"),
        ({"step": 8}, "camera 'wrist' sends 18 bytes in rows of 8, expected 2 rows of at least 9"),
        ({"step": 10}, "camera 'wrist' sends 18 bytes in rows of 10, expected 2 rows of at least 9"),
        ({"data": b""}, "camera 'wrist' sends 0 bytes in rows of 9"),
    ],
)
def test_picture_of_another_kind_is_refused_in_one_line(changes: dict, told: str) -> None:
    with pytest.raises(ObservationError) as error:
        from_image(image(**changes), EYE)
    assert told in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 250


def test_simulator_shows_each_moment_before_its_state(client, start_here) -> None:
    images = client.collect(Image, CAMERA, MANY)
    infos = client.collect(CameraInfo, f"camera/{VIEW.source}/camera_info", MANY)
    states = client.collect(JointState, "joint_states", MANY)
    statuses = client.collect(TaskStatus, "task_status", LATCHED_QOS)
    start_here("mujoco_sim", rate="lockstep", task="maze:goal", seed=3)
    commands = client.create_publisher(Float64MultiArray, "forward_position_controller/commands", COMMAND_QOS)
    client.wait_for(commands.get_subscription_count, "the simulator")
    client.wait_for(lambda: images and infos and states and statuses, "the first picture")
    environment = MAZE.environment(EpisodeConfig("goal"))
    command = environment.reset(3)[:2]
    np.testing.assert_array_equal(from_image(images[-1], VIEW), environment.observe()[VIEW.name])
    for step in range(1, 4):
        command = command + [0.02, 0.01]
        commands.publish(Float64MultiArray(data=command.tolist()))
        client.wait_for(lambda step=step: statuses[-1].step == step, "a control step")
        stamp = statuses[-1].header.stamp
        client.wait_for(lambda stamp=stamp: images[-1].header.stamp == stamp == states[-1].header.stamp, "its picture")
        environment.step_command(command)
        np.testing.assert_array_equal(from_image(images[-1], VIEW), environment.observe()[VIEW.name])
    assert (infos[-1].width, infos[-1].height, infos[-1].header.frame_id) == (32, 32, VIEW.source)


class Graph:
    """The maze, an executor and a policy that goes by the picture."""

    def __init__(self, client, start, folder: Path, *policy_arguments: str, **policy) -> None:
        self.client = client
        self.skills = client.collect(Skill, "skill", MANY)
        self.commands = client.collect(Float64MultiArray, "forward_position_controller/commands", MANY)
        self.executed = client.collect(SkillStatus, "skill_status", LATCHED_QOS)
        bundle = write_maze_bundle(folder / "bundle")
        start("mujoco_sim", rate="lockstep", task="maze:goal", max_steps=STEPS)
        start("skill_executor", rate="lockstep", bundle=bundle, max_age_s=1.0)
        start("skill_policy", *policy_arguments, rate="lockstep", bundle=bundle, **policy)
        self.bundle = bundle
        self.action = ActionClient(client, RunEpisode, "run_episode")
        client.wait_for(self.action.server_is_ready, "the action")

    def run(self) -> RunEpisode.Result:
        goal = self.action.send_goal_async(RunEpisode.Goal(episodes=1, use_seed=True, seed=4))
        self.client.wait_for(goal.done, "the goal's answer")
        handle = goal.result()
        assert handle is not None and handle.accepted
        result = handle.get_result_async()
        self.client.wait_for(result.done, "the result", 40.0)
        return result.result().result


def test_policy_chooses_on_state_and_picture_of_one_moment_as_in_process(client, start_node, tmp_path) -> None:
    graph = Graph(client, start_node, tmp_path)
    result = graph.run()
    assert result.success and list(result.steps) == [STEPS], result.message

    bundle = load_bundle(graph.bundle, "cpu")
    assert bundle.policy is not None and bundle.policy.seen == (VIEW.name,)
    environment = MAZE.environment(EpisodeConfig("goal", max_steps=STEPS))
    rollout = SkillEnvironment(environment, MAZE.robot.safe_arm(), bundle.executor())
    rollout.reset(seed=4)
    latents, places = [], [rollout.observe()[STATE][:2]]
    while not environment.has_ended:
        latents.append(bundle.policy.distribution(rollout.observe()).latent)
        rollout.execute(latents[-1])
        places.append(rollout.observe()[STATE][:2])
    assert len(latents) == STEPS // HORIZON
    client.wait_for(lambda: len(graph.skills) >= len(latents), "all skills")
    np.testing.assert_array_equal([skill.latent for skill in graph.skills], latents)
    assert np.ptp(latents, axis=0).min() > 0.01 and np.ptp(places, axis=0).max() > 0.05  # the pictures differ


@pytest.mark.parametrize(
    ("sends", "told"),
    [
        (None, "a picture of camera 'above'"),
        ((64, 64, 3, 50), "camera 'above' sends 64 x 64 pixels, expected 32 x 32"),
        ((32, 32, 3, 0), "camera 'above' shows nothing but black"),
    ],
)
def test_camera_of_no_use_is_named_and_nothing_moves(client, start_here, tmp_path, sends, told: str) -> None:
    graph = Graph(client, start_here, tmp_path, "-r", f"{CAMERA}:=broken", start_s=2.0)
    cameras = client.create_publisher(Image, "broken", 10)
    if sends is not None:
        *shape, value = sends
        client.create_timer(
            0.05,
            lambda: cameras.publish(to_image(np.full(shape, value, np.uint8), to_stamp(0), "above")),
        )
    result = graph.run()
    assert not result.success and told in result.message, result.message
    assert not graph.skills and not graph.commands
    assert graph.executed[-1].state == SkillStatus.IDLE


def test_camera_that_fails_in_an_episode_is_named_and_the_arm_comes_to_rest(client, start_here, tmp_path) -> None:
    """It sends the simulator's pictures on, and stops."""
    is_cut = []
    relay = client.create_publisher(Image, "relayed", 10)
    client.create_subscription(Image, CAMERA, lambda message: is_cut or relay.publish(message), 10)
    graph = Graph(client, start_here, tmp_path, "-r", f"{CAMERA}:=relayed", patience_s=1.0)
    client.create_subscription(
        SkillStatus, "skill_status", lambda status: status.skill_id >= 3 and is_cut.append(True), LATCHED_QOS
    )
    result = graph.run()
    assert not result.success and "a newer picture of camera 'above'" in result.message, result.message
    client.wait_for(lambda: graph.executed[-1].state == SkillStatus.IDLE, "rest")
    sent = len(graph.commands)
    client.spin_for(0.5)
    assert len(graph.commands) == sent


def test_pictures_are_recorded_beside_the_states_of_their_moment(client, start_node, tmp_path) -> None:
    start_node("recorder", folder=tmp_path, cameras=VIEW.source)
    start_node("mujoco_sim", rate="lockstep", task="maze:goal")
    statuses = client.collect(TaskStatus, "task_status", LATCHED_QOS)
    commands = client.create_publisher(Float64MultiArray, "forward_position_controller/commands", COMMAND_QOS)
    client.wait_for(lambda: statuses and commands.get_subscription_count() == 2, "simulator and recorder")
    # The recorder looks for publishers once a second.
    client.wait_for(lambda: client.count_subscribers(CAMERA) and client.count_subscribers("joint_states"), "its ears")
    client.spin_for(0.2)
    assert start_recording(client).success
    place = MAZE.environment(EpisodeConfig("goal")).reset(0)[:2]
    for step in range(1, 11):
        commands.publish(Float64MultiArray(data=(place + 0.01 * step).tolist()))
        client.wait_for(lambda step=step: statuses[-1].step == step, "a control step")
    client.spin_for(0.5)
    bag = Path(stop_recording(client).path)
    stamps = [
        {stamp_ns(message.header.stamp) for message in messages_of(bag, topic, kind)}
        for topic, kind in ((f"/{CAMERA}", Image), ("/joint_states", JointState))
    ]
    assert stamps[0] == stamps[1] and len(stamps[0]) >= 10
