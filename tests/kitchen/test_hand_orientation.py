import numpy as np
import pytest

from spirl_ros.kitchen.hand_orientation import hand_orientation, rotation_between, rotation_matrix


def test_an_unturned_hand_points_along_world_y():
    np.testing.assert_allclose(hand_orientation()[:, 2], [0.0, 1.0, 0.0], atol=1e-12)


def test_nose_up_points_up_and_yaw_points_left():
    np.testing.assert_allclose(hand_orientation(pitch=np.pi / 2)[:, 2], [0.0, 0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(hand_orientation(yaw=np.pi / 2)[:, 2], [-1.0, 0.0, 0.0], atol=1e-12)


def test_roll_turns_the_hand_about_where_it_points():
    rolled = hand_orientation(yaw=0.3, pitch=-0.4, roll=1.0)
    np.testing.assert_allclose(rolled[:, 2], hand_orientation(yaw=0.3, pitch=-0.4)[:, 2], atol=1e-12)
    np.testing.assert_allclose(rolled @ rolled.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("vector", [[0.0, 0.0, 0.0], [0.2, -0.5, 0.1], [0.0, 0.0, 3.0], [1e-9, 0.0, 0.0]])
def test_rotation_between_finds_the_rotation_that_was_applied(vector):
    start = hand_orientation(0.1, 0.2, 0.3)
    found = rotation_between(start, rotation_matrix(np.array(vector)) @ start)
    np.testing.assert_allclose(found, vector, atol=1e-7)
