"""Finds a way through free space, around open doors, for the arm as the model sees it."""

import copy

import mujoco
import numpy as np

from spirl_ros.kitchen.kinematics import ARM_JOINT_COUNT
from spirl_ros.kitchen.scene import INITIAL_POSITIONS
from spirl_ros.tasks.mujoco_scene import MujocoScene

_CLEARANCE_M = 0.008
"""Distance to keep: the arm follows its targets to about a centimetre when it is fast."""
_SAMPLE_SPACING_RAD = 0.12
"""A path is checked this often, measured by the joint that moves most."""
_CONTACT_COST_RAD = 1.0
"""A sample with contact is as bad as a detour this long; where everything touches something, the least of it is
taken."""
_DETOURS = 24
"""Via postures that are tried when the straight way is not free."""
_DETOUR_HALF_WIDTH_RAD = 0.6
"""They lie this far around the middle of the straight way, per joint, at random but always the same."""


class TransitPlanner:
    """Plans paths straight in joint space, or with one via posture where something is in the way."""

    def __init__(self, scene: MujocoScene, lower: np.ndarray, upper: np.ndarray) -> None:
        """Copy the model and leave in it only contacts between arm and scene, with a clearance.

        Args:
            scene: the kitchen.
            lower: smallest arm joint angles (7,) [rad] of a via posture.
            upper: largest ones.
        """
        self._model = model = copy.copy(scene.model)
        arm_root = model.body_rootid[model.jnt_bodyid[0]]
        is_arm = model.body_rootid[model.geom_bodyid] == arm_root
        is_solid = (model.geom_contype != 0) | (model.geom_conaffinity != 0)
        model.geom_contype[:] = is_solid & is_arm
        model.geom_conaffinity[:] = is_solid & ~is_arm
        model.geom_margin[is_arm] = _CLEARANCE_M
        self._data = mujoco.MjData(model)
        self._data.qpos[:] = INITIAL_POSITIONS  # fingers open: their widest
        self._joint_count = scene.joint_count
        self._lower, self._upper = lower, upper
        noise = np.random.default_rng(0).uniform(-1.0, 1.0, (_DETOURS, ARM_JOINT_COUNT))
        self._detours = _DETOUR_HALF_WIDTH_RAD * noise

    def plan(self, start: np.ndarray, goal: np.ndarray, scene_positions: np.ndarray) -> np.ndarray:
        """The straight path if it is free, else the best of it, one over the initial posture and some detours.

        Args:
            start: arm joint angles (7,) [rad].
            goal: the same.
            scene_positions: everything else, as measured, (21,).

        Returns:
            Corner points (2 or 3, 7) [rad] of the path, start and goal included.
        """
        self._data.qpos[self._joint_count :] = scene_positions
        best = np.stack([start, goal])
        best_cost = self._cost(best)
        if best_cost <= path_length(best):
            return best
        vias = [INITIAL_POSITIONS[:ARM_JOINT_COUNT], *(0.5 * (start + goal) + self._detours)]
        for via in np.clip(vias, self._lower, self._upper):
            path = np.stack([start, via, goal])
            cost = self._cost(path, at_most=best_cost)
            if cost < best_cost:
                best, best_cost = path, cost
        return best

    def _cost(self, path: np.ndarray, at_most: float = np.inf) -> float:
        """Length of a path plus what its contacts cost [rad]; stops counting beyond `at_most`."""
        cost = path_length(path)
        if cost > at_most:
            return cost
        for q in sample_path(path, max(2, int(np.ceil(cost / _SAMPLE_SPACING_RAD)))):
            cost += _CONTACT_COST_RAD * self._touches(q)
            if cost > at_most:
                break
        return cost

    def _touches(self, q: np.ndarray) -> bool:
        """Whether any part of the arm is too close to the scene with arm joints at `q` (7,)."""
        self._data.qpos[:ARM_JOINT_COUNT] = q
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_collision(self._model, self._data)
        return self._data.ncon > 0


def path_length(path: np.ndarray) -> float:
    """Length [rad] of a path given by its corners (N, 7), in the joint that moves most on each stretch."""
    return float(np.abs(np.diff(path, axis=0)).max(axis=1).sum())


def point_on_path(path: np.ndarray, share: float) -> np.ndarray:
    """Arm joint angles (7,) [rad] at a share of the path's length, 0 to 1."""
    stretches = np.abs(np.diff(path, axis=0)).max(axis=1)
    distance = share * stretches.sum()
    for stretch, start, end in zip(stretches, path[:-1], path[1:], strict=True):
        if distance < stretch:
            return start + (distance / stretch) * (end - start)
        distance -= stretch
    return path[-1]


def sample_path(path: np.ndarray, count: int) -> list[np.ndarray]:
    """`count` postures (7,) spread evenly over a path's length; its start is left out, its goal is not."""
    return [point_on_path(path, (i + 1) / count) for i in range(count)]
