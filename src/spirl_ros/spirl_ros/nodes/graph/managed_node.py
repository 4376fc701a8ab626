"""What all nodes share: lifecycle, parameters, diagnostics, and how a process starts and ends."""

import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import try_shutdown

from spirl_ros.bringup.restarts import EXIT_BAD_INPUT, EXIT_CRASH
from spirl_ros.bringup.ros_domain import check_domain
from spirl_ros.errors import SpirlError
from spirl_ros.files.outside_text import printable
from spirl_ros.nodes.graph.parameters import declare_parameters
from spirl_ros.nodes.graph.printable_logger import PrintableLogger
from spirl_ros.nodes.graph.udp_transport import use_udp

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

_SIGNAL_CHECK_S = 0.1
"""A signal is noticed within this time: Python cannot act on one inside the executor's wait."""

_LAST_WORD_S = 0.5
"""How long the last report of a node that ends is waited for [s]."""

_PR_SET_PDEATHSIG = 1


class ManagedNode(LifecycleNode):
    """A lifecycle node that configures and activates itself unless `autostart` is false.

    Children override `configure`, `activate`, `deactivate`, `cleanup` and `diagnose`. They raise a
    SpirlError for what is the user's to mend: it is logged as one line and the transition fails.
    """

    _printable_logger: PrintableLogger | None = None

    last_turns = 0
    """What rclpy's executor still does when the node is ended and inactive, so that answers to goals are sent."""

    def __init__(self, name: str, config_type: type) -> None:
        """Declare the parameters: `autostart` and the fields of a configuration dataclass.

        Raises:
            ConfigError: a parameter is unknown or has a value that is not allowed.
        """
        super().__init__(name)
        self.exit_code: int | None = None
        self.steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._autostart = bool(self.declare_parameter("autostart", True).value)
        declare_parameters(self, config_type)
        self._diagnostics_publisher = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(1.0, self.publish_diagnostics, clock=self.steady_clock)

    def configure(self) -> None:
        """Load and create everything; nothing moves."""

    def activate(self) -> None:
        """Begin to act."""

    def deactivate(self) -> None:
        """Bring everything to rest."""

    def cleanup(self) -> None:
        """Undo `configure`."""

    def diagnose(self) -> tuple[bytes, str, dict[str, object]]:
        """Level, one sentence, and values for `/diagnostics`, asked once a second."""
        return OK, "", {}

    @property
    def is_active(self) -> bool:
        """Whether the lifecycle state is active."""
        return self._state_machine.current_state[1] == "active"

    def end(self, exit_code: int) -> None:
        """Ask the process to end with this code; may be called from any thread."""
        if self.exit_code is None:
            self.exit_code = exit_code

    def fail(self, error: BaseException) -> None:
        """A background thread died: say so and end the process."""
        self.get_logger().fatal("".join(traceback.format_exception(error)))
        self.end(EXIT_CRASH)

    def publish_diagnostics(self, *, is_last: bool = False) -> None:
        """Tell how the node is; done once a second by itself, and by a node that gives up, to say why.

        The last time it waits a moment until everybody has it: what was lost is not sent again once the process ends.
        """
        level, message, values = self.diagnose()
        status = DiagnosticStatus(
            level=level,
            name=f"{self.get_fully_qualified_name().lstrip('/')}: {self._state_machine.current_state[1]}",
            message=message,
            hardware_id="",
            values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics_publisher.publish(array)
        if is_last:
            self._diagnostics_publisher.wait_for_all_acked(Duration(seconds=_LAST_WORD_S))

    def get_logger(self) -> PrintableLogger:
        """Of the node; messages hold names and texts from outside."""
        if self._printable_logger is None:
            self._printable_logger = PrintableLogger(self._logger.name)
        return self._printable_logger

    def now_s(self) -> float:
        """Time on the steady clock [s]."""
        return time.monotonic()

    def start(self) -> None:
        """Configure and activate, if `autostart` says so."""
        if self._autostart:
            succeeded = self.trigger_configure() == TransitionCallbackReturn.SUCCESS
            succeeded = succeeded and self.trigger_activate() == TransitionCallbackReturn.SUCCESS
            if not succeeded:
                self.end(EXIT_BAD_INPUT)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle transition to inactive."""
        return self._guarded(self.configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle transition to active."""
        return self._guarded(self.activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle transition back to inactive."""
        return self._guarded(self.deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle transition back to unconfigured."""
        return self._guarded(self.cleanup)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle transition to finalized; the process ends."""
        result = TransitionCallbackReturn.SUCCESS
        if state.label == "active":
            result = self._guarded(self.deactivate)
        self.end(0)
        return result

    def _guarded(self, transition: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            transition()
        except SpirlError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            # rclpy would swallow it silently.
            self.get_logger().fatal("".join(traceback.format_exception(error)))
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def run(make_node: Callable[[], ManagedNode]) -> int:
    """Run a node until it ends, SIGINT or SIGTERM; returns the process's exit code.

    Signals are handled here and not by rclpy, which would close the context before the node
    could send its last command.
    """
    _end_with_parent()
    stop = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda signal_number, _: stop.append(signal_number))
    try:
        check_domain(os.environ)
    except SpirlError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return EXIT_BAD_INPUT
    use_udp(os.environ)
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    try:
        try:
            node = make_node()
        except SpirlError as error:
            print(f"error: {printable(str(error), limit=10_000)}", file=sys.stderr, flush=True)
            return EXIT_BAD_INPUT
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        node.start()
        while node.exit_code is None and not stop:
            executor.spin_once(timeout_sec=_SIGNAL_CHECK_S)
        if node.is_active:
            node.trigger_deactivate()
            for _ in range(node.last_turns):
                executor.spin_once(timeout_sec=0.0)
        if node.is_active:  # somebody asked for it in these turns
            node.trigger_deactivate()
        executor.shutdown()
        node.destroy_node()
        return node.exit_code or 0
    finally:
        try_shutdown()


def _end_with_parent() -> None:
    """Have the kernel send SIGTERM when the launcher dies, also by SIGKILL, if the launcher asked for it."""
    launcher = os.environ.get("SPIRL_LAUNCHER_PID")
    if launcher is not None and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(launcher):
            sys.exit("The launcher is gone.")
