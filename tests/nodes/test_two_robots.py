"""Two robots on one machine: two whole graphs, each in its namespace, in one ROS domain."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")

from std_srvs.srv import Trigger

from spirl_msgs.msg import SkillStatus
from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.kitchen.environment import KitchenConfig, KitchenEnvironment
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.nodes.graph.messages import LATCHED_QOS
from spirl_ros.shipped import shipped
from spirl_ros.tasks.skill_environment import SkillEnvironment

SEED = 5


@pytest.fixture
def start_graph(domain_environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts the kitchen's graph; its nodes end with the launcher."""
    launchers: list[subprocess.Popen] = []

    def start(namespace: str, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "spirl_ros.commands.main", "up", "kitchen_sim", "viewer:=none"]
        launchers.append(
            subprocess.Popen(
                [*command, "rate:=lockstep", f"namespace:={namespace}", *arguments],
                env=domain_environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return launchers[-1]

    yield start
    for launcher in launchers:
        launcher.kill()
        print(f"--- {launcher.args}\n{launcher.communicate()[0]}")  # pytest shows it on failure


def steps_in_process() -> int:
    """Control steps of the episode that the right robot runs."""
    bundle = load_bundle(shipped("models/kitchen"), "cpu")
    assert bundle.policy is not None
    environment = KitchenEnvironment(KitchenConfig("kitchen"))
    rollout = SkillEnvironment(environment, KITCHEN.robot.safe_arm(), bundle.executor())
    rollout.reset(seed=SEED)
    while not environment.has_ended:
        completed = environment.progress.completed_in_order
        rollout.execute(bundle.policy.distribution(rollout.observe(), completed).latent)
    return environment.step_count


def test_stop_of_one_robot_does_not_touch_the_other(client, start_graph) -> None:
    executed = {name: client.collect(SkillStatus, f"/{name}/skill_status", LATCHED_QOS) for name in ("left", "right")}

    def state(name: str) -> int | None:
        return executed[name][-1].state if executed[name] else None

    left = start_graph("left")
    client.wait_for(lambda: state("left") == SkillStatus.EXECUTING, "motion of the left robot", 60.0)
    right = start_graph("right", "episodes:=1", f"seed:={SEED}")
    client.wait_for(lambda: state("right") == SkillStatus.EXECUTING, "motion of the right robot", 60.0)
    assert client.call(Trigger, "/left/skill_executor/stop", Trigger.Request()).success
    client.wait_for(lambda: state("left") == SkillStatus.LATCHED, "the left robot's latch")
    output, _ = right.communicate(timeout=60.0)
    assert right.returncode == 0, output
    assert f"in any, {steps_in_process()} steps" in output  # not a command, state or tick of the other one's
    assert "LATCHED" not in output
    assert state("left") == SkillStatus.LATCHED and left.poll() is None
    client.wait_for(
        lambda: client.call(Trigger, "/left/skill_executor/reset", Trigger.Request()).success, "the left robot's reset"
    )
    # The policy refuses as long as it has not heard of the release, a control period at most.
    client.wait_for(
        lambda: client.call(Trigger, "/left/skill_policy/start", Trigger.Request()).success, "the left robot's start"
    )
    client.wait_for(lambda: state("left") == SkillStatus.EXECUTING, "motion of the left robot")
    left.send_signal(signal.SIGINT)
    output, _ = left.communicate(timeout=20.0)
    assert left.returncode == 0, output
