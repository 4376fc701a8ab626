"""A client and real node processes, each test in a ROS domain of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

rclpy = pytest.importorskip("rclpy", reason="node tests need rclpy and spirl_msgs: make setup")

from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402 - after the skip
from rclpy.node import Node  # noqa: E402
from rclpy.qos import QoSProfile  # noqa: E402
from rclpy.utilities import try_shutdown  # noqa: E402

from tests.local_ros import stay_on_this_machine  # noqa: E402

if TYPE_CHECKING:
    from tests.nodes.node_here import NodeHere

REPOSITORY = Path(__file__).parents[2]

_REACTION = "reaction: "

LOOKING_AROUND = ("mujoco_sim", "skill_executor", "teleop")
"""These look for another of their kind before they begin; in tests only where it is about that."""

DEADLINE_S = 20.0
"""How long anything may take on a busy machine."""


class Client(Node):
    """What tests talk to the nodes with."""

    def __init__(self, context: Context) -> None:
        super().__init__("test_client", context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self)

    @property
    def executor_of_tests(self) -> SingleThreadedExecutor:
        """What spins this node, and those that tests run in this process."""
        return self._executor

    def wait_for(self, condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
        """Spin until the condition holds; fail when it does not in time."""
        end_s = time.monotonic() + deadline_s
        while not condition():
            assert time.monotonic() < end_s, f"waited {deadline_s} s for {what}"
            self._executor.spin_once(timeout_sec=0.05)

    def spin_for(self, duration_s: float) -> None:
        """Spin for a time."""
        end_s = time.monotonic() + duration_s
        while time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.02)

    def call(self, service_type, name: str, request) -> Any:
        """Call a service and return its answer."""
        client = self.create_client(service_type, name)
        self.wait_for(client.service_is_ready, f"service {name}")
        future = client.call_async(request)
        self.wait_for(future.done, f"an answer of {name}")
        self.destroy_client(client)
        return future.result()

    def collect(self, message_type, topic: str, qos: QoSProfile | int = 10) -> list:
        """A list that grows with what arrives on a topic."""
        messages: list = []
        self.create_subscription(message_type, topic, messages.append, qos)
        return messages


class NodeProcess:
    """A node of ours, or a module of the tests with its arguments, as a process with its output."""

    def __init__(self, executable: str, environment: dict[str, str], *arguments: str, **parameters) -> None:
        if executable in LOOKING_AROUND:
            parameters = {"discovery_s": 0.0} | parameters
        module = executable.split() if "." in executable else [f"spirl_ros.nodes.{executable}"]
        command = [sys.executable, "-m", *module, "--ros-args", *arguments]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={str(value).lower() if isinstance(value, bool) else value}"]
        self.command = command
        self.process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Send a signal, wait, and return exit code and output."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        """Wait for the end; returns exit code and output."""
        output, _ = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, output

    def kill(self) -> None:
        """End it at once if it still runs."""
        self.process.kill()
        assert self.process.stdout is not None
        print(f"--- {' '.join(self.command[2:])}\n{self.process.stdout.read()}")  # pytest shows it on failure
        self.process.wait()


@pytest.fixture
def reaction(record_property) -> Callable[[str, float], None]:
    """Notes how long after a moment on the steady clock [s] something was seen; the summary of the tests lists it."""
    return lambda what, since_s: record_property(f"{_REACTION}{what}", time.monotonic() - since_s)


def pytest_terminal_summary(terminalreporter) -> None:
    """List the reaction times that tests have measured, at the load of this machine."""
    reports = terminalreporter.getreports("passed")
    found = [(name, time_s) for report in reports for name, time_s in report.user_properties if _REACTION in name]
    if found:
        terminalreporter.section(f"reactions to faults, load {os.getloadavg()[0]:.1f}")
        for name, time_s in found:
            terminalreporter.write_line(f"{time_s * 1e3:6.0f} ms  {name.removeprefix(_REACTION)}")


@contextmanager
def client_in(environment: dict[str, str]) -> Iterator[Client]:
    """A client in the domain of an environment."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        stay_on_this_machine(monkeypatch, environment["ROS_DOMAIN_ID"])
        context = Context()
        rclpy.init(context=context)
        node = Client(context)
        yield node
        node.destroy_node()
        try_shutdown(context=context)


@contextmanager
def node_processes(environment: dict[str, str]) -> Iterator[Callable[..., NodeProcess]]:
    """Starts node processes in the domain of an environment and ends them with the block."""
    processes: list[NodeProcess] = []

    def start(executable: str, *arguments: str, **parameters) -> NodeProcess:
        processes.append(NodeProcess(executable, environment, *arguments, **parameters))
        return processes[-1]

    yield start
    for process in processes:
        if process.process.poll() is None:
            process.kill()


@pytest.fixture
def client(domain_environment: dict[str, str]) -> Iterator[Client]:
    with client_in(domain_environment) as client:
        yield client


@pytest.fixture
def start_node(domain_environment: dict[str, str]) -> Iterator[Callable[..., NodeProcess]]:
    """Starts node processes in the test's domain and ends them with the test."""
    with node_processes(domain_environment) as start:
        yield start


@pytest.fixture
def start_here(client: Client, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., "NodeHere"]]:
    """Starts nodes in this process, for what does not need one of their own, and ends them with the test."""
    from tests.nodes.node_here import NodeHere

    nodes: list[NodeHere] = []

    def start(executable: str, *arguments: str, make: Callable[[], Any] | None = None, **parameters) -> NodeHere:
        nodes.append(NodeHere(client, capfd, executable, *arguments, make=make, **parameters))
        return nodes[-1]

    yield start
    for node in reversed(nodes):
        node.end()
