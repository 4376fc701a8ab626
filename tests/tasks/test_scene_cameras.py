"""Pictures of a model's cameras: the same for the same positions, whoever asks and whatever happened before."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import mujoco
import numpy as np
import pytest

from spirl_ros.control.observation_fields import PICTURE, STATE, Field
from spirl_ros.errors import ConfigError, PlotError
from spirl_ros.tasks import opengl as opengl_module
from spirl_ros.tasks.camera_matrix import camera_matrix
from spirl_ros.tasks.scene_cameras import SceneCameras
from tests.tasks.small_family import SEEN, SMALL, SeenFamily

BALL = """
<mujoco><worldbody><light pos="0 0 3"/>
  <camera name="plain" pos="0.1 -0.2 2" xyaxes="1 0.2 0 -0.2 1 0.3" fovy="50"/>
  <camera name="sensor" pos="0.1 -0.2 2" resolution="80 60" sensorsize="0.008 0.006" focal="0.007 0.009"
          principal="0.001 0.0005"/>
  <camera name="flat" pos="0 0 2" projection="orthographic" fovy="2"/>
  <body pos="0.25 0.1 0.3" mocap="true"><geom type="sphere" size="0.03" rgba="1 1 1 1"/></body>
</worldbody></mujoco>"""


def test_picture_shows_the_arm_where_it_is(opengl: str) -> None:
    environment = SEEN.environment()
    before = environment.observe()
    assert before["view"].shape == (48, 64, 3) and before["view"].dtype == np.uint8
    for _ in range(15):
        environment.step(np.array([1.0, 0.0]))
    after = environment.observe()
    # What is seen of the red upper arm, which turns to the left: towards the upper edge, about where it is fixed.
    rows = [np.nonzero(_is_red(picture["view"]))[0] for picture in (before, after)]
    assert rows[1].mean() < rows[0].mean() - 2 and min(map(len, rows)) > 20
    np.testing.assert_array_equal(after[STATE], environment.measurement.observation())
    assert environment.cameras is not None and environment.cameras.backend == opengl


def _is_red(picture: np.ndarray) -> np.ndarray:
    red, green, blue = (picture[..., channel].astype(int) for channel in range(3))
    return red > green + blue + 20


def test_same_positions_give_the_same_picture_whatever_was_drawn_before(opengl: str) -> None:
    one, other = SEEN.environment(), SEEN.environment()
    first = one.observe()["view"]
    for _ in range(5):
        one.step(np.array([1.0, -1.0]))
    moment, moved = one.save(), one.observe()["view"]
    assert (first != moved).any()
    np.testing.assert_array_equal(other.observe()["view"], first)
    other.restore(moment)
    np.testing.assert_array_equal(other.observe()["view"], moved)
    own = SceneCameras(SEEN.load_scene().model, SEEN.more_fields)
    drawn = own.draw(one.scene.model, one.simulation.data).result()
    own.close()
    np.testing.assert_array_equal(drawn["view"], moved)


def test_environments_in_threads_get_their_own_pictures(opengl: str) -> None:
    def pictures(steps: int) -> list[np.ndarray]:
        environment = SEEN.environment()
        for _ in range(steps):
            environment.step(np.array([1.0, 0.5]))
        return [environment.observe()["view"] for _ in range(5)]

    alone = [pictures(steps) for steps in (2, 6, 10)]
    with ThreadPoolExecutor(3) as pool:
        np.testing.assert_array_equal(list(pool.map(pictures, (2, 6, 10))), alone)


def test_time_passes_while_a_picture_is_drawn(opengl: str) -> None:
    environment = SEEN.environment()
    expected = environment.observe()
    observed = environment.observe_soon()
    for _ in range(5):
        environment.step(np.array([1.0, 0.0]))
    for name, values in observed().items():
        np.testing.assert_array_equal(values, expected[name])


@pytest.mark.parametrize("camera", ["plain", "sensor"])
@pytest.mark.parametrize("size", [(60, 80), (96, 96)])
def test_matrix_says_where_a_thing_is_in_the_picture(opengl: str, camera: str, size: tuple[int, int]) -> None:
    model = mujoco.MjModel.from_xml_string(BALL)
    data = mujoco.MjData(model)
    cameras = SceneCameras(model, [Field("seen", (*size, 3), PICTURE, source=camera)])
    found, expected = [], []
    for place in ([0.25, 0.1, 0.3], [-0.1, -0.3, 0.8], [0.3, -0.4, 0.1]):
        data.mocap_pos[0] = place
        mujoco.mj_forward(model, data)
        picture = cameras.draw(model, data).result()["seen"]
        found.append(np.argwhere(picture.any(axis=-1)).mean(axis=0)[::-1])
        seen_from = model.camera(camera).id
        x, y, z = data.cam_xmat[seen_from].reshape(3, 3).T @ (place - data.cam_xpos[seen_from])
        matrix = camera_matrix(model, camera, *size)
        assert matrix is not None
        u, v, w = matrix @ [x, -y, -z]  # MuJoCo's cameras look along -z, y being up.
        expected.append((u / w, v / w))
    cameras.close()
    np.testing.assert_allclose(found, expected, atol=0.35)  # of a ball of 2 to 5 pixels


def test_orthographic_camera_has_no_matrix() -> None:
    assert camera_matrix(mujoco.MjModel.from_xml_string(BALL), "flat", 60, 80) is None


@pytest.mark.parametrize(
    ("field", "told"),
    [
        (Field("view", (8, 8, 3), PICTURE, source="abov"), "is of camera 'abov', but the model has above. Name one"),
        (Field("view", (8, 8, 1), PICTURE, source="above"), r"is \(8, 8, 1\), .* expected \(8, 8, 3\)"),
    ],
)
def test_picture_that_no_camera_takes_is_told(field: Field, told: str) -> None:
    class Wrong(SeenFamily):
        more_fields = (field,)

    with pytest.raises(ConfigError, match=told):
        Wrong().environment().observe()


def test_without_opengl_pictures_are_refused_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "nothing")
    opengl_module.use_opengl.cache_clear()
    own = SceneCameras(SEEN.load_scene().model, SEEN.more_fields)
    environment = SEEN.environment()
    environment.cameras = own
    for _ in range(2):
        with pytest.raises(PlotError, match="apt install libosmesa6"):
            environment.observe()
    own.close()
    assert environment.step(np.zeros(2)).observation.shape == (3,)
    assert set(SMALL.environment().observe()) == {STATE}


def test_pictures_that_are_too_large_are_told_each_time(opengl: str) -> None:
    cameras = SceneCameras(SEEN.load_scene().model, [Field("huge", (20_000, 20_000, 3), PICTURE, source="above")])
    environment = SEEN.environment()
    for _ in range(2):
        with pytest.raises(PlotError, match="draws no pictures of 20000 x 20000 pixels: "):
            cameras.draw(environment.scene.model, environment.simulation.data).result()
    cameras.close()


def test_process_that_drew_ends_without_a_word(opengl: str) -> None:
    code = "from tests.tasks.small_family import SEEN; print(SEEN.environment().observe()['view'].shape)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "(48, 64, 3)\n", "")
