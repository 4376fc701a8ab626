"""The action `execute_skill`: goals in, feedback at every step, one result each."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rclpy.action.server import ActionServer, CancelResponse, GoalEvent, GoalResponse, ServerGoalHandle

from spirl_msgs.action import ExecuteSkill
from spirl_ros.control.skill_sequence import Outcome, SkillReport, SkillRequest
from spirl_ros.errors import SkillError
from spirl_ros.nodes.executor.executor_status import StepRecord
from spirl_ros.nodes.graph.managed_node import ManagedNode
from spirl_ros.nodes.graph.messages import stamp_ns

RESULT_KEPT_S = 10
"""How long the result of a goal may still be asked for [s]. rclpy keeps everything of a goal for 900 s otherwise:
20,000 goals of a training in lockstep, each of which is in every status of the action."""


@dataclass(eq=False)
class _Goal:
    """A goal of the action, and the skill it asked for."""

    request: SkillRequest
    handle: ServerGoalHandle
    step: int = 0
    """Control steps of it that were told."""


class ExecuteSkillAction:
    """Matches goals with the skills that were begun for them.

    Goals arrive in the node's thread. Steps may be told from another one, so a lock is shared with the steps.
    """

    def __init__(
        self,
        node: ManagedNode,
        lock: threading.RLock,
        begin: Callable[[SkillRequest, bool], None],
        cancel: Callable[[str], None],
        *,
        replaces: bool,
    ) -> None:
        """Open the action.

        Args:
            node: owns it; goals are taken while it is active.
            lock: held while goals are begun, canceled and ended.
            begin: takes a skill, and whether it may replace the one under way; raises SkillError.
            cancel: brakes, with the reason.
            replaces: a second goal replaces the one under way.
        """
        self._node, self._lock = node, lock
        self._begin, self._cancel, self._replaces = begin, cancel, replaces
        self._goals: list[_Goal] = []
        self._server = ActionServer(
            node,
            ExecuteSkill,
            "execute_skill",
            execute_callback=lambda _: ExecuteSkill.Result(),  # never called: each goal brings its own
            goal_callback=lambda _: GoalResponse.ACCEPT if node.is_active else GoalResponse.REJECT,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=self._on_cancel,
            result_timeout=RESULT_KEPT_S,
        )

    @property
    def is_under_way(self) -> bool:
        """Whether there is a goal that has not ended."""
        return bool(self._goals)

    def tell(self, record: StepRecord) -> None:
        """Send feedback and results of a step."""
        # The skills that ended did so before this step's command.
        for report in record.tick.reports:
            self._end_skill(report)
        with self._lock:
            under_way = [goal for goal in self._goals if goal.request is record.request]
        for goal in under_way:
            if goal.step == record.step:
                continue  # A control step may take several commands.
            goal.step = record.step
            goal.handle.publish_feedback(
                ExecuteSkill.Feedback(
                    step=record.step, reward=record.reward, interventions=record.interventions_of_skill
                )
            )

    def close(self) -> None:
        """Close the action."""
        self._server.destroy()

    def _on_accepted(self, handle: ServerGoalHandle) -> None:
        """Begin a goal, or end it at once: a rejection could not say why."""
        # `execute` would do this as well, but its coroutine keeps the node's thread busy until the result is there.
        handle._update_state(GoalEvent.EXECUTE)
        asked = handle.request
        latent = np.asarray(asked.latent) if len(asked.latent) else None
        request = SkillRequest(latent, observed_ns=stamp_ns(asked.observed))
        with self._lock:
            is_second = self.is_under_way
            goal = _Goal(request, handle)
            self._goals.append(goal)  # before it begins: that may be its first step
            try:
                if is_second and not self._replaces:
                    raise SkillError("a goal is under way. Wait for it or cancel it, or set second_goal to replace.")
                self._begin(request, self._replaces)
            except SkillError as error:
                self._goals.remove(goal)
                self._node.get_logger().error(f"goal refused: {error}", throttle_duration_sec=1.0)
                self._end(handle, ExecuteSkill.Result(outcome=int(Outcome.STOPPED), message=str(error)))

    def _on_cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        with self._lock:
            if all(goal.handle is not handle for goal in self._goals):
                return CancelResponse.REJECT
            self._cancel("canceled by the client")
        return CancelResponse.ACCEPT

    def _end_skill(self, report: SkillReport) -> None:
        with self._lock:
            ended = [goal for goal in self._goals if goal.request is report.request]
            for goal in ended:
                self._goals.remove(goal)
        for goal in ended:
            self._end(
                goal.handle,
                ExecuteSkill.Result(
                    outcome=int(report.outcome),
                    message=report.message,
                    latent=report.latent,
                    steps=report.steps,
                    reward=report.reward,
                    interventions=report.interventions,
                    terminated=report.terminated,
                    truncated=report.truncated,
                ),
            )

    def _end(self, handle: ServerGoalHandle, result: ExecuteSkill.Result) -> None:
        def finish(handle: ServerGoalHandle) -> ExecuteSkill.Result:
            if handle.is_cancel_requested:
                handle.canceled()
            elif result.outcome == Outcome.COMPLETED:
                handle.succeed()
            else:
                handle.abort()
            return result

        self._server.notify_execute(handle, finish)
