import mujoco
import numpy as np
import pytest

from spirl_ros.errors import ObservationError
from spirl_ros.kitchen.operator_view import KitchenView
from spirl_ros.kitchen.scene import INITIAL_POSITIONS, load_kitchen_scene


@pytest.fixture
def view():
    view = KitchenView(load_kitchen_scene())
    view.update(INITIAL_POSITIONS)
    return view


def test_gravity_torque_is_what_the_physics_applies_at_rest(view):
    model = load_kitchen_scene().model
    data = mujoco.MjData(model)
    data.qpos[:] = INITIAL_POSITIONS
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(view.gravity_torque, data.qfrc_bias[:7], atol=1e-9)


def test_handles_are_where_the_scene_moved_them(view):
    closed = view.site("slide_site")
    observation = INITIAL_POSITIONS.copy()
    observation[9 + load_kitchen_scene().scene_names.index("slide_cabinet")] += 0.2
    view.update(observation)
    np.testing.assert_allclose(view.site("slide_site") - closed, [0.2, 0.0, 0.0], atol=1e-9)
    assert view.coordinate("slide_cabinet") == pytest.approx(0.2, abs=1e-3)


def test_doneness_is_judged_from_the_observation(view):
    assert not view.is_done("microwave")
    observation = INITIAL_POSITIONS.copy()
    observation[9 + load_kitchen_scene().scene_names.index("microwave")] = -0.7
    view.update(observation)
    assert view.is_done("microwave")


def test_a_kettle_quaternion_with_noise_still_places_the_handle(view):
    handle = view.site("kettle_site")
    observation = INITIAL_POSITIONS.copy()
    first = 9 + load_kitchen_scene().scene_names.index("kettle_qw")
    observation[first : first + 4] *= 1.01
    view.update(observation)
    np.testing.assert_allclose(view.site("kettle_site"), handle, atol=1e-9)


@pytest.mark.parametrize("bad", [np.full(30, np.nan), np.zeros(29), np.where(np.arange(30) == 4, np.inf, 0.0)])
def test_an_unusable_observation_is_refused_and_the_old_view_stays(view, bad):
    before = view.tool.position
    with pytest.raises(ObservationError, match="30 finite"):
        view.update(bad)
    np.testing.assert_array_equal(view.tool.position, before)
    assert np.isfinite(view.coordinate("kettle_x"))
