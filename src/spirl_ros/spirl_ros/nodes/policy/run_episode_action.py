"""The action `run_episode` and its twins, the services `~/start` and `~/stop`."""

from collections.abc import Callable
from typing import NamedTuple

from rclpy.action.server import ActionServer, CancelResponse, GoalEvent, GoalResponse, ServerGoalHandle
from std_srvs.srv import Trigger

from spirl_msgs.action import RunEpisode
from spirl_ros.control.episode_moments import TaskMoment
from spirl_ros.control.episode_run import EpisodeRun
from spirl_ros.nodes.graph.managed_node import ManagedNode

RESULT_KEPT_S = 60
"""How long the result of a goal may still be asked for [s]; rclpy keeps everything of a goal for 900 s otherwise."""


class EpisodeRequest(NamedTuple):
    """What is to be run."""

    task: str
    """Empty keeps the present one."""
    episodes: int
    """0 goes on for ever."""
    seed: int | None
    """Of the first episode; None lets the simulator draw."""


class RunEpisodeAction:
    """Takes requests one at a time; each gets an answer. In the node's thread."""

    def __init__(
        self,
        node: ManagedNode,
        own_request: EpisodeRequest,
        begin: Callable[[EpisodeRequest], str],
        cancel: Callable[[str], bool],
    ) -> None:
        """Open action and services.

        Args:
            node: owns them; requests are taken while it is active.
            own_request: what `~/start` asks for.
            begin: takes a request; returns why not, or nothing.
            cancel: ends the run under way with a reason, returns whether there is one; `ended` is called for it.
        """
        self._node, self._own_request, self._begin, self._cancel = node, own_request, begin, cancel
        self._handle: ServerGoalHandle | None = None
        self._services = [
            node.create_service(Trigger, "~/start", self._on_start),
            node.create_service(Trigger, "~/stop", self._on_stop),
        ]
        self._server = ActionServer(
            node,
            RunEpisode,
            "run_episode",
            execute_callback=lambda _: RunEpisode.Result(),  # never called: each goal brings its own
            goal_callback=lambda _: GoalResponse.ACCEPT if node.is_active else GoalResponse.REJECT,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=self._on_cancel,
            result_timeout=RESULT_KEPT_S,
        )

    def tell(self, episode: int, task: TaskMoment) -> None:
        """Send feedback; `episode` is the number of the one under way, 1 is the first."""
        if self._handle is not None:
            completed = [subtask for subtask, _ in task.completed]
            self._handle.publish_feedback(RunEpisode.Feedback(episode=episode, step=task.step, completed=completed))

    def ended(self, run: EpisodeRun) -> None:
        """Answer the goal whose run is over, if it was a goal's."""
        handle, self._handle = self._handle, None
        if handle is not None:
            result = RunEpisode.Result(
                success=not run.failure,
                message=run.failure,
                completed_in_order=[result.completed_in_order for result in run.results],
                completed_any_order=[result.completed_any_order for result in run.results],
                steps=[result.steps for result in run.results],
            )
            self._end(handle, result)

    def close(self) -> None:
        """Close action and services."""
        self._server.destroy()
        for service in self._services:
            self._node.destroy_service(service)

    def _on_accepted(self, handle: ServerGoalHandle) -> None:
        """Begin a goal, or end it at once: a rejection could not say why."""
        # `execute` would do this as well, but its coroutine keeps the node's thread busy until the result is there.
        handle._update_state(GoalEvent.EXECUTE)
        goal = handle.request
        if goal.episodes < 1:
            refusal = f"episodes is {goal.episodes}, expected at least 1."
        else:
            refusal = self._begin(EpisodeRequest(goal.task, goal.episodes, goal.seed if goal.use_seed else None))
        if refusal:
            self._end(handle, RunEpisode.Result(message=refusal))
        else:
            self._handle = handle

    def _on_cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        if handle is not self._handle:
            return CancelResponse.REJECT
        # The answer is sent after this, when the handle knows that it is being canceled.
        self._cancel("canceled by the client")
        return CancelResponse.ACCEPT

    def _end(self, handle: ServerGoalHandle, result: RunEpisode.Result) -> None:
        def finish(handle: ServerGoalHandle) -> RunEpisode.Result:
            if handle.is_cancel_requested:
                handle.canceled()
            elif result.success:
                handle.succeed()
            else:
                handle.abort()
            return result

        self._server.notify_execute(handle, finish)

    def _on_start(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """For those who cannot call actions."""
        if not self._node.is_active:
            response.message = "the skill policy is not active. Activate it: ros2 lifecycle set <node> activate."
            return response
        response.message = self._begin(self._own_request)
        if not response.message:
            episodes, seed = self._own_request.episodes or "Endless", self._own_request.seed
            response.success, response.message = True, f"{episodes} episodes begin with seed {seed}."
        return response

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """What canceling does; nothing is latched."""
        response.success = self._cancel("stopped by a service call")
        response.message = "no episode is under way."
        if response.success:
            response.message = "No further skill is sent; the arm comes to rest."
        return response
