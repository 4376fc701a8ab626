"""The monitor's page: the scene, what is known of the graph, and buttons. Built on viser, in its threads and ours."""

from collections.abc import Callable

import numpy as np
import viser

from spirl_ros.monitoring import page_html
from spirl_ros.monitoring.kitchen_meshes import KitchenMeshes
from spirl_ros.monitoring.orders import PAUSE, RELEASE, RESET, RESUME, SOURCE, START, STOP, TASK, Order
from spirl_ros.monitoring.page_server import PageServer
from spirl_ros.monitoring.training_history import CHARTS, TrainingHistory
from spirl_ros.monitoring.views import GraphView
from spirl_ros.tasks.kitchen.scene import KitchenScene
from spirl_ros.tasks.kitchen.subtasks import SUBTASKS, TASKS

_CAMERA_M, _LOOK_AT_M = (0.75, -1.35, 2.75), (-0.2, 0.45, 1.8)
_LINE_COLOURS = ("#1864ab", "#b35c00")
_TRAIL_THICKNESS_M = 0.008


class MonitorPage:
    """Shows one graph to any number of viewers. Everything but the buttons is called from one thread."""

    def __init__(
        self,
        host: str,
        port: int,
        scene: KitchenScene,
        on_order: Callable[[Order], None],
        on_viewers: Callable[[], None],
    ) -> None:
        """Open the page.

        Args:
            host: address to listen on.
            port: where; the next free one if it is taken.
            scene: compiled with visuals.
            on_order: called from threads of the server when a button is pressed.
            on_viewers: called from threads of the server when a viewer comes or goes.

        Raises:
            ConfigError: there is no such address on this machine.
        """
        self._server = server = PageServer(host, port)
        self._on_order = on_order
        self._html: dict[str, viser.GuiHtmlHandle] = {}
        self._charts: list[viser.GuiUplotHandle] = []
        self._trail: viser.LineSegmentsHandle | None = None
        server.gui.configure_theme(dark_mode=False, show_logo=False, show_share_button=False, control_width="large")
        server.gui.set_panel_label("spirl_ros")
        server.gui.main_panel.dock_right()
        server.initial_camera.position, server.initial_camera.look_at = _CAMERA_M, _LOOK_AT_M
        self.meshes = KitchenMeshes(server, scene)
        self._lay_out()
        self._is_open = True

        # A coroutine runs in the server's own thread; viser's thread pool is gone already when the last viewers are cut off.
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

    def show(self, view: GraphView) -> None:
        """Say what is known; only what changed is sent."""
        texts = {
            "status": page_html.status_html(view),
            "task": page_html.task_html(view.task),
            "skill": page_html.skill_html(view.skill, view.choice),
            "safety": page_html.safety_html(view.safety),
            "health": page_html.health_html(view.health, view),
        }
        for name, text in texts.items():
            self._say(name, text)
        is_latched = view.skill is not None and view.skill.state in ("latched", "braking")
        if self._release.disabled == is_latched:
            self._release.disabled = not is_latched

    def show_answer(self, text: str, is_failure: bool = False) -> None:
        """Say what the last button led to."""
        self._say("answer", page_html.answer_html(text, is_failure))

    def show_paused(self, is_paused: bool) -> None:
        """Let the pause button say what it would do."""
        if self._is_paused != is_paused:
            self._is_paused = is_paused
            self._pause.label = "Continue (P)" if is_paused else "Pause (P)"

    def show_source(self, source: str) -> None:
        """Mark who chooses skills: `policy`, `prior`, or empty for nobody who can be asked."""
        self._source.disabled = self._start.disabled = not source
        if source and self._source.value != source:
            self._source.value = source  # pyright: ignore[reportAttributeAccessIssue]

    def show_training(self, history: TrainingHistory, text: str) -> None:
        """Draw the training curves; they appear with the first one."""
        self._training.visible = True
        self._say("training", text)
        for chart, handle in zip(CHARTS, self._charts, strict=True):
            curves = history.curves(chart)
            if len(curves[0]) > 1:
                handle.data, handle.visible = curves, True

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

    def close(self) -> None:
        """Close the page."""
        self._is_open = False
        self._server.stop()

    def _say(self, name: str, text: str) -> None:
        handle = self._html[name]
        if handle.content != text:
            handle.content = text

    def _lay_out(self) -> None:
        gui = self._server.gui
        self._html["status"] = gui.add_html("")
        self._button("Emergency stop (S)", "S", "brake and stay at rest", lambda: Order(STOP), color="red")
        self._release = self._button("Release the latch", None, "let skills move the arm again", lambda: Order(RELEASE))
        self._release.disabled = True
        self._html["answer"] = gui.add_html("")
        with gui.add_folder("Task"):
            self._html["task"] = gui.add_html("")
            self._pause = self._button(
                "Pause (P)", "P", "whoever chooses what the arm does rests", lambda: Order(self._pause_or_resume())
            )
            self._is_paused = False
            self._start = self._button("Start episodes (E)", "E", "the policy begins", lambda: Order(START))
            self._start.disabled = True
            self._button("Reset scene (R)", "R", "begin a new episode", lambda: Order(RESET))
            self._task = gui.add_dropdown("Next task", (*TASKS, *SUBTASKS), hint="begins with a reset of the scene")
            self._task.on_update(lambda event: self._order_by_person(event, Order(TASK, self._task.value)))
            self._source = gui.add_dropdown("Skills by", ("policy", "prior"), disabled=True, hint="who chooses skills")
            self._source.on_update(lambda event: self._order_by_person(event, Order(SOURCE, self._source.value)))
        with gui.add_folder("Skill"):
            self._html["skill"] = gui.add_html("")
        with gui.add_folder("Safety filter"):
            self._html["safety"] = gui.add_html("")
        with gui.add_folder("Nodes"):
            self._html["health"] = gui.add_html("")
        self._training = gui.add_folder("Training")
        self._training.visible = False
        with self._training:
            self._html["training"] = gui.add_html("")
            for chart in CHARTS:
                self._charts.append(_add_chart(gui, chart.title, chart.fields))

    def _button(
        self, label: str, key: str | None, hint: str, order: Callable[[], Order], color: str | None = None
    ) -> viser.GuiButtonHandle:
        """A button, and the same under a key of the keyboard."""
        gui = self._server.gui
        button = gui.add_button(label, hint=hint, color=color)  # pyright: ignore[reportArgumentType]
        button.on_click(lambda _: self._on_order(order()))
        if key is not None:
            command = gui.add_command(label.partition(" (")[0], description=hint, hotkey=key)  # pyright: ignore[reportArgumentType]
            command.on_trigger(lambda _: self._on_order(order()))
        return button

    def _pause_or_resume(self) -> str:
        return RESUME if self._is_paused else PAUSE

    def _order_by_person(self, event: viser.GuiEvent, order: Order) -> None:
        # The page's own changes of a value come without a client.
        if event.client is not None:
            self._on_order(order)


def _add_chart(gui: viser.GuiApi, title: str, fields: tuple[str, ...]) -> viser.GuiUplotHandle:
    nothing = np.zeros(1)
    series = [{"label": "steps"}] + [
        {"label": field.replace("_", " "), "stroke": colour, "width": 1.5}
        for field, colour in zip(fields, _LINE_COLOURS, strict=False)
    ]
    return gui.add_uplot(
        (nothing, *(nothing for _ in fields)),
        tuple(series),  # pyright: ignore[reportArgumentType]
        title=title,
        scales={"x": {"time": False}},  # pyright: ignore[reportArgumentType]
        height=140,
        visible=False,
    )
