"""launch_testing description: skills on a stand-in for a real arm. Run by test_real_arm_launch.py, for either robot."""

import os
import unittest
from pathlib import Path

import launch_testing.actions
import launch_testing.asserts
import launch_testing.markers
import rclpy
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from rclpy.action.client import ActionClient
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from launch import LaunchDescription
from spirl_msgs.action import ExecuteSkill
from spirl_msgs.msg import Skill, SkillStatus
from spirl_ros.arms.robot_configuration import read_robot
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS

LAUNCH_FILE = Path(__file__).parents[2] / "launch" / "real_arm.launch.py"
ROBOT, BUNDLE, PARAMS = (os.environ[f"TEST_{name}"] for name in ("ROBOT", "BUNDLE", "PARAMS"))


@launch_testing.markers.keep_alive
def generate_test_description() -> LaunchDescription:
    graph = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(LAUNCH_FILE)),
        launch_arguments={
            "robot": ROBOT,
            "bundle": BUNDLE,
            "speed": "1.0",
            "use_fake_hardware": "true",
            "policy": "prior",
            "max_steps": "20",
            "params_file": PARAMS,
        }.items(),
    )
    return LaunchDescription([graph, launch_testing.actions.ReadyToTest()])


class TestGraph(unittest.TestCase):
    """While it runs."""

    def setUp(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("launch_test_client", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.end_ns = self.node.get_clock().now().nanoseconds + 60_000_000_000

    def tearDown(self) -> None:
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    def wait_for(self, condition) -> None:
        while not condition():
            self.assertLess(self.node.get_clock().now().nanoseconds, self.end_ns)
            self.executor.spin_once(timeout_sec=0.1)

    def test_skills_that_are_asked_for_and_those_of_the_policy_move_the_arm_within_its_limits(self) -> None:
        robot, states = read_robot(ROBOT), []
        self.node.create_subscription(JointState, robot.joint_state_topic, states.append, 10)
        skills: list[Skill] = []
        statuses: list[SkillStatus] = []
        self.node.create_subscription(Skill, "skill", skills.append, COMMAND_QOS)
        self.node.create_subscription(SkillStatus, "skill_status", statuses.append, LATCHED_QOS)
        client = ActionClient(self.node, ExecuteSkill, "execute_skill")
        self.wait_for(lambda: client.server_is_ready() and states)
        completed = 0
        while completed < 3:  # the first goals may come before the executor has seen the arm
            goal = client.send_goal_async(ExecuteSkill.Goal())
            self.wait_for(goal.done)
            handle = goal.result()
            assert handle is not None
            result = handle.get_result_async()
            self.wait_for(result.done)
            outcome = result.result()
            assert outcome is not None
            completed += outcome.result.outcome == ExecuteSkill.Result.COMPLETED
        self.assertEqual(skills, [])  # the policy waits to be asked
        start = self.node.create_client(Trigger, "skill_policy/start")
        self.wait_for(start.service_is_ready)
        answer = start.call_async(Trigger.Request())
        self.wait_for(answer.done)
        response = answer.result()
        assert response is not None
        self.assertTrue(response.success, response.message)
        self.wait_for(lambda: len(skills) == 2 and any((said.skill_id, said.step) == (2, 10) for said in statuses))
        self.assertEqual({skill.source for skill in skills}, {Skill.SOURCE_PRIOR})
        positions = [list(state.position) for state in states]
        self.assertGreater(max(abs(now - then) for now, then in zip(positions[-1], positions[0], strict=True)), 0.01)
        for state in states:
            for joint, (position, velocity) in enumerate(zip(state.position, state.velocity, strict=True)):
                self.assertGreaterEqual(position, robot.limits.position_lower[joint])
                self.assertLessEqual(position, robot.limits.position_upper[joint])
                self.assertLessEqual(abs(velocity), robot.limits.velocity[joint])


@launch_testing.post_shutdown_test()
class TestAfterShutdown(unittest.TestCase):
    """After it was ended."""

    def test_every_process_ended_cleanly(self, proc_info) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
