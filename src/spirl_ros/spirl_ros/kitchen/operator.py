"""A scripted operator for the kitchen: does subtasks one after the other, from observations to actions."""

from collections.abc import Sequence

import numpy as np

from spirl_ros.demonstrations.operator_style import DEFAULT_STYLE, OperatorStyle, Variation
from spirl_ros.kitchen.arm_motion import ArmMotion, Motion
from spirl_ros.kitchen.kinematics import ARM_JOINT_COUNT, KitchenKinematics
from spirl_ros.kitchen.operator_view import KitchenView
from spirl_ros.kitchen.recipes import RECIPES
from spirl_ros.kitchen.servo_tracking import ServoTracking
from spirl_ros.kitchen.subtasks import target_subtasks
from spirl_ros.kitchen.transit_planner import TransitPlanner
from spirl_ros.tasks.mujoco_scene import MujocoScene

MAX_ATTEMPTS = 3
"""Attempts at a subtask in a row before the operator goes on to the next."""

_RANDOM_STREAM = 7
"""Mixed into the seed: an episode and its operator share a seed, but not their random numbers."""


class KitchenOperator:
    """Works through a chain of subtasks, with a person's variation, trying again what did not work.

    Sees nothing but observations; the same seed and observations give the same actions, bit for bit.
    Not thread-safe; separate operators run side by side in threads.
    """

    def __init__(self, scene: MujocoScene, style: OperatorStyle = DEFAULT_STYLE) -> None:
        """Prepare; `start` begins.

        Args:
            scene: the kitchen's model.
            style: how much executions vary.
        """
        self._style = style
        self._view = KitchenView(scene)
        self._kinematics = KitchenKinematics(scene)
        self._planner = TransitPlanner(scene, self._kinematics.lower, self._kinematics.upper)
        self._tracking = ServoTracking(scene)
        self._intended = np.zeros(scene.joint_count)
        self._motion: Motion = iter(())
        self._current_subtask: str | None = None

    @property
    def current_subtask(self) -> str | None:
        """The subtask being worked on; None before the first and after the last action."""
        return self._current_subtask

    @property
    def intended_action(self) -> np.ndarray:
        """The latest action (9,) in [-1, 1] before action noise: what a demonstration should teach."""
        return self._intended.copy()

    def start(self, subtasks: Sequence[str], seed: int) -> None:
        """Begin a chain at the next observation.

        Args:
            subtasks: what to do, in this order.
            seed: decides all variation.

        Raises:
            ConfigError: an unknown or repeated subtask, or none.
        """
        chain = target_subtasks(",".join(subtasks))
        self._variation = Variation(self._style, np.random.default_rng((_RANDOM_STREAM, seed)), ARM_JOINT_COUNT)
        self._current_subtask = None
        self._motion = self._work_through(chain)

    def act(self, observation: np.ndarray) -> np.ndarray | None:
        """The action for an observation.

        Args:
            observation: measured positions (30,), arm first, then scene.

        Returns:
            The action to execute (9,) in [-1, 1], noise included, or None when every subtask is done or was attempted.

        Raises:
            ObservationError: wrong size or not finite; the operator is unchanged.
        """
        self._view.update(observation)
        target = next(self._motion, None)
        if target is None:
            return None
        self._intended = self._tracking.action(
            target.joint_positions, self._view.arm_positions, self._view.gravity_torque, target.gripper
        )
        executed = self._intended.copy()
        executed[:ARM_JOINT_COUNT] += self._variation.next_action_noise()
        return np.minimum(np.maximum(executed, -1.0), 1.0)

    def _work_through(self, chain: tuple[str, ...]) -> Motion:
        motion = ArmMotion(self._view, self._kinematics, self._planner, self._variation)
        for subtask in chain:
            for attempt in range(MAX_ATTEMPTS):
                if self._view.is_done(subtask):
                    break
                self._current_subtask = subtask
                if attempt == 0:
                    yield from motion.pause()
                yield from RECIPES[subtask](motion)
        self._current_subtask = None
