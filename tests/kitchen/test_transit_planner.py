import numpy as np
import pytest

from spirl_ros.kitchen.kinematics import KitchenKinematics
from spirl_ros.kitchen.recipes import light_switch, slide_cabinet
from spirl_ros.kitchen.scene import INITIAL_POSITIONS, load_kitchen_scene
from spirl_ros.kitchen.transit_planner import TransitPlanner, path_length, point_on_path, sample_path

CLOSED = INITIAL_POSITIONS[9:]


@pytest.fixture(scope="module")
def planner():
    scene = load_kitchen_scene()
    kinematics = KitchenKinematics(scene)
    return TransitPlanner(scene, kinematics.lower, kinematics.upper)


def _with(name, value):
    positions = CLOSED.copy()
    positions[load_kitchen_scene().scene_names.index(name)] = value
    return positions


def test_length_is_measured_by_the_joint_that_moves_most():
    # 0.3 in the first stretch, 0.5 in the second.
    path = np.array([[0.0] * 7, [0.3] + [0.1] * 6, [0.3, 0.6] + [0.1] * 5])
    assert path_length(path) == pytest.approx(0.8)
    np.testing.assert_allclose(point_on_path(path, 0.3 / 0.8), path[1])
    np.testing.assert_allclose(sample_path(path, 4)[-1], path[-1])
    np.testing.assert_allclose(point_on_path(path, 0.0), path[0])


def test_a_path_that_goes_nowhere_stays_there():
    path = np.ones((2, 7))
    np.testing.assert_array_equal(point_on_path(path, 0.5), path[0])


def test_a_free_way_is_straight(planner):
    path = planner.plan(light_switch.REST, slide_cabinet.REST, CLOSED)
    np.testing.assert_array_equal(path, [light_switch.REST, slide_cabinet.REST])


def test_a_detour_leads_around_an_open_microwave_door(planner):
    start = np.array([-0.95, -1.65, 1.95, -1.78, -0.1, 1.42, 1.91])  # in front of the handle of the closed door
    goal = np.array([-0.28, -1.42, 1.63, -2.68, 1.1, 0.69, 2.35])  # before the kettle
    is_open = _with("microwave", -0.75)
    path = planner.plan(start, goal, is_open)
    assert len(path) == 3
    assert path_length(path) < 3.0


def test_the_same_question_has_the_same_answer(planner):
    is_open = _with("microwave", -0.75)
    once = planner.plan(light_switch.REST, slide_cabinet.REST, is_open)
    planner.plan(slide_cabinet.REST, light_switch.REST, CLOSED)
    np.testing.assert_array_equal(planner.plan(light_switch.REST, slide_cabinet.REST, is_open), once)


def test_planning_leaves_the_shared_model_as_it_was(planner):
    model = load_kitchen_scene().model
    assert not (model.geom_margin == 0.008).any()
