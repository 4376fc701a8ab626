"""The primitives that every recipe is made of: each is a generator of one arm target per control step."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import mujoco
import numpy as np

from spirl_ros.demonstrations.operator_style import Variation
from spirl_ros.demonstrations.same_arithmetic import product
from spirl_ros.kitchen.hand_orientation import rotation_between, rotation_matrix
from spirl_ros.kitchen.kinematics import KitchenKinematics
from spirl_ros.kitchen.operator_view import KitchenView
from spirl_ros.kitchen.transit_planner import TransitPlanner, path_length, point_on_path
from spirl_ros.tasks.tool_point import ToolPose

GRIPPER_OPEN, GRIPPER_CLOSED = 1.0, -1.0
"""Action of both finger joints. A finger's range is 4 cm, so one step at full action is always enough of a command."""

_JOINT_SPEED_RAD = 0.088
"""Joint motion per control step in free space. Servos cover half of a command's lead per step, and a lead is at most
0.16 rad, so at the top of the speed range the arm falls a little behind and catches up at the end."""
_PEAK_SPEED = 1.15
"""Largest speed in a transit, relative to its mean: the largest slope of `_eased`."""
_LARGEST_JOINT_STEP_RAD = 0.07
"""The same while following a path with the hand, where all joints should keep up."""
_LARGEST_LEAD_RAD = 0.15
"""Targets stay this close to the measured joints, so that pressing on something does not wind up."""
_SLOWEST_M = 0.004
"""The hand's path never gets slower than this per control step, so it arrives."""
_TURN_PER_STEP_RAD = 0.15
"""The hand turns no faster than this per control step."""
_SETTLE_STEPS, _SETTLED_RAD = 6, 0.12
"""After a transit: wait so long for the arm to come so close. The next motion makes up for the rest."""
_SERVO_ITERATIONS = 2
"""Inverse kinematics steps per control step."""


class ArmTarget(NamedTuple):
    """What the arm should do in one control step."""

    joint_positions: np.ndarray
    """Arm joints (7,) [rad] to be at."""
    gripper: float
    """Action of the fingers, GRIPPER_OPEN or GRIPPER_CLOSED."""


Motion = Iterator[ArmTarget]
"""A movement: one target per control step, each computed after the view has the step's observation."""


class ArmMotion:
    """Moves the arm as seen in a view. Remembers only where it last wanted the joints to be."""

    def __init__(
        self, view: KitchenView, kinematics: KitchenKinematics, planner: TransitPlanner, variation: Variation
    ) -> None:
        """Begin at the joints as seen now."""
        self.view = view
        self.variation = variation
        self._kinematics = kinematics
        self._planner = planner
        self._desired = view.arm_positions

    def pause(self) -> Motion:
        """Think before a subtask, sometimes."""
        yield from self.hold(GRIPPER_OPEN, self.variation.pause_steps())

    def hold(self, gripper: float, steps: int) -> Motion:
        """Stay, for example while the fingers move."""
        for _ in range(steps):
            yield ArmTarget(self._desired, gripper)

    def approach(self, pose: ToolPose, rest: np.ndarray, gripper: float, *, is_via: bool = False) -> Motion:
        """Move through free space, around what is in the way, to a pose reached near a rest posture (7,).

        At the end waits a little for the arm to come close.
        """
        goal = self._kinematics.solve(rest, pose, rest)
        path = self._planner.plan(self._desired, goal, self.view.scene_positions)
        speed = _JOINT_SPEED_RAD * self.variation.speed()
        steps = max(1, int(np.ceil(_PEAK_SPEED * path_length(path) / speed)))
        for step in range(1, steps + 1):
            self._desired = point_on_path(path, _eased(step / steps))
            yield ArmTarget(self._desired, gripper)
        for _ in range(0 if is_via else _SETTLE_STEPS):
            if np.abs(goal - self.view.arm_positions).max() < _SETTLED_RAD:
                break
            yield ArmTarget(self._desired, gripper)

    def follow(
        self,
        target: Callable[[], np.ndarray],
        rotation: np.ndarray,
        gripper: float,
        *,
        speed: float,
        steps: int,
        until: Callable[[], bool] | None = None,
        tolerance_m: float = 0.012,
        rotation_weight: float = 0.35,
    ) -> Motion:
        """Move the hand along a straight path to a target that may itself move.

        Args:
            target: where the tool point should go, (3,) [m], asked every control step.
            rotation: orientation of the hand (3, 3).
            gripper: action of the fingers.
            speed: of the hand [m per control step].
            steps: give up after so many.
            until: end when this is true, asked after each step; without it, the motion ends on arrival.
            tolerance_m: arrival is being this close to the target.
            rotation_weight: see KitchenKinematics.step; small lets the hand turn where joint limits want it to.
        """
        speed *= self.variation.speed()
        rest, current_speed = self._desired, 0.0
        for _ in range(steps):
            # The path goes on from where the joints were last wanted: it runs ahead of an arm that is held back.
            pose = self._kinematics.forward(self._desired)
            offset = target() + self.variation.next_target_noise() - pose.position
            distance = mujoco.mju_norm3(offset)
            current_speed = min(speed, current_speed + 0.4 * speed, max(0.35 * distance, _SLOWEST_M))
            wanted = ToolPose(
                pose.position + offset * min(1.0, current_speed / (distance + 1e-9)),
                _turned_towards(pose.rotation, rotation),
            )
            q = self._desired
            for _ in range(_SERVO_ITERATIONS):
                q = self._kinematics.step(
                    q, wanted, rest, rotation_weight=rotation_weight, posture_gain=0.02, largest_step_rad=0.12
                )
            self._desired = self._reachable(q)
            yield ArmTarget(self._desired, gripper)
            if until() if until is not None else self._has_arrived(target(), tolerance_m):
                return

    def retreat(self, distance_m: float, gripper: float, *, up_m: float = 0.0) -> Motion:
        """Pull the hand straight back, out of whatever it held, and optionally up."""
        self._desired = self.view.arm_positions  # let go of the tension of the last motion
        position, rotation = self.view.tool
        away = position - distance_m * rotation[:, 2] + np.array([0.0, 0.0, up_m])
        yield from self.follow(lambda: away, rotation, gripper, speed=0.055, steps=8, tolerance_m=0.03)

    def _reachable(self, q: np.ndarray) -> np.ndarray:
        """Joints (7,) towards `q` that the servos can follow: all slowed together, then near the measured ones."""
        step = q - self._desired
        excess = np.abs(step).max() / _LARGEST_JOINT_STEP_RAD
        if excess > 1.0:
            q = self._desired + step / excess
        measured = self.view.arm_positions
        return np.minimum(np.maximum(q, measured - _LARGEST_LEAD_RAD), measured + _LARGEST_LEAD_RAD)

    def _has_arrived(self, target: np.ndarray, tolerance_m: float) -> bool:
        return mujoco.mju_norm3(target - self.view.tool.position) < tolerance_m


def _eased(share: float) -> float:
    """Share of a transit's way at a share of its time, both 0 to 1: a soft start and end."""
    return 0.7 * share + 0.3 * share * share * (3.0 - 2.0 * share)


def _turned_towards(rotation: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Orientation (3, 3) on the way to a goal, one control step further."""
    turn = rotation_between(rotation, goal)
    angle = mujoco.mju_norm3(turn)
    if angle <= _TURN_PER_STEP_RAD:
        return goal
    return product(rotation_matrix(turn * (_TURN_PER_STEP_RAD / angle)), rotation)
