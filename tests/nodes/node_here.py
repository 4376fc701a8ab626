"""A node of ours in the test's own process, in the client's thread: no start of a process, and nothing races."""

import signal
import sys
from functools import partialmethod
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter

from spirl_ros.bringup.restarts import EXIT_BAD_INPUT
from spirl_ros.errors import SpirlError
from spirl_ros.nodes.graph.managed_node import ManagedNode
from tests.nodes.conftest import LOOKING_AROUND, Client


class NodeHere:
    """What NodeProcess is to a process. It is spun while the client waits, and never killed, stopped or hung."""

    def __init__(
        self, client: Client, capfd: pytest.CaptureFixture, executable: str, *arguments: str, make: Any, **parameters
    ) -> None:
        """Start it.

        Args:
            client: its context and its thread are the node's.
            capfd: reads what the node says.
            executable: name of its module.
            *arguments: what would follow --ros-args.
            make: makes the node; None for the node's class.
            **parameters: of the node.
        """
        if executable in LOOKING_AROUND:
            parameters = {"discovery_s": 0.0} | parameters
        module = import_module(f"spirl_ros.nodes.{executable}")
        make = _node_class(module) if make is None else make
        given = [
            Parameter(name, value=str(value) if isinstance(value, Path) else value)
            for name, value in parameters.items()
        ]
        options = {
            "context": client.context,
            "cli_args": ["--ros-args", *arguments],
            "parameter_overrides": given,
            "use_global_arguments": False,
        }
        self._client, self._capfd = client, capfd
        self.node: ManagedNode | None = None
        self._exit_code = EXIT_BAD_INPUT
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LifecycleNode, "__init__", partialmethod(LifecycleNode.__init__, **options))
            try:
                node = make()
            except SpirlError as error:
                print(f"error: {error}", file=sys.stderr)
                return
        self.node = node
        client.executor_of_tests.add_node(node)
        node.start()

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Do what SIGINT and SIGTERM do; returns exit code and what all nodes here have said."""
        assert number in (signal.SIGINT, signal.SIGTERM)
        node, self.node = self.node, None
        if node is not None:
            if node.is_active:
                node.trigger_deactivate()
                for _ in range(node.last_turns):
                    self._client.executor_of_tests.spin_once(timeout_sec=0.0)
            if node._state_machine.current_state[1] == "inactive":
                node.trigger_cleanup()  # what the end of a process frees
            self._client.executor_of_tests.remove_node(node)
            node.destroy_node()
            self._exit_code = node.exit_code or 0
        return self._exit_code, self._capfd.readouterr().err

    def wait(self) -> tuple[int, str]:
        """Wait until it ends by itself; returns the same."""
        self._client.wait_for(lambda: self.has_ended, "the node's end")
        return self.end()

    @property
    def has_ended(self) -> bool:
        """Whether it has ended by itself, or would as a process."""
        return self.node is None or self.node.exit_code is not None


def _node_class(module) -> type[ManagedNode]:
    return next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ManagedNode) and value.__module__ == module.__name__
    )
