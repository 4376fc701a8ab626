"""The scripted operator and the simulator, over DDS."""

import pytest

pytest.importorskip("spirl_msgs")

from spirl_msgs.msg import TaskStatus
from spirl_ros.nodes.graph.messages import LATCHED_QOS


def test_it_completes_the_task_and_ends_after_its_episodes(client, start_here) -> None:
    simulator = start_here("mujoco_sim", rate="lockstep", task="microwave,light_switch")
    statuses = client.collect(TaskStatus, "task_status", LATCHED_QOS)
    operator = start_here("scripted_operator", episodes=2, seed=3)
    client.wait_for(lambda: operator.has_ended, "the operator's end", deadline_s=60.0)
    code, output = operator.wait()
    assert code == 0
    assert output.count("microwave done at step") == output.count("light_switch done at step") == 2
    assert "2 episodes: 2.00 of 2 subtasks in order on average" in output
    client.wait_for(
        lambda: statuses and statuses[-1].terminated and statuses[-1].seed == 4, "the last episode's status"
    )
    assert not simulator.has_ended


def test_lost_simulator_ends_it_with_a_message(client, start_node) -> None:
    simulator = start_node("mujoco_sim", rate="lockstep")
    operator = start_node("scripted_operator", patience_s=1.5, episodes=1)
    statuses = client.collect(TaskStatus, "task_status", LATCHED_QOS)
    client.wait_for(lambda: statuses and statuses[-1].step > 5, "the operator at work")
    simulator.kill()
    code, output = operator.wait()
    assert code == 3
    assert "nothing from the simulator" in output


def test_endless_run_waits_for_another_simulator(client, start_node) -> None:
    """It gave up after its patience, and the demo ended with it."""
    simulator = start_node("mujoco_sim", rate="lockstep")
    operator = start_node("scripted_operator", patience_s=1.5)
    statuses = client.collect(TaskStatus, "task_status", LATCHED_QOS)
    client.wait_for(lambda: statuses and statuses[-1].step > 5, "the operator at work")
    simulator.kill()
    client.spin_for(4.0)
    assert operator.process.poll() is None
    start_node("mujoco_sim", rate="lockstep")
    statuses.clear()
    client.wait_for(lambda: statuses and statuses[-1].step > 5, "the operator at work again")
    code, output = operator.end()
    assert code == 0 and "nothing from the simulator" in output


def test_restarted_simulator_is_used_again(client, start_node) -> None:
    """The operator must not wait for ever for an episode that died with the first simulator."""
    simulator = start_node("mujoco_sim", rate="lockstep")
    start_node("scripted_operator", patience_s=60.0)
    statuses = client.collect(TaskStatus, "task_status", LATCHED_QOS)
    client.wait_for(lambda: statuses and statuses[-1].step > 5, "the operator at work")
    simulator.kill()
    statuses.clear()
    start_node("mujoco_sim", rate="lockstep")
    client.wait_for(lambda: statuses and statuses[-1].step > 5, "the operator at work again", deadline_s=40.0)
