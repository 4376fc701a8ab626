import itertools

import numpy as np
import pytest

from spirl_ros.demonstrations.operator_style import MACHINE, Variation
from spirl_ros.kitchen.arm_motion import GRIPPER_CLOSED, GRIPPER_OPEN, ArmMotion
from spirl_ros.kitchen.kinematics import KitchenKinematics
from spirl_ros.kitchen.operator_view import KitchenView
from spirl_ros.kitchen.scene import INITIAL_POSITIONS, load_kitchen_scene
from spirl_ros.kitchen.transit_planner import TransitPlanner
from spirl_ros.tasks.tool_point import ToolPose

POSTURE = np.array([-0.82, -1.39, 1.32, -2.46, 0.2, 1.53, 1.1])


class PerfectArm:
    """An arm that is wherever it was last told to be, and the motion primitives that see it."""

    def __init__(self) -> None:
        scene = load_kitchen_scene()
        self.view = KitchenView(scene)
        self.kinematics = KitchenKinematics(scene)
        self.move_to(POSTURE)
        planner = TransitPlanner(scene, self.kinematics.lower, self.kinematics.upper)
        self.motion = ArmMotion(self.view, self.kinematics, planner, Variation(MACHINE, np.random.default_rng(0), 7))

    def move_to(self, q):
        self.view.update(np.concatenate([q, INITIAL_POSITIONS[7:]]))

    def run(self, motion):
        """Execute a motion; returns the joint positions (steps, 7), the start included."""
        path = [self.view.arm_positions]
        for target in motion:
            self.move_to(target.joint_positions)
            path.append(target.joint_positions)
        return np.array(path)


@pytest.fixture
def arm():
    return PerfectArm()


def test_hold_repeats_the_same_target(arm):
    targets = list(arm.motion.hold(GRIPPER_CLOSED, 3))
    assert [target.gripper for target in targets] == [GRIPPER_CLOSED] * 3
    for target in targets:
        np.testing.assert_array_equal(target.joint_positions, POSTURE)


def test_approach_ends_at_the_pose_and_keeps_the_joint_speed(arm):
    rest = POSTURE + 0.3
    pose = arm.kinematics.forward(rest)
    path = arm.run(arm.motion.approach(pose, rest, GRIPPER_OPEN))
    assert np.linalg.norm(arm.view.tool.position - pose.position) < 2e-3
    assert np.abs(np.diff(path, axis=0)).max() <= 0.09


def test_follow_moves_in_a_straight_line_at_the_given_speed_and_ends_on_arrival(arm):
    start = arm.view.tool
    goal = start.position + np.array([0.0, -0.1, 0.05])
    path = arm.run(arm.motion.follow(lambda: goal, start.rotation, GRIPPER_OPEN, speed=0.03, steps=40))
    points = np.array([arm.kinematics.forward(q).position for q in path])
    assert np.linalg.norm(points[-1] - goal) < 0.012
    assert np.linalg.norm(np.diff(points, axis=0), axis=1).max() < 0.033
    direction = (goal - start.position) / np.linalg.norm(goal - start.position)
    offsets = points - start.position
    assert np.abs(offsets - np.outer(offsets @ direction, direction)).max() < 0.003


def test_follow_gives_up_after_its_steps(arm):
    far = arm.view.tool.position + np.array([0.0, 5.0, 0.0])
    targets = list(arm.motion.follow(lambda: far, arm.view.tool.rotation, GRIPPER_OPEN, speed=0.03, steps=9))
    assert len(targets) == 9


def test_follow_ends_when_the_condition_holds(arm):
    goal = arm.view.tool.position + np.array([0.0, -0.2, 0.0])
    count = itertools.count()
    motion = arm.motion.follow(
        lambda: goal, arm.view.tool.rotation, GRIPPER_OPEN, speed=0.03, steps=40, until=lambda: next(count) >= 2
    )
    assert len(list(motion)) == 3


def test_targets_do_not_run_away_from_an_arm_that_is_held_back(arm):
    """The arm here never moves: pressing on something must not wind up the target."""
    far = arm.view.tool.position + np.array([0.0, 0.0, -0.5])
    for target in arm.motion.follow(lambda: far, arm.view.tool.rotation, GRIPPER_OPEN, speed=0.05, steps=30):
        assert np.abs(target.joint_positions - POSTURE).max() <= 0.15 + 1e-9


def test_retreat_pulls_the_hand_straight_back(arm):
    before = arm.view.tool
    arm.run(arm.motion.retreat(0.08, GRIPPER_OPEN))
    moved = arm.view.tool.position - before.position
    assert moved @ before.pointing < -0.05
    assert np.linalg.norm(np.cross(moved, before.pointing)) < 0.01


def test_a_pose_is_plain_data():
    assert ToolPose(np.zeros(3), np.eye(3)).pointing.tolist() == [0.0, 0.0, 1.0]
