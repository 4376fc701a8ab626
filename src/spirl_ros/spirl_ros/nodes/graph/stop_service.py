"""A service to stop the arm that is answered whatever else the node does."""

import threading
from collections.abc import Callable

from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import Trigger

_END_CHECK_S = 0.1


class StopService:
    """`~/stop` of a node, in its own thread, by a second node whose name is hidden: rclpy spins whole nodes."""

    def __init__(self, node: Node, stop: Callable[[], str]) -> None:
        """Begin to answer.

        Args:
            node: whose service it is.
            stop: called from the thread; must not wait. Returns what happens now.
        """
        self._stop = stop
        self._own = Node(
            f"_{node.get_name()}_stop",
            namespace=node.get_namespace(),
            context=node.context,
            use_global_arguments=False,
            start_parameter_services=False,
        )
        self._own.create_service(Trigger, node.resolve_service_name("~/stop"), self._on_stop)
        self._has_to_end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stop", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more. May be called again."""
        self._has_to_end.set()
        self._thread.join()

    def _run(self) -> None:
        executor = SingleThreadedExecutor(context=self._own.context)
        executor.add_node(self._own)
        try:
            while not self._has_to_end.is_set():
                executor.spin_once(timeout_sec=_END_CHECK_S)
        except ExternalShutdownException:
            return
        executor.shutdown()
        self._own.destroy_node()

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = True, self._stop()
        return response
