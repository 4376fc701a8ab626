"""`spirl up` with the real nodes: how a graph starts and, above all, how it ends."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("onnxruntime")

from spirl_ros.arms.robot_configuration import read_robot
from tests.tasks.small_family import install, put_on_path

ENDED_WITHIN_S = 5.0
KITCHEN = ("kitchen_sim", "viewer:=none")


@pytest.fixture
def environment(domain_environment: dict[str, str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """Of a graph of its own, which does not outlive a test that failed."""
    environment = domain_environment | {"SPIRL_TEST_GRAPH": str(tmp_path)}
    yield environment
    for number in processes_of(environment):
        os.kill(number, signal.SIGKILL)


def up(environment: dict[str, str], *arguments: str, graph: tuple[str, ...] = KITCHEN) -> subprocess.Popen:
    command = [sys.executable, "-m", "spirl_ros.commands.main", "up", *graph, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def processes_of(environment: dict[str, str]) -> dict[int, str]:
    """Node processes that were started with this environment, by number."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if f"SPIRL_TEST_GRAPH={environment['SPIRL_TEST_GRAPH']}".encode() in (folder / "environ").read_bytes():
                match = re.search(r"(?:spirl_ros\.nodes\.|/lib/spirl_ros/)(\w+)", command)
                if match:
                    found[int(folder.name)] = match.group(1)
        except (OSError, ValueError):
            continue  # Not a process, or one that has just ended.
    return found


def wait_for_line(process: subprocess.Popen, text: str) -> None:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if text in line:
            return
    pytest.fail(f"ended with {process.wait()} before saying '{text}'; it said {''.join(said)}")


def wait_until_gone(environment: dict[str, str], within_s: float) -> None:
    end_s = time.monotonic() + within_s
    while processes_of(environment):
        assert time.monotonic() < end_s, f"still running: {processes_of(environment)}"
        time.sleep(0.05)


@pytest.mark.parametrize("policy", ["learned", "prior", "scripted"])
def test_episodes_run_to_their_end_and_the_exit_code_is_zero(environment, policy: str) -> None:
    process = up(environment, "rate:=lockstep", "episodes:=2", "seed:=5", f"policy:={policy}")
    output, _ = process.communicate(timeout=60.0)
    assert process.returncode == 0
    assert "2 episodes: " in output and "subtasks in order on average" in output
    assert not processes_of(environment)


def test_task_of_an_installed_package_runs_to_its_end(environment, tmp_path: Path) -> None:
    put_on_path(environment, install(tmp_path))
    process = up(environment, "task:=small:in,out", "rate:=lockstep", "episodes:=2", graph=("sim", "viewer:=none"))
    output, _ = process.communicate(timeout=60.0)
    assert process.returncode == 0, output
    assert "2 episodes: 2.00 of 2 subtasks in order on average" in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_every_process_in_time(environment, number: signal.Signals) -> None:
    process = up(environment)
    wait_for_line(process, "done at step")
    assert sorted(processes_of(environment).values()) == ["mujoco_sim", "skill_executor", "skill_policy"]
    begin_s = time.monotonic()
    process.send_signal(number)
    output, _ = process.communicate(timeout=20.0)
    assert time.monotonic() - begin_s < ENDED_WITHIN_S
    assert process.returncode == 0
    assert not processes_of(environment)
    assert "Traceback" not in output


def test_node_that_crashes_at_start_ends_the_graph_with_its_code(environment, tmp_path: Path) -> None:
    params_file = tmp_path / "params.yaml"
    params_file.write_text("skill_policy: {ros__parameters: {pateince_s: 3.0}}")
    process = up(environment, f"params_file:={params_file}")
    output, _ = process.communicate(timeout=20.0)
    assert process.returncode == 2
    assert "Did you mean patience_s" in output
    assert not processes_of(environment)


def test_node_that_is_killed_ends_a_graph_that_counts_episodes(environment) -> None:
    process = up(environment, "episodes:=2")
    wait_for_line(process, "done at step")
    simulator = next(number for number, name in processes_of(environment).items() if name == "mujoco_sim")
    os.kill(simulator, signal.SIGKILL)
    process.communicate(timeout=20.0)
    assert process.returncode != 0
    wait_until_gone(environment, within_s=0.5)


def test_executor_of_an_arm_that_is_killed_comes_back_where_that_was_asked_for(environment, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from tests.nodes.arm_bundle import write_arm_bundle

    bundle = write_arm_bundle(tmp_path / "bundle", read_robot("ur5e"))
    arguments = (f"bundle:={bundle}", "use_fake_hardware:=true", "respawn:=true")
    process = up(environment, *arguments, graph=("real_arm", "robot:=ur5e"))
    for _ in range(2):
        wait_for_line(process, "bundle ur5e_test on cpu")
        executor = next(number for number, name in processes_of(environment).items() if name == "skill_executor")
        os.kill(executor, signal.SIGKILL)
    wait_for_line(process, "bundle ur5e_test on cpu")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20.0)
    assert process.returncode == 0
    assert not processes_of(environment)


def test_killed_launcher_leaves_no_process_behind(environment) -> None:
    process = up(environment)
    wait_for_line(process, "done at step")
    process.kill()
    wait_until_gone(environment, ENDED_WITHIN_S)


def test_hung_node_is_killed(environment) -> None:
    process = up(environment)
    wait_for_line(process, "done at step")
    for number in processes_of(environment):
        os.kill(number, signal.SIGSTOP)
    begin_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20.0)
    assert time.monotonic() - begin_s < ENDED_WITHIN_S
    assert output.count("did not end; killed") == 3
    assert not processes_of(environment)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rat:=lockstep"], "Did you mean rate"),
        (["task:=homework"], "light_switch"),
        (["task:=kettle"], "trained for microwave,kettle,bottom_burner,light_switch"),
        (["models:=no/such"], "expected a folder that `spirl export` wrote"),
        (["lockstep"], "name:=value"),
    ],
)
def test_bad_argument_starts_nothing(environment, arguments: list[str], told: str) -> None:
    process = up(environment, *arguments)
    output, _ = process.communicate(timeout=20.0)
    assert process.returncode == 2
    assert told in output
    assert "Traceback" not in output
