"""The web page that shows a graph and has buttons for it."""

import gc
import sys
import threading
from dataclasses import dataclass

from spirl_ros.control.periodic_thread import PeriodicThread
from spirl_ros.monitoring.order_queue import OrderQueue
from spirl_ros.monitoring.orders import Order
from spirl_ros.monitoring.page import MonitorPage
from spirl_ros.monitoring.page_html import training_html
from spirl_ros.monitoring.tool_paths import ToolPaths
from spirl_ros.monitoring.training_history import TrainingHistory
from spirl_ros.nodes.graph.graph_listener import GraphListener, full_name
from spirl_ros.nodes.graph.graph_orders import FAILURE, OWN_RUN, RUNS_BEGUN, SOURCE_PARAMETER, GraphOrders
from spirl_ros.nodes.graph.managed_node import OK, WARN, ManagedNode, run
from spirl_ros.nodes.graph.parameters import names_in, parameter, read_parameters
from spirl_ros.nodes.viewers.monitor_views import to_training_view
from spirl_ros.tasks.families import DEFAULT_FAMILY, find_family
from spirl_ros.tasks.scene_view import find_view

NO_SCENE = "none"
IDLE_PERIOD_S = 0.5
"""How often the node looks while nobody looks at it [s]."""
TEXT_PERIOD_S = 0.2
"""How often texts and bars are renewed [s]."""


@dataclass(frozen=True)
class MonitorConfig:
    """Parameters of the monitor."""

    host: str = parameter(
        "127.0.0.1", "address to listen on; 0.0.0.0 lets other machines see the page and press buttons"
    )
    port: int = parameter(8080, "port of the page; the next free one if it is taken", minimum=0, maximum=65535)
    rate_hz: float = parameter(33.0, "how often the scene is drawn [Hz]", minimum=1.0, maximum=100.0)
    scene: str = parameter(DEFAULT_FAMILY, "task family whose scene is drawn; none draws nothing, beside real arms")
    joint_state_topic: str = parameter("joint_states", "measured joint states")
    executor: str = parameter("skill_executor", "node that executes skills; the emergency stop is a service of it")
    policy: str = parameter("skill_policy", "node that chooses skills")
    deciders: str = parameter(
        "trainer,scripted_operator,teleop",
        "other nodes that decide what the arm does, for the pause, separated by commas",
    )


class Monitor(ManagedNode):
    """Shows what a GraphListener heard on a MonitorPage, and hands what its buttons ask for to GraphOrders.

    While somebody looks, a thread of its own draws: rclpy's executor costs more per turn than a picture does. The
    node's
    thread does the rest, and a lock keeps the two apart. The web server's threads only leave orders in a queue and wake
    the node. Without a viewer the node listens to almost nothing.
    """

    def __init__(self) -> None:
        """Declare the parameters."""
        super().__init__("monitor", MonitorConfig)
        self._lock = threading.RLock()
        self._thread: PeriodicThread | None = None
        self._open_page: MonitorPage | None = None

    def configure(self) -> None:
        """Open the page."""
        self._config = config = read_parameters(self, MonitorConfig)
        view = None if config.scene == NO_SCENE else find_view(config.scene)
        pictures = () if view is None else find_family(config.scene).robot.observation.pictures
        self._orders = OrderQueue()
        self._wake = self.create_guard_condition(self._on_wake)
        executor = full_name(self.get_namespace(), config.executor)
        self._page = MonitorPage(config.host, config.port, view, self._on_order, self._wake.trigger, executor, pictures)
        self._open_page = self._page
        scene = None if view is None else view.load_scene()
        self._listener = GraphListener(self, scene, config.joint_state_topic, pictures)
        self._deciders = names_in(config.deciders)
        self._graph = GraphOrders(
            self, config.executor, config.policy, self._deciders, self._page.show_answer, self._has_own_run
        )
        self._told_failure = ("", "")
        self._history = TrainingHistory()
        self._paths = ToolPaths()
        # The meshes stay: a full collection would look through all of them again and again.
        gc.collect()
        gc.freeze()

    def activate(self) -> None:
        """Begin to show."""
        self._frame_rate_hz = 0.0
        self._timer = self.create_timer(IDLE_PERIOD_S, self._look_around, clock=self.steady_clock)
        self._set_pace()
        self.get_logger().info(f"the page is at {self._page.url}")

    def deactivate(self) -> None:
        """Show nothing new."""
        self.destroy_timer(self._timer)
        self._stop_drawing()

    def cleanup(self) -> None:
        """Close the page."""
        self._close_page()
        self._listener.close()
        self._graph.close()
        self.destroy_guard_condition(self._wake)
        gc.unfreeze()

    def destroy_node(self) -> None:
        """End the node; its page first, whose viewers are cut off then and would wake a node that is gone."""
        self._close_page()
        super().destroy_node()

    def _close_page(self) -> None:
        page, self._open_page = self._open_page, None
        if page is not None:
            page.close()

    def diagnose(self) -> tuple[bytes, str, dict[str, object]]:
        """Where the page is, who looks at it, and how often it is drawn."""
        if not self.is_active:
            return OK, "not active", {}
        values: dict[str, object] = {
            "page": self._page.url,
            "viewers": self._page.viewers,
            "page rate [Hz]": self._frame_rate_hz,
            "orders waiting": len(self._orders),
            **self._listener.diagnose(self.now_s()),
        }
        thread = self._thread
        if thread is None:
            return OK, "nobody looks", values
        timing = thread.timing()
        age_s = self._listener.state_age_s(self.now_s())
        values |= {
            "worst lateness [ms]": timing.worst_lateness_s * 1e3,
            "missed ticks": timing.missed,
            "joint state age [s]": age_s,
        }
        return (OK, "showing", values) if age_s < 1.0 else (WARN, "no joint states to show", values)

    def _on_order(self, order: Order) -> None:
        self._orders.put(order)
        self._wake.trigger()

    def _on_wake(self) -> None:
        """A button was pressed, or a viewer came or went."""
        while (order := self._orders.take()) is not None:
            self.get_logger().info(f"ordered on the page: {order.what} {order.value}".rstrip())
            self._graph.carry_out(order)
            self._show_choices()
        if self.is_active:
            self._set_pace()

    def _set_pace(self) -> None:
        """Draw while somebody looks at the page, and hardly do anything otherwise."""
        is_watched = self._page.viewers > 0
        if is_watched and self._thread is None:
            self._listener.open()
            self._frames, self._texts_due_s, self._counted_since_s = 0, self.now_s(), self.now_s()
            self._thread = PeriodicThread("page", 1.0 / self._config.rate_hz, self._draw, self.fail)
            self._thread.start()
        elif not is_watched:
            self._stop_drawing()
        self._timer.timer_period_ns = round(1e9 * (TEXT_PERIOD_S if is_watched else IDLE_PERIOD_S))

    def _stop_drawing(self) -> None:
        if self._thread is not None:
            self._thread.stop()
            self._thread = None
            self._frame_rate_hz = 0.0
        self._listener.shut()

    def _draw(self) -> None:
        """One picture, in the page's thread."""
        now_s, listener, page = self.now_s(), self._listener, self._page
        with self._lock:
            if listener.look_at_states(now_s):
                if page.meshes is not None:
                    page.meshes.show(listener.positions.values)
                    self._paths.add(listener.skill_id, page.meshes.tool_position())
                self._frames += 1
            if now_s < self._texts_due_s:
                return
            self._texts_due_s = now_s + TEXT_PERIOD_S
            if now_s - self._counted_since_s >= 1.0:
                self._frame_rate_hz = self._frames / (now_s - self._counted_since_s)
                self._frames, self._counted_since_s = 0, now_s
            if listener.look_at_statuses(now_s):
                self._paths.clear()
            for name, picture in listener.look_at_pictures().items():
                page.show_picture(name, picture)
            page.show_trail(*self._paths.segments())
            page.show(listener.view(now_s, self._frame_rate_hz, page.viewers), listener.safety_silent_s(now_s))

    def _look_around(self) -> None:
        """What is slow: answers, diagnostics, training."""
        self._graph.poll()
        with self._lock:
            training = self._listener.look_at_diagnostics(self.now_s())
            self._show_choices()
            self._show_failure()
            if training is not None:
                view = to_training_view(training)
                if self._history.add(view):
                    self._page.show_training(self._history, training_html(view))

    def _show_choices(self) -> None:
        """Who chooses, and who rests: what was ordered last, or what diagnostics tell."""
        now_s, listener, config = self.now_s(), self._listener, self._config
        with self._lock:
            names = (config.policy, *self._deciders)
            is_paused = any(listener.lifecycle_state(name) == "inactive" for name in names)
            self._page.show_paused(self._graph.is_paused.shown(is_paused, now_s))
            source = listener.diagnostic(config.policy, SOURCE_PARAMETER)
            self._page.show_source(self._graph.source.shown(source, now_s))

    def _show_failure(self) -> None:
        """Say once why the policy gave its episodes up: what was ordered before may have been answered with success."""
        if self._graph.are_under_way:  # the answer would take the place of the reason
            return
        policy = self._config.policy
        run, reason = (self._listener.diagnostic(policy, key) for key in (RUNS_BEGUN, FAILURE))
        if reason and (run, reason) != self._told_failure:
            self._page.show_answer(f"{policy} stopped {reason}", is_failure=True)
        self._told_failure = run, reason

    def _has_own_run(self) -> bool:
        return bool(self._listener.diagnostic(self._config.policy, OWN_RUN))


def main() -> None:
    """Run the node."""
    sys.exit(run(Monitor))


if __name__ == "__main__":
    main()
