"""Cameras of a MuJoCo model in the graph: what they see is drawn beside the simulation and sent as any camera's."""

import io
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("mujoco")

import mujoco
from diagnostic_msgs.msg import DiagnosticArray
from PIL import Image as PillowImage
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import Float64MultiArray

from spirl_msgs.msg import TaskStatus
from spirl_msgs.srv import ResetScene
from spirl_ros.control.image_messages import from_image, image_topic
from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.nodes.graph.camera_topics import to_compressed_image
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS, stamp_ns, to_stamp
from spirl_ros.tasks import families
from spirl_ros.tasks.mujoco_scene import MujocoScene
from spirl_ros.tasks.scene_cameras import SceneCameras
from tests.tasks.small_family import MODEL, SEEN, SeenFamily, install, put_on_path

(VIEW,) = SEEN.more_fields
CAMERA = image_topic(VIEW.source)
MANY = 2000


@pytest.fixture
def seen_here(opengl: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The family is found in this process."""
    monkeypatch.setitem(families._OURS, "seen", "tests.tasks.small_family:SEEN")


def test_simulator_shows_each_moment_as_the_rollout_in_process(
    opengl: str, client, start_node, domain_environment: dict[str, str], tmp_path: Path
) -> None:
    """A process of its own, over DDS: bit for bit, and before the state of that moment."""
    put_on_path(domain_environment, install(tmp_path))
    arrived = []
    images = client.collect(Image, CAMERA, MANY)
    client.create_subscription(Image, CAMERA, lambda message: arrived.append(("picture", message)), MANY)
    client.create_subscription(JointState, "joint_states", lambda message: arrived.append(("state", message)), MANY)
    infos = client.collect(CameraInfo, f"camera/{VIEW.source}/camera_info", MANY)
    files = client.collect(CompressedImage, f"{CAMERA}/compressed", MANY)
    statuses = client.collect(TaskStatus, "task_status", LATCHED_QOS)
    simulator = start_node("mujoco_sim", rate="lockstep", task="seen", seed=3, compressed_pictures="png")
    commands = client.create_publisher(Float64MultiArray, "forward_position_controller/commands", COMMAND_QOS)
    client.wait_for(commands.get_subscription_count, "the simulator")
    client.wait_for(lambda: images and infos and files and statuses, "the first picture")
    environment = SEEN.environment()
    command = environment.reset(3)[:2]
    pictures = [environment.observe()[VIEW.name]]
    np.testing.assert_array_equal(from_image(images[-1], VIEW), pictures[-1])
    for step in range(1, 6):
        command = command + [0.06, 0.03]
        commands.publish(Float64MultiArray(data=command.tolist()))
        client.wait_for(lambda step=step: statuses[-1].step == step, "a control step")
        stamp = statuses[-1].header.stamp
        client.wait_for(lambda stamp=stamp: images[-1].header.stamp == stamp == files[-1].header.stamp, "its picture")
        environment.step_command(command)
        pictures.append(environment.observe()[VIEW.name])
        np.testing.assert_array_equal(from_image(images[-1], VIEW), pictures[-1])
        file = PillowImage.open(io.BytesIO(bytes(files[-1].data)))
        np.testing.assert_array_equal(np.asarray(file), pictures[-1])
    assert (pictures[0] != pictures[-1]).any() and files[-1].format == "rgb8; png compressed bgr8"
    assert (infos[-1].width, infos[-1].height, infos[-1].header.frame_id) == (64, 48, VIEW.source)
    focal = 24.0 / np.tan(np.radians(45.0) / 2.0)  # MuJoCo's fovy is 45 degrees, over 48 pixels
    np.testing.assert_allclose(infos[-1].k, [focal, 0.0, 31.5, 0.0, focal, 23.5, 0.0, 0.0, 1.0])
    np.testing.assert_allclose(infos[-1].p, [focal, 0.0, 31.5, 0.0, 0.0, focal, 23.5, 0.0, 0.0, 0.0, 1.0, 0.0])
    code, output = simulator.end()
    assert code == 0 and f"cameras drawn with {opengl}: above" in output and "Traceback" not in output, output


def test_in_real_time_nobody_waits_for_a_picture(seen_here, client, start_here, monkeypatch) -> None:
    """Drawing hangs: states and resets do not; its picture has the stamp of the state that it shows."""
    hangs, may_go_on = threading.Event(), threading.Event()
    drawn = SceneCameras._drawn

    def hang(self, *arguments):
        hangs.set()
        assert may_go_on.wait(30.0)
        return drawn(self, *arguments)

    simulator = start_here("mujoco_sim", task="seen")
    images = client.collect(Image, CAMERA, MANY)
    states = client.collect(JointState, "joint_states", MANY)
    client.wait_for(lambda: images and states, "a picture")
    monkeypatch.setattr(SceneCameras, "_drawn", hang)
    try:
        client.wait_for(hangs.is_set, "a picture under way")
        client.spin_for(0.1)  # what was sent before has come
        pictures, time_ns = len(images), stamp_ns(states[-1].header.stamp)
        assert client.call(ResetScene, "reset_scene", ResetScene.Request()).success
        client.wait_for(lambda: stamp_ns(states[-1].header.stamp) > time_ns + 1_000_000_000, "a second")
        assert len(images) == pictures
        assert simulator.node is not None and simulator.node._cameras.left_out > 10
    finally:
        may_go_on.set()
    client.wait_for(lambda: len(images) > pictures, "the picture")
    stamp = stamp_ns(images[pictures].header.stamp)
    assert stamp <= time_ns and stamp in [stamp_ns(state.header.stamp) for state in states]
    client.wait_for(lambda: len(images) > pictures + 2, "later pictures")
    assert stamp_ns(images[-1].header.stamp) > time_ns


def test_without_opengl_the_simulator_says_what_to_install_and_goes_on(
    client, start_node, domain_environment: dict[str, str], tmp_path: Path
) -> None:
    put_on_path(domain_environment, install(tmp_path))
    domain_environment |= {"MUJOCO_GL": "egl", "__EGL_VENDOR_LIBRARY_DIRS": str(tmp_path / "no drivers")}
    diagnostics = client.collect(DiagnosticArray, "/diagnostics", MANY)
    statuses = client.collect(TaskStatus, "task_status", LATCHED_QOS)
    client.collect(Image, CAMERA)
    simulator = start_node("mujoco_sim", rate="lockstep", task="seen")
    commands = client.create_publisher(Float64MultiArray, "forward_position_controller/commands", COMMAND_QOS)
    client.wait_for(lambda: commands.get_subscription_count() and statuses, "the simulator")
    commands.publish(Float64MultiArray(data=[0.05, 0.0]))
    client.wait_for(lambda: statuses[-1].step == 1, "a control step")
    told = "no pictures of above: nothing can draw without a screen"
    client.wait_for(lambda: any(message.status[0].message.startswith(told) for message in diagnostics), "diagnostics")
    code, output = simulator.end()
    lines = [line for line in output.splitlines() if told in line]
    assert code == 0 and len(lines) == 1 and "apt install libosmesa6" in lines[0] and "Traceback" not in output, output


@pytest.mark.parametrize(("kind", "error"), [("png", 0), ("jpeg", 8)])
@pytest.mark.parametrize("channels", [1, 3])
def test_compressed_picture_is_the_same_to_what_its_kind_keeps(kind: str, error: int, channels: int) -> None:
    picture = np.add.outer(np.arange(40), np.arange(60)).astype(np.uint8)[..., None].repeat(channels, axis=-1)
    message = to_compressed_image(picture, kind, to_stamp(7), "above")
    file = PillowImage.open(io.BytesIO(bytes(message.data)))
    assert file.format == kind.upper() and len(message.data) < picture.size
    assert message.format == (f"rgb8; {kind} compressed bgr8" if channels == 3 else f"mono8; {kind} compressed mono8")
    difference = np.asarray(file).astype(int).reshape(picture.shape) - picture
    assert np.abs(difference).max() <= error


class DashedFamily(SeenFamily):
    """Its camera has a name that MuJoCo takes and ROS does not."""

    name = "dashed"
    more_fields = (Field("view", (48, 64, 3), PICTURE, source="left-cap"),)

    def make_scene(self, *, with_visuals: bool = False) -> MujocoScene:
        model = mujoco.MjModel.from_xml_string(MODEL.replace('"above"', '"left-cap"'))
        return replace(super().make_scene(), model=model)


DASHED = DashedFamily()


def test_camera_that_no_topic_can_be_named_after_is_told(client, start_here, monkeypatch) -> None:
    monkeypatch.setitem(families._OURS, "dashed", "tests.nodes.test_mujoco_cameras:DASHED")
    code, output = start_here("mujoco_sim", task="dashed").wait()
    assert code == 2 and "camera 'left-cap', expected a name of letters" in output and "Traceback" not in output


def test_compression_of_another_kind_is_refused(seen_here, client, start_here) -> None:
    code, output = start_here("mujoco_sim", task="seen", compressed_pictures="gif").wait()
    assert code == 2 and "compressed_pictures" in output and "none, png, jpeg" in output


def test_compression_needs_pillow(seen_here, client, start_here, monkeypatch) -> None:
    monkeypatch.setattr("spirl_ros.nodes.graph.camera_topics.find_spec", lambda name: None)
    code, output = start_here("mujoco_sim", task="seen", compressed_pictures="png").wait()
    assert code == 2 and "pip install pillow" in output and "Traceback" not in output


def test_page_shows_what_the_camera_sees(seen_here, client, start_here) -> None:
    viser = pytest.importorskip("viser")
    msgspec = pytest.importorskip("msgspec")
    from websockets.sync.client import connect
    from websockets.typing import Subprotocol

    from tests.nodes.test_monitor import CAMERA as VIEWER

    start_here("mujoco_sim", rate="lockstep", task="seen")
    node = start_here("monitor", scene="seen", port=0).node
    assert node is not None
    with connect(
        node._page.url.replace("http", "ws"), subprotocols=[Subprotocol(f"viser-v{viser.__version__}")], max_size=None
    ) as viewer:
        viewer.send(msgspec.msgpack.encode(VIEWER))
        shown = node._page._images[VIEW.name]
        expected = SEEN.environment().observe()[VIEW.name]
        times = 192 // expected.shape[1]
        client.wait_for(lambda: shown.image.shape == (48 * times, 64 * times, 3), "a picture on the page")
        np.testing.assert_array_equal(shown.image[::times, ::times], expected)
