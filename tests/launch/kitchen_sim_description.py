"""launch_testing description: the shipped policy in lockstep until a task is complete. Run by
test_kitchen_sim_launch.py."""

import unittest
from pathlib import Path

import launch_testing.actions
import launch_testing.asserts
import launch_testing.markers
import rclpy
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor

from launch import LaunchDescription
from spirl_msgs.msg import TaskStatus
from spirl_ros.nodes.graph.messages import LATCHED_QOS

LAUNCH_FILE = Path(__file__).parents[2] / "launch" / "kitchen_sim.launch.py"


@launch_testing.markers.keep_alive
def generate_test_description() -> LaunchDescription:
    graph = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(LAUNCH_FILE)),
        launch_arguments={"rate": "lockstep", "viewer": "none"}.items(),
    )
    return LaunchDescription([graph, launch_testing.actions.ReadyToTest()])


class TestGraph(unittest.TestCase):
    """While it runs."""

    def setUp(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("launch_test_client", context=self.context)

    def tearDown(self) -> None:
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    def test_task_is_completed(self) -> None:
        statuses: list[TaskStatus] = []
        self.node.create_subscription(TaskStatus, "task_status", statuses.append, LATCHED_QOS)
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(self.node)
        end_ns = self.node.get_clock().now().nanoseconds + 40_000_000_000
        while not any(status.terminated for status in statuses):
            self.assertLess(self.node.get_clock().now().nanoseconds, end_ns)
            executor.spin_once(timeout_sec=0.1)
        self.assertEqual(list(statuses[-1].subtasks), ["microwave", "kettle", "bottom_burner", "light_switch"])


@launch_testing.post_shutdown_test()
class TestAfterShutdown(unittest.TestCase):
    """After it was ended."""

    def test_every_process_ended_cleanly(self, proc_info) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
