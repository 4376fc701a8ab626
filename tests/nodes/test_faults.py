"""Faults of the simulator's and the executor's processes, and of what they are sent: the arm comes to rest and stays
there.

After each the graph is brought back without starting the healthy process again.
"""

import signal
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from rclpy.duration import Duration
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import LivelinessPolicy, QoSProfile

from spirl_msgs.action import ExecuteSkill
from spirl_msgs.msg import SafetyStatus, SkillStatus
from spirl_msgs.srv import LoadBundle
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.kitchen.scene import CONTROL_PERIOD_S, load_kitchen_scene
from tests.nodes.kitchen_bundle import HORIZON, write_kitchen_bundle
from tests.nodes.skill_graph import SkillGraph

COMPLETED, STOPPED = ExecuteSkill.Result.COMPLETED, ExecuteSkill.Result.STOPPED
HANGING_SIMULATOR = "tests.nodes.hanging_node mujoco_sim MujocoSim"
HANGING_EXECUTOR = "tests.nodes.hanging_node skill_executor SkillExecutorNode"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return write_kitchen_bundle(tmp_path_factory.mktemp("bundles") / "first")


def assert_within(limits: JointLimits, commands: list) -> None:
    """Commands that follow each other control step by control step never leave the limits."""
    positions = np.array([command.data for command in commands])
    velocities = np.diff(positions, axis=0) / CONTROL_PERIOD_S
    accelerations = np.diff(velocities, axis=0) / CONTROL_PERIOD_S
    assert np.isfinite(positions).all()
    assert (positions >= limits.position_lower).all() and (positions <= limits.position_upper).all()
    assert (np.abs(velocities) <= limits.velocity * (1.0 + 1e-6)).all()
    assert (np.abs(accelerations) <= limits.acceleration * (1.0 + 1e-6)).all()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGUSR1], ids=["killed", "hung"])
def test_simulator_that_dies_or_hangs_is_replaced_without_a_new_executor(
    client, start_node, bundle, reaction, number
) -> None:
    graph = SkillGraph(client, start_node, bundle, "realtime", simulator=HANGING_SIMULATOR, max_age_s=0.1)
    handle = graph.begin((1.0, 1.0))
    graph.simulator.process.send_signal(number)
    lost_s = time.monotonic()
    client.wait_for(lambda: graph.safety[-1].state >= SafetyStatus.HOLDING, "braking")
    reaction(f"simulator {number.name}, states may be 100 ms old: the executor brakes", lost_s)
    assert graph.result(handle).outcome == STOPPED
    graph.wait_for_state(SkillStatus.LATCHED)
    assert "the latch stays" in graph.trigger("reset").message
    graph.simulator.kill()
    states = len(graph.joint_states)
    start_node("mujoco_sim")
    client.wait_for(lambda: len(graph.joint_states) > states + 10, "the new simulator")
    commands = len(graph.commands)
    client.spin_for(0.3)
    assert graph.skills[-1].state == SkillStatus.LATCHED and len(graph.commands) == commands
    graph.reset()
    client.wait_for(lambda: graph.execute((0.1, 0.1)).outcome == COMPLETED, "a skill")


def test_executor_that_hangs_loses_its_lease_and_is_replaced_without_a_new_simulator(
    client, start_node, bundle, reaction
) -> None:
    graph = SkillGraph(client, start_node, bundle, "realtime", executor=HANGING_EXECUTOR)
    alive: list[int] = []
    lease = Duration(seconds=0.5)
    client.create_subscription(
        SkillStatus,
        "skill_status",
        lambda _: None,
        QoSProfile(depth=1, liveliness=LivelinessPolicy.MANUAL_BY_TOPIC, liveliness_lease_duration=lease),
        event_callbacks=SubscriptionEventCallbacks(liveliness=lambda info: alive.append(info.alive_count)),
    )
    client.wait_for(lambda: alive and alive[-1] == 1, "the lease")
    graph.begin((1.5, 1.0))
    graph.executor.process.send_signal(signal.SIGUSR1)
    lost_s = time.monotonic()
    client.wait_for(lambda: alive[-1] == 0, "the end of the lease")
    reaction("executor hung: a lease of 500 ms ends", lost_s)
    assert graph.executor.process.poll() is None  # the process and its DDS threads live
    client.wait_for(lambda: graph.speed < 0.05, "rest")
    graph.executor.kill()
    commands = len(graph.commands)
    graph.skills.clear()
    start_node("skill_executor", bundle=bundle, max_age_s=0.5)
    client.wait_for(lambda: graph.skills and not graph.skills[-1].reason, "a new executor that is ready")
    assert len(graph.commands) <= commands + 1
    client.wait_for(
        lambda: graph.action.server_is_ready() and graph.execute((0.1, 0.1)).outcome == COMPLETED, "a skill"
    )


def test_executor_that_was_stopped_does_not_go_on_with_its_skill(client, start_node, bundle) -> None:
    graph = SkillGraph(client, start_node, bundle, "realtime", max_missed=2)
    handle = graph.begin((1.0, 1.0))
    graph.executor.process.send_signal(signal.SIGSTOP)
    client.spin_for(0.6)
    commands = len(graph.commands)
    graph.executor.process.send_signal(signal.SIGCONT)
    result = graph.result(handle)
    assert result.outcome == STOPPED and "control periods were missed" in result.message
    graph.wait_for_state(SkillStatus.LATCHED)
    assert_within(load_kitchen_scene().limits, graph.commands[commands - 1 :])
    graph.reset()
    assert graph.execute((0.1, 0.1)).outcome == COMPLETED


def test_second_executor_is_refused_and_the_first_goes_on(client, start_node, bundle) -> None:
    graph = SkillGraph(client, start_node, bundle, "realtime")
    handle = graph.begin((0.2, 0.2))
    code, output = start_node("skill_executor", bundle=bundle).wait()
    assert code == 2 and "a commander already runs" in output and "process" in output
    assert graph.result(handle).outcome == COMPLETED
    assert graph.execute((0.1, 0.1)).outcome == COMPLETED


def test_unbounded_decoder_never_leaves_the_limits_and_nan_stops_it(client, start_here, tmp_path) -> None:
    tan = write_kitchen_bundle(tmp_path / "tan", squash="Tan", share_of_limits=0.3)
    limits = load_bundle(tan, "cpu").description.joint_limits()
    graph = SkillGraph(client, start_here, tan, "lockstep")
    generator = np.random.default_rng(0)
    results = [graph.execute(generator.normal(0.0, 1e3, 2)) for _ in range(12)]
    assert all(result.outcome == COMPLETED and result.steps == HORIZON for result in results)
    client.wait_for(lambda: len(graph.commands) >= 12 * HORIZON, "all commands")
    assert_within(limits, graph.commands)
    assert max(result.interventions for result in results) > 0
    other = write_kitchen_bundle(tmp_path / "asin", squash="Asin", share_of_limits=0.3)
    assert client.call(LoadBundle, "load_bundle", LoadBundle.Request(path=str(other))).success
    result = graph.execute((1e3, 1e3))
    assert result.outcome == STOPPED and "the decoder gives" in result.message and result.steps == 0
    graph.wait_for_state(SkillStatus.LATCHED)
    assert_within(limits, graph.commands)
    graph.reset()
    assert graph.execute((0.1, 0.1)).outcome == COMPLETED


def test_bundles_are_refused_or_swapped_during_motion_without_a_missing_step(
    client, start_here, bundle, tmp_path
) -> None:
    # At a fifth of the speed a skill takes two seconds: time to load beside it.
    graph = SkillGraph(client, start_here, bundle, "realtime", speed=0.2)
    corrupt = write_kitchen_bundle(tmp_path / "corrupt", name="corrupt")
    (corrupt / "skill_decoder.onnx").write_bytes((corrupt / "skill_decoder.onnx").read_bytes()[:-7])
    other = write_kitchen_bundle(tmp_path / "other", name="other", scale=-1.0)
    handle = graph.begin((0.5, 0.0))
    refused = client.call(LoadBundle, "load_bundle", LoadBundle.Request(path=str(corrupt)))
    assert not refused.success and refused.bundle == "kitchen_test"
    swapped = client.call(LoadBundle, "load_bundle", LoadBundle.Request(path=str(other)))
    assert swapped.success and "from the next skill on" in swapped.message
    result = graph.result(handle)
    assert (result.outcome, result.steps) == (COMPLETED, HORIZON)
    assert [feedback.step for feedback in graph.feedback] == list(range(1, HORIZON + 1))
    assert {status.bundle for status in graph.skills if status.state == SkillStatus.EXECUTING} == {"kitchen_test"}
    assert graph.execute((0.5, 0.0)).outcome == COMPLETED
    client.wait_for(lambda: graph.skills[-1].bundle == "other", "the other bundle")


def test_bundle_of_another_rate_stops_in_lockstep(client, start_here, tmp_path) -> None:
    graph = SkillGraph(client, start_here, write_kitchen_bundle(tmp_path / "fast", rate_hz=20.0), "lockstep")
    result = graph.execute((0.2, 0.2))
    assert result.outcome == STOPPED
    assert "a command lasted 0.0800 s in the simulator, expected 0.0500 s" in result.message
