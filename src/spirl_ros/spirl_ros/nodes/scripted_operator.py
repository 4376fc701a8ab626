"""A scripted operator that drives the arm through the same topics as any controller would."""

import math
import sys
from dataclasses import dataclass

import numpy as np
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String

from spirl_msgs.msg import RecordingStatus, SceneState, TaskStatus
from spirl_msgs.srv import ResetScene
from spirl_ros.bringup.restarts import EXIT_FAULT
from spirl_ros.control.control_beat import ControlBeat
from spirl_ros.control.event_rate import EventRate
from spirl_ros.control.observation import ObservationAssembler
from spirl_ros.control.safety_filter import SafetyState
from spirl_ros.demonstrations.operator_style import DEFAULT_STYLE
from spirl_ros.demonstrations.self_descriptions import OPERATOR_STYLE, describe_style
from spirl_ros.errors import CommandError, ConfigError, ObservationError
from spirl_ros.nodes.graph.managed_node import ERROR, OK, WARN, ManagedNode, run
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS, stamp_ns, to_action, to_position_command
from spirl_ros.nodes.graph.parameters import parameter, read_parameters
from spirl_ros.tasks.episode_lines import EpisodeLines
from spirl_ros.tasks.families import DEFAULT_FAMILY, split_task

EPISODE_LOST_S = 2.0
"""A reset without an answer, or an episode without a status, for this long [s] is given up and begun again."""


@dataclass(frozen=True)
class ScriptedOperatorConfig:
    """Parameters of the scripted operator."""

    task: str = parameter(
        DEFAULT_FAMILY, "[FAMILY:]TASK, of which the family counts: what is to be done is what the simulator says"
    )
    episodes: int = parameter(0, "end after this many episodes; 0 never ends", minimum=0)
    seed: int = parameter(0, "seed of the first episode, of scene and operator; the next ones count up", minimum=0)
    patience_s: float = parameter(
        20.0,
        "neither the simulator's state nor its answer comes for this long [s]: say so, and give up where episodes "
        "are counted",
        minimum=1.0,
    )
    position_controller: str = parameter(
        "forward_position_controller", "position set-points are sent to <name>/commands"
    )
    wait_for_recorder: bool = parameter(False, "begin when a recorder is there that follows the task's episodes")


class ScriptedOperator(ManagedNode):
    """Resets the scene, lets the family's operator do the task's subtasks, reports, and begins again."""

    def __init__(self) -> None:
        """Declare the parameters."""
        super().__init__("scripted_operator", ScriptedOperatorConfig)

    def configure(self) -> None:
        """Load the scene's kinematics and open topics."""
        self._config = config = read_parameters(self, ScriptedOperatorConfig)
        family, _ = split_task(config.task)
        operator = family.operator(DEFAULT_STYLE)
        if operator is None:
            raise ConfigError(
                f"task family {family.name} has no scripted operator. Let a bundle act (policy:=learned or prior) or a "
                "person (spirl up teleop), or write the family's method `operator`: docs/new_task.md."
            )
        self._operator, robot = operator, family.robot
        joint_names = robot.limits.joint_names
        self._assembler = ObservationAssembler(joint_names, robot.observation_names[len(joint_names) :])
        self._period_ns = round(robot.control_period_s * 1e9)
        self._arm = robot.safe_arm()
        self._lines = EpisodeLines()
        self._has_recorder_status = False
        self._command_publisher = self.create_publisher(
            Float64MultiArray, f"{config.position_controller}/commands", COMMAND_QOS
        )
        self._action_publisher = self.create_publisher(Float64MultiArray, "operator_action", COMMAND_QOS)
        self._style_publisher = self.create_publisher(String, OPERATOR_STYLE, LATCHED_QOS)
        self._subscriptions_of_operator = [
            self.create_subscription(JointState, "joint_states", self._on_joint_state, 10),
            self.create_subscription(SceneState, "scene_state", self._on_scene_state, 10),
            self.create_subscription(TaskStatus, "task_status", self._on_task_status, LATCHED_QOS),
            self.create_subscription(RecordingStatus, "recording_status", self._on_recording_status, LATCHED_QOS),
        ]
        self._reset_client = self.create_client(ResetScene, "reset_scene")

    def activate(self) -> None:
        """Begin with the first episode as soon as the simulator answers."""
        self._episode: int | None = None
        self._beat = ControlBeat(self._period_ns)
        self._status: TaskStatus | None = None
        self._asked_s = -math.inf
        self._heard_s = self._followed_s = self.now_s()
        self._command_rate = EventRate("commands")
        self._missed_steps = self._told_missed = 0
        self._watch_timer = self.create_timer(0.1, self._watch, clock=self.steady_clock)

    def deactivate(self) -> None:
        """Act no more; the arm's controller holds the last position."""
        self._beat.begin(None)
        self._episode = None
        self.destroy_timer(self._watch_timer)

    def cleanup(self) -> None:
        """Close the topics."""
        self.destroy_publisher(self._command_publisher)
        self.destroy_publisher(self._action_publisher)
        self.destroy_publisher(self._style_publisher)
        for subscription in self._subscriptions_of_operator:
            self.destroy_subscription(subscription)
        self.destroy_client(self._reset_client)

    def diagnose(self) -> tuple[bytes, str, dict[str, object]]:
        """What the operator is doing and how old its observation is."""
        if not self.is_active:
            return OK, "not active", {}
        age_s = self._assembler.age_s(self.now_s())
        values: dict[str, object] = {
            "subtask": self._operator.current_subtask or "",
            "finished episodes": self._lines.finished,
            "observation age [s]": age_s,
            "missed control steps": self._missed_steps,
            **self._command_rate.diagnose(self.now_s()),
        }
        new_missed, self._told_missed = self._missed_steps - self._told_missed, self._missed_steps
        if age_s >= 1.0:
            return ERROR, f"no observation for {age_s:.1f} s", values
        if new_missed:
            return WARN, f"missed control steps in the last second: {new_missed}", values
        return OK, "driving", values

    def _watch(self) -> None:
        """Ten times a second: ask for a reset when there is no episode; give up when the simulator stays silent."""
        now_s = self.now_s()
        silent_s = now_s - self._heard_s
        if silent_s > self._config.patience_s:
            self.get_logger().error(
                f"nothing from the simulator on {self._reset_client.srv_name} and joint_states for {silent_s:.0f} s. "
                "Is mujoco_sim running and active in this namespace and domain?",
                throttle_duration_sec=self._config.patience_s,
            )
            if self._config.episodes:
                self.end(EXIT_FAULT)
        elif self._episode is not None and now_s > self._followed_s + EPISODE_LOST_S:
            self.get_logger().warning("the episode is gone: simulator silent, restarted or reset; a new one begins")
            self._episode = None
        is_time_to_ask = self._episode is None and now_s > self._asked_s + EPISODE_LOST_S
        if is_time_to_ask and self._reset_client.service_is_ready() and self._is_recorder_ready():
            self._reset()

    def _is_recorder_ready(self) -> bool:
        """Whether a recorder, if one is to be waited for, hears both the simulator and this node."""
        if not self._config.wait_for_recorder:
            return True
        return self._has_recorder_status and self._action_publisher.get_subscription_count() > 0

    def _on_recording_status(self, status: RecordingStatus) -> None:
        self._has_recorder_status = True

    def _reset(self) -> None:
        self._asked_s = self.now_s()
        self._episode = self._status = None
        self._beat.begin(None)
        seed = self._config.seed + self._lines.finished
        self._reset_client.call_async(ResetScene.Request(use_seed=True, seed=seed)).add_done_callback(self._on_reset)

    def _on_reset(self, future) -> None:
        response = future.result()
        if response is None or not response.success:
            self.get_logger().warning(f"reset refused: {'no answer' if response is None else response.message}")
            return  # _watch asks again.
        self._heard_s = self._followed_s = self.now_s()
        self._episode = response.episode
        self._lines.begin()
        self._follow_status()

    def _on_task_status(self, status: TaskStatus) -> None:
        if self.is_active:
            self._status = status
            self._follow_status()

    def _follow_status(self) -> None:
        """Start, report or finish the episode. Status and reset's answer arrive in either order."""
        status = self._status
        if status is None or status.episode != self._episode:
            return
        self._followed_s = self.now_s()
        if not self._beat.has_begun:
            self._operator.start(list(status.subtasks), seed=status.seed)
            self._arm.forget()
            self._style_publisher.publish(String(data=describe_style(DEFAULT_STYLE)))
            self._beat.begin(stamp_ns(status.header.stamp))
        for line in self._lines.completed(list(zip(status.completed, status.completed_at_step, strict=True))):
            self.get_logger().info(line)
        if status.terminated or status.truncated:
            self._finish_episode(status)
        else:
            self._act_when_due()

    def _finish_episode(self, status: TaskStatus) -> None:
        subtasks = list(status.subtasks)
        line = self._lines.end(status.completed_in_order, sum(status.is_completed), subtasks, status.step)
        self.get_logger().info(line)
        if self._lines.finished == self._config.episodes:
            self.get_logger().info(self._lines.summary())
            self.end(0)
        else:
            self._reset()

    def _on_joint_state(self, message: JointState) -> None:
        self._update(self._assembler.update_joint_state, message)

    def _on_scene_state(self, message: SceneState) -> None:
        self._update(self._assembler.update_scene_state, message)

    def _update(self, update, message: JointState | SceneState) -> None:
        if not self.is_active:
            return
        try:
            update(message.name, message.position, stamp_ns(message.header.stamp), self.now_s())
        except ObservationError as error:
            self.get_logger().error(f"ignored: {error}", throttle_duration_sec=1.0)
            return
        self._heard_s = self.now_s()
        self._act_when_due()

    def _act_when_due(self) -> None:
        """Send one command per control period, as soon as observation and task status of that moment are there."""
        status, measured_ns = self._status, self._assembler.stamp_ns
        if status is None or not self._assembler.is_complete:
            return
        if not self._beat.is_due(measured_ns, stamp_ns(status.header.stamp)):
            return
        joint_positions = self._assembler.joint_positions()
        if self._arm.last is None:
            try:
                self._arm.begin(joint_positions)
            except CommandError as error:
                self.get_logger().error(str(error), throttle_duration_sec=1.0)
                return
        self._missed_steps += self._beat.make_step(measured_ns)
        action = self._operator.act(self._assembler.observation())
        if action is None:
            command = self._arm.aim(joint_positions, age_s=0.0)
        else:
            command = self._arm.act(action, joint_positions, age_s=0.0)
        if command.state >= SafetyState.HOLDING:
            self.get_logger().error(f"{command.state.name}: {command.reason}", throttle_duration_sec=1.0)
        intended = np.zeros_like(joint_positions) if action is None else self._operator.intended_action
        self._action_publisher.publish(to_action(intended))
        self._command_publisher.publish(to_position_command(command.joint_positions))
        self._command_rate.mark(self.now_s())


def main() -> None:
    """Run the node."""
    sys.exit(run(ScriptedOperator))


if __name__ == "__main__":
    main()
