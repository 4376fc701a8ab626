import numpy as np
import pytest

from spirl_ros.kitchen.hand_orientation import rotation_between
from spirl_ros.kitchen.kinematics import KitchenKinematics
from spirl_ros.kitchen.scene import INITIAL_POSITIONS, load_kitchen_scene
from spirl_ros.tasks.tool_point import ToolPose

INITIAL = INITIAL_POSITIONS[:7]


@pytest.fixture(scope="module")
def kinematics():
    return KitchenKinematics(load_kitchen_scene())


def _random_postures(kinematics, count):
    generator = np.random.default_rng(0)
    return generator.uniform(kinematics.lower, kinematics.upper, (count, 7))


def test_limits_are_the_tighter_ones_of_model_and_robot_configuration(kinematics):
    # Joint 6: the model allows -1.6573 to 2.1127, the configuration 0 to 3.8. 5 mrad are kept free.
    assert kinematics.lower[5] == pytest.approx(0.005)
    assert kinematics.upper[5] == pytest.approx(2.1127 - 0.005)


def test_jacobian_agrees_with_finite_differences(kinematics):
    h = 1e-6
    for q in _random_postures(kinematics, 10):
        jacobian = kinematics.jacobian(q)
        for joint in range(7):
            ahead, behind = kinematics.forward(q + h * np.eye(7)[joint]), kinematics.forward(q - h * np.eye(7)[joint])
            moved = (ahead.position - behind.position) / (2 * h)
            turned = rotation_between(behind.rotation, ahead.rotation) / (2 * h)
            np.testing.assert_allclose(jacobian[:, joint], np.concatenate([moved, turned]), atol=1e-5)


def test_solve_finds_the_pose_of_a_nearby_posture(kinematics):
    generator = np.random.default_rng(1)
    rest = np.array([-0.82, -1.39, 1.32, -2.46, 0.2, 1.53, 1.1])
    for _ in range(20):
        wanted = kinematics.forward(rest + generator.uniform(-0.2, 0.2, 7))
        found = kinematics.forward(kinematics.solve(rest, wanted, rest))
        assert np.linalg.norm(found.position - wanted.position) < 2e-3
        assert np.linalg.norm(rotation_between(found.rotation, wanted.rotation)) < 0.02


def test_solve_does_not_change_its_arguments(kinematics):
    start = INITIAL.copy()
    target = kinematics.forward(start + 0.1)
    kinematics.solve(start, target, start)
    np.testing.assert_array_equal(start, INITIAL)


def test_steps_stay_within_joint_limits_even_when_the_target_is_out_of_reach(kinematics):
    for q in _random_postures(kinematics, 20):
        target = ToolPose(np.array([0.0, 3.0, 0.0]), np.eye(3))
        for _ in range(30):
            q = kinematics.step(q, target, INITIAL)
            assert np.all(q >= kinematics.lower) and np.all(q <= kinematics.upper)


def test_a_joint_at_its_limit_is_fixed_and_the_others_take_over(kinematics):
    q = np.clip(INITIAL, kinematics.lower, kinematics.upper)
    q[1] = kinematics.lower[1]
    start = kinematics.forward(q)
    target = ToolPose(start.position + np.array([0.0, -0.05, 0.0]), start.rotation)
    for _ in range(20):
        q = kinematics.step(q, target, q, posture_gain=0.0)
    assert np.linalg.norm(kinematics.forward(q).position - target.position) < 1e-3


def test_no_joint_moves_more_than_the_largest_step(kinematics):
    q = np.clip(INITIAL, kinematics.lower, kinematics.upper)
    target = ToolPose(kinematics.forward(q).position + 0.15, np.eye(3))
    stepped = kinematics.step(q, target, INITIAL, largest_step_rad=0.05)
    assert np.abs(stepped - q).max() == pytest.approx(0.05)


def test_null_space_pull_changes_the_posture_but_not_the_tool(kinematics):
    q = np.array([-0.82, -1.39, 1.32, -2.46, 0.2, 1.53, 1.1])
    start = kinematics.forward(q)
    null_direction = np.linalg.svd(kinematics.jacobian(q))[2][-1]  # (7,), moves no tool
    rest, moved = q + 0.3 * null_direction, q
    for _ in range(30):
        moved = kinematics.step(moved, start, rest)
    assert np.linalg.norm(moved - rest) < 0.1
    assert np.linalg.norm(kinematics.forward(moved).position - start.position) < 2e-3
