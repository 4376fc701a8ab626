"""A person moves the arm with the keyboard, a gamepad or twists, and says when an episode begins and ends."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import JointState, Joy
from std_msgs.msg import Bool, Float64MultiArray
from std_srvs.srv import Trigger

from spirl_msgs.msg import RecordingStatus, SafetyStatus, TaskStatus
from spirl_msgs.srv import ResetScene, StartRecording, StopRecording
from spirl_ros.control.event_rate import EventRate
from spirl_ros.control.observation import ObservationAssembler
from spirl_ros.control.safety_filter import LATCH, FilteredCommand, SafetyState
from spirl_ros.errors import CommandError, ObservationError
from spirl_ros.nodes.managed_node import ERROR, OK, WARN, ManagedNode, run
from spirl_ros.nodes.messages import (
    COMMAND_QOS,
    LATCHED_QOS,
    stamp_ns,
    to_action,
    to_position_command,
    to_safety_status,
    to_tool_velocity,
)
from spirl_ros.nodes.parameters import parameter, read_parameters
from spirl_ros.nodes.service_calls import ServiceCalls
from spirl_ros.tasks.kitchen.scene import CONTROL_PERIOD_S, load_kitchen_scene
from spirl_ros.teleoperation.arm_teleoperation import ArmTeleoperation, TeleoperationConfig
from spirl_ros.teleoperation.gamepad import LAYOUTS, Gamepad
from spirl_ros.teleoperation.keyboard import HELP, SHORT_HELP, direction, next_keys, request
from spirl_ros.teleoperation.terminal import Terminal, terminal_path
from spirl_ros.teleoperation.tool_velocity import Request

CONTROL_PERIOD_NS = round(CONTROL_PERIOD_S * 1e9)
POLL_PERIOD_S = 0.02
"""How often keys are read [s]."""
STATUS_PERIOD_S = 0.2
"""How often the status line is drawn [s]."""
ANSWER_S = 10.0
"""How long an answer of a service may take [s]."""
STALLED_S = 1.0
"""After this long without a new joint state, but with old ones repeated, the last command counts as lost [s]."""
LOCKSTEP_PERIOD_S = CONTROL_PERIOD_S - 0.5 * POLL_PERIOD_S
"""Time between commands where simulated time waits for them [s], so that a person has real time there too; what is
missing of the control period is waited for keys, on average."""


@dataclass(frozen=True)
class TeleopConfig:
    """Parameters of teleoperation."""

    keyboard: str = parameter(
        "auto", "auto: keys of the terminal that the graph was started from, if any", choices=("auto", "none")
    )
    keyboard_timeout_s: float = parameter(
        0.15,
        "how long one press of a key moves the tool [s]; must bridge the terminal's key repeat, 25 to 100 ms",
        minimum=0.05,
        maximum=1.0,
    )
    command_timeout_s: float = parameter(
        0.1, "a twist or gamepad message older than this brakes [s]", minimum=0.02, maximum=1.0
    )
    gamepad: str = parameter("xbox", "layout of the gamepad on joy", choices=tuple(LAYOUTS))
    frame: str = parameter(
        "world", "axes that keyboard and gamepad move along; twists name theirs", choices=("world", "tool")
    )
    world_frame: str = parameter("world", "frame_id of twists along the world's axes; an empty one means the same")
    tool_frame: str = parameter("tool", "frame_id of twists along the tool's axes")
    linear_speed_m_s: float = parameter(0.2, "speed of the tool at speed 100 % [m/s]", minimum=0.01, maximum=1.0)
    angular_speed_rad_s: float = parameter(0.8, "turning speed at speed 100 % [rad/s]", minimum=0.05, maximum=4.0)
    max_age_s: float = parameter(0.25, "joint states older than this hold, then brake [s]", minimum=0.02)
    operator_name: str = parameter("", "who demonstrates, stored with recordings")
    position_controller: str = parameter(
        "forward_position_controller", "position set-points are sent to <name>/commands"
    )


class Teleop(ManagedNode):
    """Carries what devices ask for to an ArmTeleoperation, and its commands to the arm, one in each control step.

    Everything runs in the executor's one thread: what it does takes a fraction of a millisecond.
    """

    def __init__(self) -> None:
        """Declare the parameters."""
        super().__init__("teleop", TeleopConfig)
        self._terminal: Terminal | None = None

    def configure(self) -> None:
        """Load the arm's kinematics and open topics."""
        self._config = config = read_parameters(self, TeleopConfig)
        scene = load_kitchen_scene()
        self._assembler = ObservationAssembler(scene.joint_names, ())
        self._joint_names = scene.joint_names
        self._teleoperation = ArmTeleoperation(
            scene, TeleoperationConfig(config.linear_speed_m_s, config.angular_speed_rad_s, max_age_s=config.max_age_s)
        )
        self._gamepad = Gamepad(LAYOUTS[config.gamepad])
        self._has_gamepad = False
        self._calls = ServiceCalls(self.get_logger().warning, ANSWER_S)
        self._publishers_of_teleop = (
            self.create_publisher(Float64MultiArray, "operator_action", COMMAND_QOS),
            self.create_publisher(Float64MultiArray, f"{config.position_controller}/commands", COMMAND_QOS),
            self.create_publisher(SafetyStatus, "safety_status", LATCHED_QOS),
        )
        self._action_publisher, self._command_publisher, self._status_publisher = self._publishers_of_teleop
        self._subscriptions_of_teleop = [
            self.create_subscription(JointState, "joint_states", self._on_joint_state, 10),
            self.create_subscription(TaskStatus, "task_status", self._on_task_status, LATCHED_QOS),
            self.create_subscription(RecordingStatus, "recording_status", self._on_recording_status, LATCHED_QOS),
            self.create_subscription(TwistStamped, "~/delta_twist_cmds", self._on_twist, COMMAND_QOS),
            self.create_subscription(Bool, "~/gripper_open", self._on_gripper_open, COMMAND_QOS),
            self.create_subscription(Joy, "joy", self._on_joy, 10),
        ]
        self._start_client = self.create_client(StartRecording, "start_recording")
        self._stop_client = self.create_client(StopRecording, "stop_recording")
        self._discard_client = self.create_client(Trigger, "discard_recording")
        self._reset_client = self.create_client(ResetScene, "reset_scene")

    def activate(self) -> None:
        """Take the terminal; the arm is moved from the next joint state on."""
        self._has_begun = self._is_reset_asked = False
        self._state = SafetyState.PASSED
        self._motion_note = ""
        self._episode: int | None = None
        self._task = self._task_note = ""
        self._has_episode_ended = False
        self._recording: RecordingStatus | None = None
        self._kept_before: int | None = None
        self._due_ns = self._acted_ns = 0
        self._status_ns: int | None = None
        self._received_s = self._acted_s = self._drawn_s = -np.inf
        self._states_since_command = self._missed_steps = self._told_missed = 0
        self._command_rate = EventRate("commands")
        path = terminal_path() if self._config.keyboard == "auto" else None
        if path is not None:
            self._terminal = Terminal(path)
            self._terminal.print(HELP)
        self.get_logger().info(
            f"keyboard: {path or 'none'}; gamepad on {self.resolve_topic_name('joy')}, twists on "
            f"{self.resolve_topic_name('~/delta_twist_cmds')}"
        )
        self._poll_timer = self.create_timer(POLL_PERIOD_S, self._poll, clock=self.steady_clock)

    def deactivate(self) -> None:
        """Bring the arm to rest and give the terminal back."""
        self.destroy_timer(self._poll_timer)
        try:
            while self._has_begun and self._state is not SafetyState.LATCHED:
                self._send(self._teleoperation.brake())
                if self._state is not SafetyState.LATCHED:
                    time.sleep(CONTROL_PERIOD_S)
        finally:
            if self._terminal is not None:
                self._terminal.close()
                self._terminal = None
        self._tell_what_was_recorded()

    def cleanup(self) -> None:
        """Close the topics."""
        self._calls.clear()
        for publisher in self._publishers_of_teleop:
            self.destroy_publisher(publisher)
        for subscription in self._subscriptions_of_teleop:
            self.destroy_subscription(subscription)
        for client in (self._start_client, self._stop_client, self._discard_client, self._reset_client):
            self.destroy_client(client)

    def diagnose(self) -> tuple[bytes, str, dict[str, object]]:
        """What the safety filter says and how old the joint state is."""
        if not self.is_active:
            return OK, "not active", {}
        age_s = self.now_s() - self._received_s
        values: dict[str, object] = {
            "safety": self._state.name,
            "interventions": self._teleoperation.intervention_count,
            "speed [%]": 100.0 * self._teleoperation.speed_scale,
            "joint state age [s]": age_s,
            "missed control steps": self._missed_steps,
            **self._command_rate.diagnose(self.now_s()),
        }
        new_missed, self._told_missed = self._missed_steps - self._told_missed, self._missed_steps
        if self._state is SafetyState.LATCHED:
            return ERROR, f"{self._state.name}: press c to release the latch", values
        if self._state >= SafetyState.HOLDING:
            return WARN, self._state.name, values
        if age_s >= 1.0:
            return WARN, f"no joint state for {age_s:.1f} s", values
        if new_missed:
            return WARN, f"missed control steps in the last second: {new_missed}", values
        return OK, "ready", values

    def _on_joint_state(self, message: JointState) -> None:
        if not self.is_active:
            return
        try:
            self._assembler.update_joint_state(
                list(message.name), list(message.position), stamp_ns(message.header.stamp), self.now_s()
            )
        except ObservationError as error:
            self.get_logger().error(f"ignored: {error}", throttle_duration_sec=1.0)
            return
        self._received_s = self.now_s()
        self._states_since_command += 1
        self._act_when_due()

    def _on_task_status(self, status: TaskStatus) -> None:
        """Follow the control steps' beat, and begin again after a reset of the scene."""
        if not self.is_active:
            return
        if self._episode != status.episode:
            # After a fault only a reset that was asked for here lets the arm move again.
            self._has_begun = self._has_begun and self._state is SafetyState.LATCHED and not self._is_reset_asked
            self._is_reset_asked = False
            self._episode = status.episode
        self._task = status.task
        done = sum(status.is_completed)
        self._task_note = f"{done}/{len(status.subtasks)} done, step {status.step}/{status.max_steps}"
        self._has_episode_ended = status.terminated or status.truncated
        if self._has_episode_ended:
            self._task_note += " complete" if status.terminated else " time is up"
        self._status_ns = begins_ns = stamp_ns(status.header.stamp)
        self._due_ns = begins_ns if begins_ns > self._acted_ns else begins_ns + CONTROL_PERIOD_NS
        self._act_when_due()

    def _on_recording_status(self, status: RecordingStatus) -> None:
        if not self.is_active:
            return
        self._recording = status
        if self._kept_before is None:
            self._kept_before = status.episodes

    def _on_twist(self, message: TwistStamped) -> None:
        if not self.is_active:
            return
        try:
            velocity = to_tool_velocity(message, self._config.world_frame, self._config.tool_frame)
        except CommandError as error:
            self.get_logger().error(f"twist ignored: {error}", throttle_duration_sec=1.0)
            return
        self._teleoperation.dead_man.ask(velocity, self.now_s(), self._config.command_timeout_s)

    def _on_gripper_open(self, message: Bool) -> None:
        if self.is_active:
            self._teleoperation.is_gripper_open = message.data

    def _on_joy(self, message: Joy) -> None:
        if not self.is_active:
            return
        try:
            wanted, requests = self._gamepad.read(message.axes, message.buttons)
        except CommandError as error:
            self.get_logger().error(f"gamepad ignored: {error}", throttle_duration_sec=1.0)
            return
        if not self._has_gamepad:
            self._has_gamepad = True
            self.get_logger().info(LAYOUTS[self._config.gamepad].help)
        if wanted is not None:
            self._ask(wanted, self._config.command_timeout_s)
        for asked in requests:
            self._do(asked)

    def _poll(self) -> None:
        """Fifty times a second: keys, answers, and what time alone brings."""
        now_s = self.now_s()
        if self._terminal is not None:
            for key in self._terminal.read_keys():
                wanted, asked = direction(key), request(key)
                if wanted is not None:
                    self._ask(wanted, self._config.keyboard_timeout_s)
                elif asked is not None:
                    self._do(asked)
            if now_s > self._drawn_s + STATUS_PERIOD_S:
                self._terminal.show_status(self._status_line())
                self._drawn_s = now_s
        self._calls.poll(now_s)
        self._act_when_due()
        age_s = now_s - self._received_s
        is_silent = self._has_begun and age_s > self._config.max_age_s
        if is_silent and self._state is not SafetyState.LATCHED and now_s > self._acted_s + CONTROL_PERIOD_S:
            self._acted_s = now_s
            self._send(self._teleoperation.without_measurement(age_s))

    def _ask(self, wanted: np.ndarray, timeout_s: float) -> None:
        velocity = self._teleoperation.velocity_along(wanted, is_in_tool_frame=self._config.frame == "tool")
        self._teleoperation.dead_man.ask(velocity, self.now_s(), timeout_s)

    def _act_when_due(self) -> None:
        """Send one command per control step, as soon as the joint state at its beginning is there."""
        now_s, measured_ns = self.now_s(), self._assembler.stamp_ns
        is_due = measured_ns >= self._due_ns and measured_ns != self._acted_ns
        # A command sent before the task status that begins the step would count to the step before in a recording.
        is_due = is_due and (self._status_ns is None or self._status_ns >= self._due_ns)
        # In lockstep, time waits for a command that was lost: act on the repeated state.
        is_stalled = self._received_s > self._acted_s and now_s > self._acted_s + STALLED_S
        # States in between say that time goes on by itself.
        is_early = self._states_since_command <= 1 and now_s < self._acted_s + LOCKSTEP_PERIOD_S
        if not (is_due or is_stalled) or is_early:
            return
        if self._is_reset_asked or not now_s - self._received_s <= self._config.max_age_s:
            return
        self._acted_s, self._acted_ns = now_s, measured_ns
        self._states_since_command = 0
        missed_periods = (measured_ns - self._due_ns) // CONTROL_PERIOD_NS
        self._due_ns += (1 + missed_periods) * CONTROL_PERIOD_NS
        self._missed_steps += missed_periods if self._has_begun else 0
        joint_positions = self._assembler.joint_positions()
        if not self._has_begun:
            self._begin(joint_positions)
            return
        step = self._teleoperation.step(joint_positions, now_s - self._received_s, now_s)
        self._motion_note = "near a singularity" if step.motion.is_singular else ""
        if step.motion.is_at_limit:
            self._motion_note = "at a joint's limit"
        self._send(step.command, step.action)

    def _begin(self, joint_positions: np.ndarray) -> None:
        try:
            first = self._teleoperation.begin(joint_positions)
        except CommandError as error:
            self.get_logger().error(str(error), throttle_duration_sec=1.0)
            return
        self._has_begun = True
        self._send(first, np.zeros_like(joint_positions))

    def _send(self, command: FilteredCommand, action: np.ndarray | None = None) -> None:
        """Publish the intended action, the command, and what the safety filter did."""
        is_fault = command.state >= SafetyState.HOLDING and command.interventions != (LATCH,)
        if is_fault and command.state is not self._state:
            age_s = self.now_s() - self._received_s
            reason = command.reason if age_s <= self._config.max_age_s else f"no joint state for {age_s:.2f} s"
            way_out = ". Press c to release the latch" if command.state is SafetyState.LATCHED else ""
            self.get_logger().warning(f"{command.state.name}: {reason}{way_out}")
        self._state = command.state
        if action is not None:
            self._action_publisher.publish(to_action(action))
        self._command_publisher.publish(to_position_command(command.joint_positions))
        self._command_rate.mark(self.now_s())
        status = to_safety_status(command, self._joint_names)
        status.header.stamp = self.get_clock().now().to_msg()
        status.interventions = self._teleoperation.intervention_count
        status.joint_state_age_s = self.now_s() - self._received_s
        self._status_publisher.publish(status)

    def _do(self, asked: Request) -> None:
        """Carry out what a key or a button asks for beside motion."""
        teleoperation = self._teleoperation
        if asked is Request.STOP:
            teleoperation.dead_man.release()
        elif asked is Request.TOGGLE_GRIPPER:
            teleoperation.is_gripper_open = not teleoperation.is_gripper_open
        elif asked is Request.FASTER:
            teleoperation.change_speed(+1)
        elif asked is Request.SLOWER:
            teleoperation.change_speed(-1)
        elif asked is Request.START_RECORDING:
            self._start_recording()
        elif asked in (Request.FINISH_AS_SUCCESS, Request.FINISH_AS_FAILURE):
            is_success = asked is Request.FINISH_AS_SUCCESS
            self._call(self._stop_client, StopRecording.Request(is_success=is_success))
        elif asked is Request.DISCARD_RECORDING:
            self._call(self._discard_client, Trigger.Request())
        elif asked is Request.RESET_SCENE:
            teleoperation.dead_man.release()
            self._is_reset_asked = self._calls.call(
                self._reset_client, ResetScene.Request(), self._on_reset, self.now_s()
            )
        elif asked is Request.RELEASE_LATCH:
            self._release_latch()
        elif asked is Request.SHOW_HELP and self._terminal is not None:
            self._terminal.print(HELP)
        elif asked is Request.QUIT:
            self.end(0)

    def _start_recording(self) -> None:
        if self._has_episode_ended:
            # The task counts no control steps any more, so there would be nothing to import.
            self.get_logger().error(f"not recorded: the episode is over ({self._task_note}). Press b to begin another.")
            return
        request = StartRecording.Request(task=self._task, operator_name=self._config.operator_name)
        self._call(self._start_client, request)

    def _tell_what_was_recorded(self) -> None:
        if self._recording is None or self._recording.episodes == (self._kept_before or 0):
            return
        new, folder = self._recording.episodes - (self._kept_before or 0), Path(self._recording.path).parent
        self.get_logger().info(
            f"{new} episode{'s' * (new > 1)} recorded. Next: spirl demos import {folder} --out data/mine"
        )

    def _call(self, client, service_request) -> None:
        self._calls.call(client, service_request, self._on_answer, self.now_s())

    def _on_answer(self, response) -> None:
        # rclpy wants one severity per line of code: another one at the same place raises ValueError.
        if response.success:
            self.get_logger().info(response.message)
        else:
            self.get_logger().error(response.message)

    def _on_reset(self, response) -> None:
        if response.success:
            self.get_logger().info(f"the scene is reset: episode {response.episode}, seed {response.seed}")
        else:
            self._is_reset_asked = False
            self.get_logger().error(response.message)

    def _release_latch(self) -> None:
        if self._state is not SafetyState.LATCHED:
            return
        if self.now_s() > self._received_s + self._config.max_age_s:
            self.get_logger().error("the latch stays: there are no fresh joint states")
            return
        try:
            self._send(self._teleoperation.release_latch(self._assembler.joint_positions()))
        except CommandError as error:
            self.get_logger().error(str(error))

    def _status_line(self) -> str:
        """What matters most first: a narrow terminal cuts the end."""
        state, motion = self._state, self._motion_note
        safety = "" if state is SafetyState.PASSED else state.name
        parts = [
            safety if self._has_begun else "no joint states",
            motion,
            self._recording_note(),
            self._task_note,
            next_keys(
                is_latched=state is SafetyState.LATCHED,
                has_ended=self._has_episode_ended,
                has_recorder=self._recording is not None,
                is_recording=self._is_recording,
            ),
            f"speed {100.0 * self._teleoperation.speed_scale:.0f} %",
            "open" if self._teleoperation.is_gripper_open else "closed",
            SHORT_HELP,
        ]
        return " | ".join(part for part in parts if part)

    @property
    def _is_recording(self) -> bool:
        return self._recording is not None and self._recording.state == RecordingStatus.RECORDING

    def _recording_note(self) -> str:
        status = self._recording
        if status is None:
            return "no recorder"
        if self._is_recording:
            return f"RECORDING {status.duration_s:.0f} s"
        if status.state == RecordingStatus.FAILED:
            return f"recorder failed: {status.reason}"
        return f"not recording, {status.episodes} kept"


def main() -> None:
    """Run the node."""
    sys.exit(run(Teleop))


if __name__ == "__main__":
    main()
