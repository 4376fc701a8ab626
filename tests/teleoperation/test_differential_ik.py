import numpy as np
import pytest

from spirl_ros.kitchen.kinematics import KitchenKinematics
from spirl_ros.kitchen.scene import CONTROL_PERIOD_S, INITIAL_POSITIONS, load_kitchen_scene
from spirl_ros.teleoperation.differential_ik import DifferentialIK, DifferentialIKConfig

KINEMATICS = KitchenKinematics(load_kitchen_scene())
IK = DifferentialIK(KINEMATICS)
START = np.clip(INITIAL_POSITIONS[:7], KINEMATICS.lower + 0.05, KINEMATICS.upper - 0.05)
"""Joint 2 begins at its limit."""
WEIGHTS = np.array([1.0, 1.0, 1.0, 0.35, 0.35, 0.35])


@pytest.fixture(scope="module")
def singular_posture() -> np.ndarray:
    """The worst of 2000 postures."""
    postures = np.random.default_rng(0).uniform(KINEMATICS.lower, KINEMATICS.upper, (2000, 7))
    worst = min(postures, key=lambda q: np.linalg.svd(WEIGHTS[:, None] * KINEMATICS.jacobian(q))[1][-1])
    assert np.linalg.svd(WEIGHTS[:, None] * KINEMATICS.jacobian(worst))[1][-1] < 0.01
    return worst


@pytest.mark.parametrize("axis", range(6))
def test_tool_moves_as_asked_where_nothing_is_in_the_way(axis: int) -> None:
    velocity = 0.1 * np.eye(6)[axis]
    motion = IK.joint_motion(START, velocity, CONTROL_PERIOD_S)
    np.testing.assert_allclose(KINEMATICS.jacobian(START) @ motion.velocities, velocity, atol=1e-9)
    assert motion[1:] == (1.0, False, False)


def test_nothing_asked_for_is_no_motion(singular_posture: np.ndarray) -> None:
    for posture in (START, singular_posture):
        assert not IK.joint_motion(posture, np.zeros(6), CONTROL_PERIOD_S).velocities.any()


def test_all_joints_are_slowed_together_so_the_direction_stays() -> None:
    velocity = np.array([5.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    motion = IK.joint_motion(START, velocity, CONTROL_PERIOD_S / 100.0)
    assert np.abs(motion.velocities).max() == pytest.approx(1.0)
    np.testing.assert_allclose(KINEMATICS.jacobian(START) @ motion.velocities, motion.scale * velocity, atol=1e-9)


def test_joint_speeds_stay_bounded_at_a_singularity(singular_posture: np.ndarray) -> None:
    """Undamped, the direction that the arm has lost would take joint speeds a hundred times the tool's."""
    U, sigma, _ = np.linalg.svd(WEIGHTS[:, None] * KINEMATICS.jacobian(singular_posture))
    lost = 0.05 * U[:, -1] / WEIGHTS
    free = DifferentialIK(KINEMATICS, DifferentialIKConfig(joint_velocity_rad_s=1e6))
    motion = free.joint_motion(singular_posture, lost, 1e-9)
    assert motion.is_singular
    assert np.abs(motion.velocities).max() < 1.0 < 0.05 / sigma[-1]


def test_directions_that_are_not_lost_stay_exact_at_a_singularity(singular_posture: np.ndarray) -> None:
    U, _, _ = np.linalg.svd(WEIGHTS[:, None] * KINEMATICS.jacobian(singular_posture))
    kept = 0.05 * U[:, 0] / WEIGHTS
    motion = IK.joint_motion(singular_posture, kept, 1e-9 + CONTROL_PERIOD_S / 1000.0)
    np.testing.assert_allclose(KINEMATICS.jacobian(singular_posture) @ motion.velocities, kept, atol=1e-6)
    assert not motion.is_singular


@pytest.mark.parametrize("joint", range(7))
@pytest.mark.parametrize("is_upper", [False, True])
def test_joint_at_its_limit_stays_and_the_others_take_over(joint: int, is_upper: bool) -> None:
    q = np.clip(START, KINEMATICS.lower + 0.3, KINEMATICS.upper - 0.3)
    q[joint] = (KINEMATICS.upper if is_upper else KINEMATICS.lower)[joint]
    outwards = np.eye(7)[joint] * (0.3 if is_upper else -0.3)
    velocity = KINEMATICS.jacobian(q) @ outwards
    motion = IK.joint_motion(q, velocity, CONTROL_PERIOD_S)
    after = q + motion.velocities * CONTROL_PERIOD_S
    assert (after >= KINEMATICS.lower - 1e-12).all() and (after <= KINEMATICS.upper + 1e-12).all()
    achieved, wanted = WEIGHTS * (KINEMATICS.jacobian(q) @ motion.velocities), WEIGHTS * velocity
    assert achieved @ wanted > 0.0  # What the six others can do of it, they do.
    is_missing = np.linalg.norm(achieved - motion.scale * wanted) > 0.05 * motion.scale * np.linalg.norm(wanted)
    assert motion.is_at_limit == (is_missing and abs(motion.velocities[joint]) < 1e-9)


def test_no_walk_leaves_the_limits() -> None:
    generator = np.random.default_rng(1)
    q = START.copy()
    for _ in range(30):
        velocity = generator.normal(size=6) * [0.3, 0.3, 0.3, 1.0, 1.0, 1.0]
        for _ in range(20):
            motion = IK.joint_motion(q, velocity, CONTROL_PERIOD_S)
            assert np.abs(motion.velocities).max() <= 1.0 + 1e-9
            q = q + motion.velocities * CONTROL_PERIOD_S
            assert (q >= KINEMATICS.lower - 1e-9).all() and (q <= KINEMATICS.upper + 1e-9).all()
