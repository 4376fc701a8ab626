"""A simulator and an executor as processes, and what there is to see of them."""

from collections.abc import Callable
from pathlib import Path

from rclpy.action.client import ActionClient
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from spirl_msgs.action import ExecuteSkill
from spirl_msgs.msg import SafetyStatus, SkillStatus, TaskStatus
from spirl_ros.nodes.graph.messages import LATCHED_QOS, to_stamp

EVERY_STATUS_QOS = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""A test on a busy machine must not miss any."""


class SkillGraph:
    """What there is to see of a simulator and an executor."""

    def __init__(
        self,
        client,
        start_node: Callable,
        bundle: Path,
        rate: str,
        simulator: str = "mujoco_sim",
        executor: str = "skill_executor",
        **parameters,
    ) -> None:
        self.client = client
        self.commands = client.collect(Float64MultiArray, "forward_position_controller/commands", 100)
        self.trajectories = client.collect(JointTrajectory, "joint_trajectory_controller/joint_trajectory", 100)
        self.joint_states = client.collect(JointState, "joint_states")
        self.task = client.collect(TaskStatus, "task_status", LATCHED_QOS)
        self.skills = client.collect(SkillStatus, "skill_status", EVERY_STATUS_QOS)
        self.safety = client.collect(SafetyStatus, "safety_status", EVERY_STATUS_QOS)
        self.feedback: list[ExecuteSkill.Feedback] = []
        self.simulator = start_node(simulator, rate=rate, state_rate_hz=100.0)
        # A busy machine is not what these tests are about: only some of them want states to be fresh.
        parameters = {"max_age_s": 0.5, "max_missed": 12} | parameters
        self.executor = start_node(executor, rate=rate, bundle=bundle, **parameters)
        self.action = ActionClient(client, ExecuteSkill, "execute_skill")
        client.wait_for(self.action.server_is_ready, "the action")
        client.wait_for(lambda: self.task and self.joint_states, "the simulator")
        # The first reasons are that nobody listens to the commands yet, and that there is no observation yet.
        client.wait_for(lambda: self.skills and not self.skills[-1].reason, "an executor that is ready")

    def send(self, latent=(), observed_ns: int = 0):
        """Send a goal and return its handle."""
        goal = ExecuteSkill.Goal(latent=[float(value) for value in latent], observed=to_stamp(observed_ns))
        future = self.action.send_goal_async(goal, lambda message: self.feedback.append(message.feedback))
        self.client.wait_for(future.done, "the goal's answer")
        handle = future.result()
        assert handle is not None
        return handle

    def result(self, handle) -> ExecuteSkill.Result:
        future = handle.get_result_async()
        self.client.wait_for(future.done, "the goal's result")
        return future.result().result

    def execute(self, latent=()) -> ExecuteSkill.Result:
        return self.result(self.send(latent))

    def begin(self, latent=()):
        """Send a goal and wait for its first step; returns its handle."""
        self.feedback.clear()
        handle = self.send(latent)
        self.client.wait_for(lambda: self.feedback, "motion")
        return handle

    def trigger(self, name: str) -> Trigger.Response:
        return self.client.call(Trigger, f"skill_executor/{name}", Trigger.Request())

    def reset(self) -> None:
        """Release the latch; on a busy machine the first states after a fault may be too old for it."""
        self.client.wait_for(lambda: self.trigger("reset").success, "the reset")

    @property
    def speed(self) -> float:
        """Of the fastest joint of the arm [rad/s]."""
        return max(abs(velocity) for velocity in self.joint_states[-1].velocity[:7])

    def wait_for_state(self, state: int) -> None:
        self.client.wait_for(lambda: self.skills[-1].state == state, f"state {state}")
