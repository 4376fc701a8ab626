"""Is what matters seen from where the page looks at the scene."""

import numpy as np
import pytest

pytest.importorskip("viser")
pytest.importorskip("mujoco")

import mujoco

from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.scene import INITIAL_POSITIONS, load_kitchen_scene

CAMERA_M, LOOK_AT_M = KITCHEN.view().look()

BODIES = {
    "microwave": ("microroot", "microdoorroot"),
    "kettle": ("kettleroot",),
    "burner knobs": ("knob 1", "knob 2", "knob 3", "knob 4"),
    "light switch": ("lightswitchbaseroot", "lightswitchroot"),
    "hand": ("panda0_link7", "panda0_leftfinger", "panda0_rightfinger"),
}
DRAWN = np.array([1, 1, 0, 0, 0, 0], np.uint8)
"""Groups of geoms that the page draws."""


@pytest.mark.parametrize("camera_m", [CAMERA_M, (0.75, -1.35, 2.75)])
def test_the_four_objects_and_the_hand_are_seen(camera_m: tuple[float, float, float]) -> None:
    """From the camera of before, which is the second, the arm's column hid the kettle and the hand."""
    model = load_kitchen_scene(with_visuals=True).model
    data = mujoco.MjData(model)
    data.qpos[:] = INITIAL_POSITIONS
    mujoco.mj_kinematics(model, data)
    eye = np.array(camera_m)
    seen = {name: share_seen(model, data, eye, bodies) for name, bodies in BODIES.items()}
    if camera_m == CAMERA_M:
        assert min(seen.values()) > 0.5, seen
        ahead = np.array(LOOK_AT_M) - eye
        for bodies in BODIES.values():
            way = data.body(bodies[0]).xpos - eye
            assert way @ ahead / np.linalg.norm(way) / np.linalg.norm(ahead) > np.cos(np.radians(30.0))
    else:
        assert seen["kettle"] < 0.3


def share_seen(model: mujoco.MjModel, data: mujoco.MjData, eye: np.ndarray, bodies: tuple[str, ...]) -> float:
    """Share of the geoms' corners that a ray from the eye reaches before it meets another body."""
    numbers, met, hits = [model.body(name).id for name in bodies], np.zeros(1, np.int32), []
    for geom in np.flatnonzero(np.isin(model.geom_bodyid, numbers) & (model.geom_group <= 1)):
        half = 0.8 * model.geom_aabb[geom, 3:]
        for corner in np.stack(np.meshgrid(*([-1.0, 1.0],) * 3), axis=-1).reshape(-1, 3):
            local = model.geom_aabb[geom, :3] + corner * half
            way = data.geom_xpos[geom] + data.geom_xmat[geom].reshape(3, 3) @ local - eye
            length = np.linalg.norm(way)
            distance = mujoco.mj_ray(model, data, eye, way / length, DRAWN, 1, -1, met)
            hits.append(distance < 0.0 or distance > length - 0.05 or model.geom_bodyid[met[0]] in numbers)
    return float(np.mean(hits))
