"""Forward and inverse kinematics of the kitchen's arm, from seven joint angles to the point between its fingertips."""

import mujoco
import numpy as np

from spirl_ros.demonstrations.same_arithmetic import applied, product_with_transposed, transposed_applied
from spirl_ros.kitchen.hand_orientation import rotation_between
from spirl_ros.kitchen.scene import INITIAL_POSITIONS
from spirl_ros.tasks.mujoco_scene import MujocoScene
from spirl_ros.tasks.tool_point import ToolPoint, ToolPose

ARM_JOINT_COUNT = 7
"""The arm without its fingers."""

TOOL_SITE, TOOL_POINT_OFFSET_M = "end_effector", 0.04
"""The tool point lies this far beyond the site, along the tool's z axis, 1 cm inside the fingertips."""

_LIMIT_MARGIN_RAD = 0.005
"""Kept from the joint limits: a servo pressing on a limit no longer follows small corrections."""
_LIMIT_TOLERANCE_RAD = 1e-9
_DAMPING = 1e-3 * np.eye(6)
"""Of the least squares [m²], rotations weighted: keeps steps finite near singular postures, slows others by under 1
%."""
_LARGEST_POSITION_ERROR_M = 0.15
_LARGEST_ROTATION_ERROR_RAD = 0.6
"""Errors beyond these are shortened, so that the linearisation stays meaningful."""
_SOLVE_TOLERANCE_M = 2e-3
_SOLVE_TOLERANCE_RAD = 0.02
_POSTURE_ITERATIONS, _SETTLE_ITERATIONS = 15, 15
"""`solve` first also pulls towards the rest posture, then only reduces the error."""


class KitchenKinematics:
    """Kinematics of the arm alone, on a private copy of the scene's state. Pure: the same inputs give the same bits."""

    def __init__(self, scene: MujocoScene) -> None:
        """Read limits from the model and the robot's configuration: a joint may go where both allow it."""
        self._model = scene.model
        self._data = mujoco.MjData(scene.model)
        self._data.qpos[:] = INITIAL_POSITIONS
        self._tool = ToolPoint(scene, self._data, TOOL_SITE, TOOL_POINT_OFFSET_M)
        self._jacobian = np.zeros((6, scene.model.nv))
        arm = slice(ARM_JOINT_COUNT)
        self.lower = np.maximum(scene.model.jnt_range[arm, 0], scene.position_lower[arm]) + _LIMIT_MARGIN_RAD
        self.upper = np.minimum(scene.model.jnt_range[arm, 1], scene.position_upper[arm]) - _LIMIT_MARGIN_RAD

    def forward(self, q: np.ndarray) -> ToolPose:
        """Tool pose at arm joint angles (7,) [rad]."""
        self._data.qpos[:ARM_JOINT_COUNT] = q
        mujoco.mj_kinematics(self._model, self._data)
        return self._tool.pose()

    def jacobian(self, q: np.ndarray) -> np.ndarray:
        """Velocity of the tool point and of the hand's rotation per joint velocity, (6, 7), at joint angles (7,)."""
        return self._pose_and_jacobian(q)[1].copy()

    def step(
        self,
        q: np.ndarray,
        target: ToolPose,
        rest: np.ndarray,
        *,
        rotation_weight: float = 0.35,
        posture_gain: float = 0.1,
        largest_step_rad: float = 0.25,
    ) -> np.ndarray:
        """One damped least-squares step towards a pose, within the joint limits.

        Joints that would leave their limits are fixed there and the others take over (active set). Motion that
        does not move the tool pulls towards a posture (null space).

        Args:
            q: joint angles (7,) [rad] to start from.
            target: the wanted pose.
            rest: posture (7,) [rad] to prefer.
            rotation_weight: metres of position error that one radian of rotation error is worth.
            posture_gain: share of the way to `rest` that a free joint would go.
            largest_step_rad: no joint moves more; all are scaled together, so the direction is kept.

        Returns:
            New joint angles (7,) within `lower` and `upper`.
        """
        pose, jacobian = self._pose_and_jacobian(q)
        error = np.empty(6)
        error[:3] = _shortened(target.position - pose.position, _LARGEST_POSITION_ERROR_M)
        error[3:] = rotation_weight * _shortened(
            rotation_between(pose.rotation, target.rotation), _LARGEST_ROTATION_ERROR_RAD
        )
        weighted = jacobian.copy()
        weighted[3:] *= rotation_weight
        return self._limited_step(q, weighted, error, posture_gain * (rest - q), largest_step_rad)

    def solve(self, q: np.ndarray, target: ToolPose, rest: np.ndarray) -> np.ndarray:
        """Joint angles (7,) whose tool pose is the target, near `rest`, as well as limits allow, from a start (7,)."""
        for iteration in range(_POSTURE_ITERATIONS + _SETTLE_ITERATIONS):
            is_settling = iteration >= _POSTURE_ITERATIONS
            q = self.step(q, target, rest, posture_gain=0.0 if is_settling else 0.1)
            if is_settling and self._is_close(self.forward(q), target):
                break
        return q

    def _is_close(self, pose: ToolPose, target: ToolPose) -> bool:
        return bool(
            mujoco.mju_norm3(target.position - pose.position) < _SOLVE_TOLERANCE_M
            and mujoco.mju_norm3(rotation_between(pose.rotation, target.rotation)) < _SOLVE_TOLERANCE_RAD
        )

    def _pose_and_jacobian(self, q: np.ndarray) -> tuple[ToolPose, np.ndarray]:
        pose = self.forward(q)
        mujoco.mj_comPos(self._model, self._data)  # mj_jac reads the motion axes that this computes
        mujoco.mj_jac(
            self._model, self._data, self._jacobian[:3], self._jacobian[3:], pose.position, self._tool.body_id
        )
        return pose, self._jacobian[:, :ARM_JOINT_COUNT]

    def _limited_step(
        self, q: np.ndarray, jacobian: np.ndarray, error: np.ndarray, posture_step: np.ndarray, largest_step_rad: float
    ) -> np.ndarray:
        fixed_step = np.zeros(ARM_JOINT_COUNT)
        free = np.ones(ARM_JOINT_COUNT, dtype=bool)
        while True:
            posture = posture_step * free
            J = jacobian * free  # (6, 7), columns of fixed joints zero
            residual = error - applied(jacobian, fixed_step) - applied(J, posture)
            step = fixed_step + posture + transposed_applied(J, _solve_damped(J, residual))
            largest = np.abs(step).max()
            if largest > largest_step_rad:
                step *= largest_step_rad / largest
            bounded = np.minimum(np.maximum(q + step, self.lower), self.upper)
            leaving = free & (np.abs(bounded - q - step) > _LIMIT_TOLERANCE_RAD)
            if not leaving.any() or np.array_equal(free, leaving):
                return bounded
            free &= ~leaving
            fixed_step[leaving] = (bounded - q)[leaving]


def _shortened(vector: np.ndarray, length: float) -> np.ndarray:
    norm = mujoco.mju_norm3(vector)
    return vector if norm <= length else vector * (length / norm)


def _solve_damped(J: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Solution x (6,) of (J Jᵀ + damping I) x = residual; by MuJoCo's Cholesky, quicker than numpy's LU."""
    factor = product_with_transposed(J, J) + _DAMPING
    solution = np.empty(6)
    mujoco.mju_cholFactor(factor, 0.0)
    mujoco.mju_cholSolve(solution, factor, residual)
    return solution
