"""What happens on two hosts when the wire breaks: `python -m tests.nodes.broken_wire CASE HOSTS FOLDER` on the arm's
host.

Run by test_two_hosts.py. An assertion that fails ends it with 1.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rclpy
from rclpy.action.client import ActionClient
from rclpy.context import Context
from rclpy.utilities import try_shutdown
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from spirl_msgs.action import ExecuteSkill
from spirl_msgs.msg import SkillStatus
from spirl_ros.arms.robot_configuration import read_robot
from spirl_ros.nodes.graph.messages import CALL_QOS
from tests.nodes.arm_bundle import write_arm_bundle
from tests.nodes.conftest import Client, NodeProcess
from tests.nodes.kitchen_bundle import HORIZON, write_kitchen_bundle
from tests.nodes.skill_graph import EVERY_STATUS_QOS
from tests.nodes.two_hosts import Host, TwoHosts

PATIENCE_S = 1.5
START_S = 60.0
"""How long nodes may take to start on a busy machine."""


class Graph:
    """Node processes on both hosts, and a client on the arm's."""

    def __init__(self, hosts: TwoHosts, client: Client) -> None:
        self.hosts, self.client = hosts, client
        self.nodes: list[NodeProcess] = []
        self.statuses = client.collect(SkillStatus, "skill_status", EVERY_STATUS_QOS)

    def start(self, host: Host, executable: str, **parameters) -> NodeProcess:
        with host.inside():
            self.nodes.append(NodeProcess(executable, dict(os.environ), **parameters))
        return self.nodes[-1]

    def end(self) -> None:
        for node in self.nodes:
            if node.process.poll() is None:
                node.kill()


def to_the_policy(graph: Graph, folder: Path) -> None:
    """The policy sends one more skill, which only arrives when the wire is mended: it must not move the arm then."""
    hosts, client, statuses = graph.hosts, graph.client, graph.statuses
    bundle = write_kitchen_bundle(folder / "bundle", policy="works")
    graph.start(hosts.a, "mujoco_sim")
    graph.start(hosts.a, "skill_executor", bundle=bundle, max_age_s=0.5, max_missed=12)
    policy = graph.start(hosts.b, "skill_policy", bundle=bundle, start="at_once", patience_s=PATIENCE_S)
    client.wait_for(lambda: statuses and statuses[-1].skill_id >= 2 and statuses[-1].step == 2, "skills", START_S)
    hosts.cut()
    client.wait_for(lambda: statuses[-1].state == SkillStatus.IDLE, "rest")
    assert statuses[-1].step == HORIZON  # the skill was finished
    client.spin_for(PATIENCE_S + 0.5)
    rested = len(statuses)
    hosts.mend()
    client.spin_for(4.0)
    assert {status.state for status in statuses[rested:]} == {SkillStatus.IDLE}
    assert client.call(Trigger, "skill_policy/start", Trigger.Request()).success
    client.wait_for(lambda: statuses[-1].state == SkillStatus.EXECUTING, "skills after a new start")
    _, output = policy.end(signal.SIGINT)
    # Observations, words of the executor or of the task, whichever it misses first.
    assert "stopped after 0 episodes: no" in output, output


def to_the_arm(graph: Graph, folder: Path) -> None:
    """DDS would keep the executor's last command for the arm, which has come to rest elsewhere meanwhile, and a
    reset."""
    hosts, client, statuses, robot = graph.hosts, graph.client, graph.statuses, read_robot("ur5e")
    states = client.collect(JointState, robot.joint_state_topic)
    graph.start(hosts.a, "stand_in_arm", robot="ur5e", acceleration_tolerance=1000.0, realtime_priority=50)
    graph.start(
        hosts.b,
        "skill_executor",
        bundle=write_arm_bundle(folder / "bundle", robot),
        robot="ur5e",
        command_interface="joint_trajectory",
        trajectory_controller=robot.trajectory_controller,
        max_age_s=0.3,
    )
    action = ActionClient(client, ExecuteSkill, "execute_skill")
    client.wait_for(action.server_is_ready, "an executor", START_S)
    client.wait_for(lambda: states and statuses and not statuses[-1].reason, "an executor that is ready", START_S)

    def speed() -> float:
        return max(map(abs, states[-1].velocity))

    late_reset = client.create_client(Trigger, "skill_executor/reset", qos_profile=CALL_QOS)
    client.wait_for(late_reset.service_is_ready, "the service reset")
    action.send_goal_async(ExecuteSkill.Goal(latent=[2.0, 2.0, 2.0]))
    client.wait_for(lambda: speed() > 0.3, "motion")
    hosts.cut()
    client.wait_for(lambda: speed() < 1e-4, "rest")
    late_reset.call_async(Trigger.Request())
    client.spin_for(1.5)
    at_rest = np.array(states[-1].position)
    hosts.mend()
    client.wait_for(lambda: statuses[-1].state == SkillStatus.LATCHED, "word of the latch")
    client.spin_for(3.0)
    np.testing.assert_allclose(states[-1].position, at_rest, atol=1e-6)
    assert statuses[-1].state == SkillStatus.LATCHED
    client.wait_for(lambda: client.call(Trigger, "skill_executor/reset", Trigger.Request()).success, "the reset")
    client.wait_for(lambda: statuses[-1].state == SkillStatus.IDLE and not statuses[-1].reason, "a ready executor")
    action.send_goal_async(ExecuteSkill.Goal(latent=[0.5, 0.0, 0.0]))
    client.wait_for(lambda: speed() > 1e-2, "motion after the reset")


CASES: dict[str, Callable[[Graph, Path], None]] = {"to_the_policy": to_the_policy, "to_the_arm": to_the_arm}


def main() -> None:
    """Run one case."""
    case, hosts, folder = sys.argv[1:]
    context = Context()
    rclpy.init(context=context)
    graph = Graph(TwoHosts(hosts), Client(context))
    try:
        CASES[case](graph, Path(folder))
    except AssertionError:
        print("topics:", graph.client.get_topic_names_and_types(), "last status:", *graph.statuses[-1:], flush=True)
        raise
    finally:
        graph.end()
        graph.client.destroy_node()
        try_shutdown(context=context)


if __name__ == "__main__":
    main()
