"""Orientations of the hand, as rotation matrices (3, 3) and rotation vectors (3,) [rad] in the world frame."""

import mujoco
import numpy as np

from spirl_ros.demonstrations.same_arithmetic import product, product_with_transposed

_X = np.array([1.0, 0.0, 0.0])
_Z = np.array([0.0, 0.0, 1.0])
_POINTING_AHEAD = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""Tool axis along world +y, towards the kitchen; the fingers open along world x. Columns are the tool's x, y, z
axes."""


def hand_orientation(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """Orientation (3, 3) of a hand that points at the kitchen, turned by angles [rad].

    Args:
        yaw: about the world's z axis, positive to the left.
        pitch: nose up; negative is nose down.
        roll: about the tool axis; pi/2 turns the fingers to open up and down.
    """
    turned = product(rotation_matrix(yaw * _Z), rotation_matrix(pitch * _X))
    return product(product(turned, _POINTING_AHEAD), rotation_matrix(roll * _Z))


def rotation_matrix(rotation_vector: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) about an axis by the vector's length [rad]."""
    angle = mujoco.mju_norm3(rotation_vector)
    quaternion, matrix = np.empty(4), np.empty(9)
    mujoco.mju_axisAngle2Quat(quaternion, rotation_vector / angle if angle > 0.0 else _Z, angle)
    mujoco.mju_quat2Mat(matrix, quaternion)
    return matrix.reshape(3, 3)


def rotation_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Rotation vector (3,) [rad] that turns orientation `start` into `end`, about world axes, at most pi long."""
    quaternion, vector = np.empty(4), np.empty(3)
    mujoco.mju_mat2Quat(quaternion, product_with_transposed(end, start).ravel())
    mujoco.mju_quat2Vel(vector, quaternion, 1.0)
    return vector
