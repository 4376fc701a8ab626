"""The monitor's page: the scene, what is known of the graph, and buttons. Built on viser, in its threads and ours."""

from collections.abc import Callable, Sequence

import numpy as np
import viser

from spirl_ros.control.observation_fields import Field
from spirl_ros.monitoring import page_html
from spirl_ros.monitoring.chart_html import charts_html
from spirl_ros.monitoring.gauges import gauges
from spirl_ros.monitoring.orders import PAUSE, RELEASE, RESET, RESUME, SOURCE, START, STOP, TASK, Order
from spirl_ros.monitoring.page_additions import STAYS_IN_VIEW
from spirl_ros.monitoring.page_server import PageServer
from spirl_ros.monitoring.page_silence import executor_silent_s
from spirl_ros.monitoring.scene_meshes import SceneMeshes
from spirl_ros.monitoring.training_history import CHARTS, TrainingHistory
from spirl_ros.monitoring.views import GraphView
from spirl_ros.tasks.scene_view import SceneView

_TRAIL_THICKNESS_M = 0.008
_TRAINING_WIDTH_PX = 320
_CAMERA_WIDTH_PX = 192

# Keys that viser does not move the camera with: W, A, S, D, Q and E are taken.
_STOP_KEY, _PAUSE_KEY, _START_KEY, _RESET_KEY = "X", "P", "G", "R"
_PAUSE, _CONTINUE = f"Pause/end ({_PAUSE_KEY})", f"Continue ({_PAUSE_KEY})"
_START, _RESET = f"Start ({_START_KEY})", f"Reset ({_RESET_KEY})"
_ORDERS = {_PAUSE: Order(PAUSE), _CONTINUE: Order(RESUME), _START: Order(START), _RESET: Order(RESET)}
_SOURCES = ("policy", "prior")
_CHOSEN = "✔ "
"""Before the label of the one who chooses skills."""


class MonitorPage:
    """Shows one graph to any number of viewers. Everything but the buttons is called from one thread."""

    def __init__(
        self,
        host: str,
        port: int,
        scene: SceneView | None,
        on_order: Callable[[Order], None],
        on_viewers: Callable[[], None],
        executor: str = "skill_executor",
        pictures: Sequence[Field] = (),
    ) -> None:
        """Open the page.

        Args:
            host: address to listen on.
            port: where; the next free one if it is taken.
            scene: what is drawn, and which tasks there are; None for nothing.
            on_order: called from threads of the server when a button is pressed.
            on_viewers: called from threads of the server when a viewer comes or goes.
            executor: full name of the node whose diagnostics the gauges show, without the first slash.
            pictures: what cameras take, by field.

        Raises:
            ConfigError: there is no such address on this machine.
        """
        self._server = server = PageServer(host, port)
        self._on_order, self._executor = on_order, executor
        self._html: dict[str, viser.GuiHtmlHandle] = {}
        self._images: dict[str, viser.GuiImageHandle] = {}
        self._trail: viser.LineSegmentsHandle | None = None
        server.gui.configure_theme(dark_mode=False, show_logo=False, show_share_button=False, control_width="large")
        server.gui.set_panel_label("spirl_ros")
        server.gui.main_panel.dock_right()
        self.meshes: SceneMeshes | None = None
        if scene is not None:
            server.initial_camera.position, server.initial_camera.look_at = scene.look()
            self.meshes = SceneMeshes(server, scene)
        self._lay_out(() if scene is None else scene.tasks, pictures)
        self._is_open = True

        # A coroutine runs in the server's own thread; viser's thread pool is gone already when the last viewers are cut
        # off.
        async def report(_: viser.ClientHandle) -> None:
            if self._is_open:
                on_viewers()

        server.on_client_connect(report)
        server.on_client_disconnect(report)

    @property
    def url(self) -> str:
        """Where the page is."""
        return self._server.url

    @property
    def viewers(self) -> int:
        """How many look at it now."""
        return len(self._server.get_clients())

    def show(self, view: GraphView, safety_silent_s: float = 0.0) -> None:
        """Say what is known; only what changed is sent. The safety filter has been silent for so long [s], 0 if not."""
        silent_s = executor_silent_s(view, self._executor)
        safety_silent_s = max(safety_silent_s, silent_s)
        texts = {
            "status": page_html.status_html(view, silent_s),
            "task": page_html.task_html(view.task),
            "skill": page_html.skill_html(view.skill, view.choice, silent_s),
            "safety": page_html.safety_html(view.safety, safety_silent_s),
            "problem": page_html.problem_html(view.health),
            "gauges": page_html.gauges_html(gauges(view, self._executor, safety_silent_s > 0.0)),
            "health": page_html.health_html(view.health, view),
        }
        for name, text in texts.items():
            self._say(name, text)
        is_latched = view.skill is not None and view.skill.state in ("latched", "braking")
        if self._release.visible != is_latched:
            self._release.visible = is_latched

    def show_answer(self, text: str, is_failure: bool = False) -> None:
        """Say what the last button led to."""
        self._say("answer", page_html.answer_html(text, is_failure))

    def show_paused(self, is_paused: bool) -> None:
        """Let the pause button say what it would do."""
        self._is_paused = is_paused
        self._offer_buttons()

    def show_source(self, source: str) -> None:
        """Mark who chooses skills: `policy`, `prior`, or empty for nobody who can be asked."""
        self._has_policy = bool(source)
        self._offer_buttons()
        if self._source.visible != self._has_policy:
            self._source.visible = self._has_policy
        options = tuple(f"{_CHOSEN}{name}" if name == source else name for name in _SOURCES)
        if source and self._source.options != options:
            self._source.options = options

    def show_training(self, history: TrainingHistory, text: str) -> None:
        """Draw the training curves; they appear with the first one."""
        if not self._training.visible:
            self._training.visible = True
        self._say("training", text + charts_html(CHARTS, history))

    def show_trail(self, points: np.ndarray, colours: np.ndarray) -> None:
        """Draw the way of the tool: segments (N, 2, 3) [m] and their colours (N, 3), 0 to 255."""
        ends = np.repeat(colours[:, None], 2, axis=1).astype(np.uint8)
        with self._server.atomic():
            if self._trail is None:
                self._trail = self._server.scene.add_line_segments(
                    "/trail", points.astype(np.float32), ends, thickness=_TRAIL_THICKNESS_M
                )
            elif not np.array_equal(points.astype(np.float32), self._trail.points):
                self._trail.points, self._trail.colors = points.astype(np.float32), ends

    def show_picture(self, name: str, picture: np.ndarray) -> None:
        """Show the newest picture (H, W, C) of a field, its pixels as squares."""
        times = max(1, _CAMERA_WIDTH_PX // picture.shape[1])
        large = picture.repeat(times, axis=0).repeat(times, axis=1)
        self._images[name].image = np.broadcast_to(large, (*large.shape[:2], 3))

    def close(self) -> None:
        """Close the page."""
        self._is_open = False
        self._server.stop()

    def _say(self, name: str, text: str) -> None:
        handle = self._html[name]
        if handle.content != text:
            handle.content = text

    def _lay_out(self, tasks: tuple[str, ...], pictures: Sequence[Field]) -> None:
        """What matters at a glance comes first and fits a laptop's screen of 1366 x 768 without scrolling."""
        gui = self._server.gui
        # On top, where nothing that appears above it can push it away from under the pointer, and always in view.
        gui.add_html(STAYS_IN_VIEW)
        stop = gui.add_button(f"Emergency stop ({_STOP_KEY})", hint="brake and stay at rest", color="red")
        self._on_press(stop.on_click, lambda _: Order(STOP))
        self._release = gui.add_button("Release the latch", hint="let skills move the arm again", visible=False)
        self._on_press(self._release.on_click, lambda _: Order(RELEASE))
        for name in ("status", "answer", "problem"):
            self._html[name] = gui.add_html("")
        with gui.add_folder("Task"):
            self._html["task"] = gui.add_html("")
            self._is_paused = self._has_policy = False
            self._buttons = gui.add_button_group(
                "Episodes",
                (_PAUSE, _RESET),
                hint="Pause: the episode ends, and whoever decides what the arm does rests. Start: the policy begins. "
                "Reset: a new episode.",
            )
            self._on_press(self._buttons.on_click, _ORDERS.get)
            # No dropdown: its text field would keep the focus, and the emergency stop's key would be text.
            hint = "policy: its mean. prior: samples of the skill prior. The episode under way ends."
            self._source = gui.add_button_group("Skills by", _SOURCES, visible=False, hint=hint)
            # Who chooses already is not taken down and up again.
            self._on_press(self._source.on_click, lambda name: Order(SOURCE, name) if name in _SOURCES else None)
        with gui.add_folder("Skill"):
            self._html["skill"] = gui.add_html("")
        with gui.add_folder("Safety and timing"):
            self._html["safety"] = gui.add_html("")
            self._html["gauges"] = gui.add_html("")
        if tasks:
            with gui.add_folder("Next task"):
                hint = "begins with a reset of the scene; a policy does the task alone that it was trained for"
                choice = gui.add_button_group("Reset to", tasks, hint=hint)
                self._on_press(choice.on_click, lambda label: Order(TASK, label))
        if pictures:
            with gui.add_folder("Cameras"):
                for field in pictures:
                    nothing = np.zeros((field.shape[0], field.shape[1], 3), np.uint8)
                    self._images[field.name] = gui.add_image(nothing, label=field.source)
        with gui.add_folder("Nodes"):
            self._html["health"] = gui.add_html("")
        self._add_key("Emergency stop", _STOP_KEY, lambda: Order(STOP))
        self._add_key("Pause or continue", _PAUSE_KEY, self._pause_or_continue)
        self._add_key("Start", _START_KEY, lambda: Order(START))
        self._add_key("Reset", _RESET_KEY, lambda: Order(RESET))
        self._training = gui.add_panel(visible=False)
        with self._training.add_tab("Training"):
            self._html["training"] = gui.add_html("")
        self._training.dock_left()
        self._training.set_width(_TRAINING_WIDTH_PX)

    def _add_key(self, label: str, key: str, order: Callable[[], Order]) -> None:
        """A key of the keyboard, which works wherever the focus is but in the fields of viser's own settings."""
        command = self._server.gui.add_command(label, hotkey=key)  # pyright: ignore[reportArgumentType]
        self._on_press(command.on_trigger, lambda _: order())

    def _pause_or_continue(self) -> Order:
        """What its key asks for; a second press is the other one, also before anybody has answered the first."""
        self._is_paused = not self._is_paused
        return Order(PAUSE if self._is_paused else RESUME)

    def _on_press(self, subscribe: Callable[[Callable], object], order_of: Callable[[str], Order | None]) -> None:
        """Have a button or key ask for what `order_of` makes of the label that was pressed, if anything."""

        # A coroutine runs before the next press is taken in; in viser's thread pool presses could change places, and
        # the value be another one by then.
        async def press(event: viser.GuiEvent | viser.CommandEvent) -> None:
            order = order_of(str(getattr(event.target, "value", "")))
            if order is not None:
                self._on_order(order)

        subscribe(press)

    def _offer_buttons(self) -> None:
        """Offer what can be done now; the pause's button says what it would do."""
        start = (_START,) if self._has_policy else ()
        options = (_CONTINUE if self._is_paused else _PAUSE, *start, _RESET)
        if self._buttons.options != options:
            self._buttons.options = options
