import numpy as np

from spirl_ros.kitchen.scene import INITIAL_POSITIONS, load_kitchen_scene
from spirl_ros.monitoring.measured_positions import MeasuredPositions

SCENE = load_kitchen_scene()


def test_positions_are_mapped_by_name_and_the_rest_stays() -> None:
    positions = MeasuredPositions(SCENE)
    positions.update(["microwave", "gripper_of_another_arm", SCENE.joint_names[1]], [-0.5, 9.0, 0.25])
    expected = INITIAL_POSITIONS.copy()
    expected[1] = 0.25
    expected[9 + SCENE.scene_names.index("microwave")] = -0.5
    np.testing.assert_array_equal(positions.values, expected)


def test_what_is_not_finite_or_incomplete_changes_nothing() -> None:
    positions = MeasuredPositions(SCENE)
    positions.update([SCENE.joint_names[0]], [float("nan")])
    positions.update([SCENE.joint_names[0]], [])
    np.testing.assert_array_equal(positions.values, INITIAL_POSITIONS)
