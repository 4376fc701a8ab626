"""A person moves the arm with the keyboard, a gamepad or twists, and says when an episode begins and ends."""

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import Joy
from std_msgs.msg import Bool, String
from std_srvs.srv import SetBool, Trigger

from spirl_msgs.msg import RecordingStatus, SafetyStatus, TaskStatus
from spirl_msgs.srv import ResetScene, StartRecording, StopRecording
from spirl_ros.arms.robot_configuration import CONTROLLER_UPDATE_PERIOD_S, RobotConfiguration, read_robot, read_urdf
from spirl_ros.bringup.restarts import EXIT_BAD_INPUT
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.safety_filter import SafetyState
from spirl_ros.errors import CommandError, ConfigError, SpirlError
from spirl_ros.nodes.executor.arm_command_topic import ArmCommandTopic
from spirl_ros.nodes.executor.arm_pace import ArmPace
from spirl_ros.nodes.executor.arm_readiness import ArmReadiness
from spirl_ros.nodes.executor.skill_executor_parameters import FORWARD_POSITION, JOINT_TRAJECTORY
from spirl_ros.nodes.graph.managed_node import ERROR, OK, WARN, ManagedNode, run
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS, to_tool_velocity
from spirl_ros.nodes.graph.parameters import read_parameters
from spirl_ros.nodes.graph.service_calls import ServiceCalls
from spirl_ros.nodes.graph.single_instance import GraphLock, refuse_second_publisher
from spirl_ros.nodes.graph.stop_service import StopService
from spirl_ros.nodes.teleoperation.simulation_pace import SimulationPace
from spirl_ros.nodes.teleoperation.teleop_parameters import TeleopConfig
from spirl_ros.nodes.teleoperation.teleop_steps import TeleopSteps
from spirl_ros.tasks.families import DEFAULT_FAMILY, family_names, family_of, find_family
from spirl_ros.teleoperation.arm_teleoperation import ArmTeleoperation, TeleoperatedArm, TeleoperationConfig
from spirl_ros.teleoperation.gamepad import Gamepad
from spirl_ros.teleoperation.gamepad_layout import LAYOUTS, read_layout
from spirl_ros.teleoperation.keyboard import HELP, SHORT_HELP, direction, next_keys, request
from spirl_ros.teleoperation.terminal import Terminal, terminal_path
from spirl_ros.teleoperation.tool_velocity import Request, ToolVelocity

POLL_PERIOD_S = 0.02
"""How often keys are read [s]."""
HELD_UP_S = 0.25
"""A process that reads no keys for so long was held up; what was sent meanwhile arrives within as long after it [s]."""
STATUS_PERIOD_S = 0.2
"""How often the bottom lines are drawn [s]."""
ANSWER_S = 10.0
"""How long an answer of a service may take [s]."""
GAMEPAD_SILENT_S = 1.0
"""A gamepad that was not heard for so long may have been unplugged: its dead-man has to be pressed anew [s]."""
NEWEST_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""A twist that a broken link held up is not sent again when the link is mended: nobody means it any more."""
SIMULATED_AGE_S = 0.25
"""How old a simulated arm's joint states may be where no parameter says it [s]."""

DONE = {
    Request.RELEASE_LATCH: "The latch is released; the arm can be moved.",
    Request.FASTER: "Faster.",
    Request.SLOWER: "Slower.",
}
"""What is answered to requests that are carried out at once."""


class Teleop(ManagedNode):
    """Carries what devices ask for to the steps of an ArmTeleoperation, which a simulation's or an arm's pace makes.

    Everything runs in the executor's one thread: what it does takes a fraction of a millisecond.
    """

    def __init__(
        self,
        make_teleoperation: Callable[..., ArmTeleoperation] = ArmTeleoperation,
        make_command_topic: Callable[..., ArmCommandTopic] = ArmCommandTopic,
    ) -> None:
        """Declare the parameters.

        Args:
            make_teleoperation: what decides on the commands; arguments are ArmTeleoperation's.
            make_command_topic: the arm that takes them; arguments are ArmCommandTopic's.
        """
        super().__init__("teleop", TeleopConfig)
        self._make_teleoperation, self._make_command_topic = make_teleoperation, make_command_topic
        self._terminal: Terminal | None = None
        self._stop_service: StopService | None = None

    def configure(self) -> None:
        """Open topics, and load the arm's kinematics or wait for them."""
        self._config = config = read_parameters(self, TeleopConfig)
        self._teleoperation: ArmTeleoperation | None = None
        self._is_stopped_before = False
        layout = read_layout(Path(config.gamepad_file)) if config.gamepad_file else LAYOUTS[config.gamepad]
        self._gamepad, self._gamepad_help = Gamepad(layout), layout.help
        self._gamepad_s: float | None = None
        self._calls = ServiceCalls(self.get_logger().warning, ANSWER_S)
        self._robot: RobotConfiguration | None = None
        if config.robot in family_names():
            arm = _simulated_arm(config)
            self._open_command_topic(arm.limits, arm.control_period_s)
            self._take_arm(arm)
        else:
            file = Path(config.robot_file) if config.robot_file else None
            self._robot = robot = read_robot(config.robot, file)
            self._readiness = ArmReadiness(
                self,
                self._open_command_topic(robot.limits, 1.0 / robot.control_rate_hz),
                self._on_readiness_lost,
                ready_topic=robot.ready_topic,
                fault_topic=robot.fault_topic,
                activity_topic="" if config.is_stand_in else robot.activity_topic,
                speed_scaling_topic=robot.speed_scaling_topic,
            )
        self._subscriptions_of_teleop = [
            self.create_subscription(TaskStatus, "task_status", self._on_task_status, LATCHED_QOS),
            self.create_subscription(RecordingStatus, "recording_status", self._on_recording_status, LATCHED_QOS),
            self.create_subscription(TwistStamped, "~/delta_twist_cmds", self._on_twist, NEWEST_QOS),
            self.create_subscription(Bool, "~/gripper_open", self._on_gripper_open, COMMAND_QOS),
            self.create_subscription(Joy, "joy", self._on_joy, qos_profile_sensor_data),
        ]
        if self._robot is not None and config.urdf_file:
            self._take_arm(_configured_arm(self._robot, read_urdf(Path(config.urdf_file))))
        elif self._robot is not None:
            self._subscriptions_of_teleop.append(
                self.create_subscription(String, "robot_description", self._on_robot_description, LATCHED_QOS)
            )
        self._start_client = self.create_client(StartRecording, "start_recording")
        self._stop_client = self.create_client(StopRecording, "stop_recording")
        self._discard_client = self.create_client(Trigger, "discard_recording")
        self._reset_client = self.create_client(ResetScene, "reset_scene")

        self._stop_service = StopService(self, self._stop)
        self._services_of_teleop = [
            self.create_service(Trigger, f"~/{name}", self._on_service(asked))
            for name, asked in (
                ("reset", Request.RELEASE_LATCH),
                ("start_recording", Request.START_RECORDING),
                ("discard_recording", Request.DISCARD_RECORDING),
                ("reset_scene", Request.RESET_SCENE),
                ("faster", Request.FASTER),
                ("slower", Request.SLOWER),
            )
        ]
        self._services_of_teleop.append(self.create_service(SetBool, "~/finish_recording", self._on_finish_recording))

    def _open_command_topic(self, limits: JointLimits, period_s: float) -> str:
        """Open the topic that commands go to; returns the name of the controller."""
        config, robot = self._config, self._robot
        interface = config.command_interface
        if interface == "auto":
            interface = FORWARD_POSITION if robot is None else JOINT_TRAJECTORY
        trajectory_controller = "joint_trajectory_controller" if robot is None else robot.trajectory_controller
        controller = config.position_controller if interface == FORWARD_POSITION else trajectory_controller
        controller_update_period_s = CONTROLLER_UPDATE_PERIOD_S if robot is None else robot.controller_update_period_s
        self._command_topic = self._make_command_topic(
            self,
            limits,
            period_s,
            controller=controller,
            takes_positions=interface == FORWARD_POSITION,
            has_own_time=robot is None,
            update_period_s=config.controller_update_period_s or controller_update_period_s,
            stamps_within_s=0.0 if robot is None or config.stamp_commands == "never" else robot.max_age_s,
            is_slowed=lambda: robot is not None and self._readiness.is_slowed,
        )
        return controller

    def _take_arm(self, arm: TeleoperatedArm) -> None:
        """Everything is known about the arm: make what moves it."""
        config, robot = self._config, self._robot
        max_age_s = config.max_age_s or (SIMULATED_AGE_S if robot is None else robot.max_age_s)
        self._teleoperation = teleoperation = self._make_teleoperation(
            arm,
            TeleoperationConfig(
                config.linear_speed_m_s,
                config.angular_speed_rad_s,
                max_age_s=max_age_s,
                facing_rad=math.radians(config.facing_deg),
            ),
        )
        teleoperation.speed_scale = config.speed
        self._steps = TeleopSteps(
            self, teleoperation, self._command_topic, max_age_s=max_age_s, rests_silently=robot is not None
        )
        if self._is_stopped_before:
            self._stop()
        if robot is None:
            self._pace = SimulationPace(
                self, self._steps, arm.limits.joint_names, arm.control_period_s, max_age_s, POLL_PERIOD_S
            )
        else:
            self._pace = ArmPace(
                self,
                self._steps,
                teleoperation,
                self._readiness,
                robot.joint_state_topic,
                max_age_s,
                robot.path_tolerance,
                config.realtime_priority,
                robot.continuous,
            )

    def _on_robot_description(self, message: String) -> None:
        if self._teleoperation is not None or self._robot is None:
            return  # An arm does not change while it is moved; another one needs another start.
        try:
            self._take_arm(_configured_arm(self._robot, message.data))
        except SpirlError as error:
            self.get_logger().error(f"robot_description cannot be used: {error}")
            self.end(EXIT_BAD_INPUT)
            return
        if self.is_active:
            self._pace.start()

    def activate(self) -> None:
        """Take the terminal; the arm is moved once it is ready and its joint states come."""
        self._arm_lock: GraphLock | None = None
        self._is_stopped_before = False
        if self._teleoperation is not None:
            self._steps.restart()
        if self._robot is not None:
            self._refuse_second_commander()
        self._task, self._task_note = self._config.task, ""
        self._has_episode_ended = False
        self._recording: RecordingStatus | None = None
        self._kept_before: int | None = None
        self._finished: list[Path] = []
        """Recordings that were ended here; the recorder's status may tell of the last one later."""
        self._drawn_s, self._polled_s, self._deaf_until_s = -np.inf, self.now_s(), -np.inf
        self._told_missed = 0
        path = terminal_path() if self._config.keyboard == "auto" else None
        if path is not None:
            self._terminal = Terminal(path)
            self._terminal.print(HELP)
        self.get_logger().info(
            f"keyboard: {path or 'none'}; gamepad on {self.resolve_topic_name('joy')}, twists on "
            f"{self.resolve_topic_name('~/delta_twist_cmds')}"
        )
        if self._robot is not None:
            self.get_logger().info(
                f"moves {self._robot.description} by commands on {self._command_topic.name}; there is no gripper "
                "to move and no scene to reset"
            )
        self._poll_timer = self.create_timer(POLL_PERIOD_S, self._poll, clock=self.steady_clock)
        if self._teleoperation is not None:
            self._pace.start()

    def _refuse_second_commander(self) -> None:
        """Raise ConfigError when a skill executor, or another teleop, commands the same arm."""
        self._arm_lock = GraphLock(self, "commander", self._command_topic.name)
        try:
            topic = self.resolve_topic_name("safety_status")
            refuse_second_publisher(self, SafetyStatus, topic, "commander", self._config.discovery_s)
        except ConfigError:
            self._arm_lock.release()
            raise

    def deactivate(self) -> None:
        """Bring the arm to rest and give the terminal back."""
        self.destroy_timer(self._poll_timer)
        try:
            if self._teleoperation is not None:
                self._pace.stop()
                period_s = self._teleoperation.arm.control_period_s
                self._steps.brake_to_rest(wait=lambda: time.sleep(period_s))
        finally:
            if self._terminal is not None:
                self._terminal.close()
                self._terminal = None
            if self._arm_lock is not None:
                self._arm_lock.release()
        self._tell_what_was_recorded()

    def cleanup(self) -> None:
        """Close the topics."""
        self._calls.clear()
        self._close_stop_service()
        if self._teleoperation is not None:
            self._pace.close()
            self._steps.close()
        self._command_topic.close()
        if self._robot is not None:
            self._readiness.close()
        for subscription in self._subscriptions_of_teleop:
            self.destroy_subscription(subscription)
        for service in self._services_of_teleop:
            self.destroy_service(service)
        for client in (self._start_client, self._stop_client, self._discard_client, self._reset_client):
            self.destroy_client(client)

    def destroy_node(self) -> None:
        """End the thread that answers stop first."""
        self._close_stop_service()
        super().destroy_node()

    def _close_stop_service(self) -> None:
        if self._stop_service is not None:
            self._stop_service.close()
            self._stop_service = None

    def diagnose(self) -> tuple[bytes, str, dict[str, object]]:
        """What the safety filter says and how old the joint state is."""
        if not self.is_active:
            return OK, "not active", {}
        if self._teleoperation is None:
            return WARN, self._waits_for, {}
        steps, pace = self._steps, self._pace
        values: dict[str, object] = {
            **steps.diagnose(),
            **pace.diagnose(),
            "joint state age [s]": pace.age_s,
            "missed control steps": pace.missed_steps,
        }
        others = self._command_topic.other_publishers() if self._robot is not None else []
        if others:
            values["other publishers of commands"] = ", ".join(others)
        new_missed, self._told_missed = pace.missed_steps - self._told_missed, pace.missed_steps
        if steps.state is SafetyState.LATCHED:
            reason = f"{steps.stop_reason}; " if steps.stop_reason else ""
            return ERROR, f"{steps.state.name}: {reason}press c, or call ~/reset, to release the latch", values
        if pace.conflict:
            return ERROR, pace.conflict, values
        if steps.state >= SafetyState.HOLDING:
            return WARN, steps.state.name, values
        if pace.age_s >= 1.0:
            return WARN, f"no joint state for {pace.age_s:.1f} s", values
        if not steps.has_begun and pace.waits_for:
            return WARN, pace.waits_for, values
        if others:
            return WARN, f"{', '.join(others)} can command the same arm", values
        if new_missed:
            return WARN, f"missed control steps in the last second: {new_missed}", values
        return OK, "ready", values

    @property
    def _waits_for(self) -> str:
        """Why there is no arm yet."""
        return f"nothing was heard on {self.resolve_topic_name('robot_description')} yet"

    def _on_readiness_lost(self, reason: str) -> None:
        # One that was not taken over yet waits until it is ready.
        if self.is_active and self._teleoperation is not None and self._steps.has_begun:
            self._steps.stop(reason)

    def _on_task_status(self, status: TaskStatus) -> None:
        if not self.is_active or self._teleoperation is None:
            return
        self._task = status.task
        done = sum(status.is_completed)
        self._task_note = f"{done}/{len(status.subtasks)} done, step {status.step}/{status.max_steps}"
        self._has_episode_ended = status.terminated or status.truncated
        if self._has_episode_ended:
            self._task_note += " complete" if status.terminated else " time is up"
        self._pace.task_told(status)

    def _on_recording_status(self, status: RecordingStatus) -> None:
        if not self.is_active:
            return
        self._recording = status
        if self._kept_before is None:
            self._kept_before = status.episodes

    def _on_twist(self, message: TwistStamped) -> None:
        if not self.is_active or self._teleoperation is None:
            return
        try:
            velocity = to_tool_velocity(
                message,
                world_frame=self._config.world_frame,
                tool_frame=self._config.tool_frame,
                operator_frame=self._config.operator_frame,
                operator_axes=self._teleoperation.operator_axes,
            )
        except CommandError as error:
            self.get_logger().error(f"twist ignored: {error}", throttle_duration_sec=1.0)
            return
        self._ask(velocity, self._config.command_timeout_s)

    def _on_gripper_open(self, message: Bool) -> None:
        if self.is_active and self._teleoperation is not None and self._has_gripper():
            self._teleoperation.is_gripper_open = message.data

    def _on_joy(self, message: Joy) -> None:
        if not self.is_active:
            return
        now_s = self.now_s()
        if self._gamepad_s is not None and now_s > self._gamepad_s + GAMEPAD_SILENT_S:
            self._gamepad.let_go()
        try:
            wanted, requests = self._gamepad.read(message.axes, message.buttons)
        except CommandError as error:
            self.get_logger().error(f"gamepad ignored: {error}", throttle_duration_sec=1.0)
            return
        if self._gamepad_s is None:
            self.get_logger().info(self._gamepad_help)
        self._gamepad_s = now_s
        if wanted is not None:
            self._ask_along(wanted, self._config.command_timeout_s)
        for asked in requests:
            self._do(asked)

    def _poll(self) -> None:
        """Fifty times a second: keys, answers, and what time alone brings."""
        now_s = self.now_s()
        if now_s > self._polled_s + HELD_UP_S:
            self._deaf_until_s = now_s + HELD_UP_S
        self._polled_s = now_s
        if self._terminal is not None:
            for key in self._terminal.read_keys():
                wanted, asked = direction(key), request(key)
                if wanted is not None:
                    self._ask_along(wanted, self._config.keyboard_timeout_s)
                elif asked is not None:
                    self._do(asked)
            if now_s > self._drawn_s + STATUS_PERIOD_S:
                self._terminal.show_status(self._status_line(), SHORT_HELP)
                self._drawn_s = now_s
        self._calls.poll(now_s)
        if self._teleoperation is not None:
            self._pace.watch()

    def _ask_along(self, wanted: np.ndarray, timeout_s: float) -> None:
        if self._teleoperation is not None:
            self._ask(
                self._teleoperation.velocity_along(wanted, is_in_tool_frame=self._config.frame == "tool"), timeout_s
            )

    def _ask(self, velocity: ToolVelocity, timeout_s: float) -> None:
        """Have the tool move for so long, unless that was asked for while this process was held up."""
        now_s = self.now_s()
        if self._teleoperation is not None and self._deaf_until_s <= now_s <= self._polled_s + HELD_UP_S:
            self._teleoperation.dead_man.ask(velocity, now_s, timeout_s)

    def _stop(self) -> str:
        """Brake and latch; from the thread of the service.

        An arm that is not known yet is held when it is taken over.
        """
        self._is_stopped_before = True
        if self._teleoperation is not None:
            self._teleoperation.dead_man.release()
            self._steps.stop("stopped by a service call")
        return (
            "The arm brakes and stays at rest until ~/reset."
            if self.is_active
            else "teleop moves nothing: it is not active."
        )

    def _on_service(self, asked: Request) -> Callable[[Trigger.Request, Trigger.Response], Trigger.Response]:
        def answer(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            return self._answer(response, asked)

        return answer

    def _on_finish_recording(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        return self._answer(response, Request.FINISH_AS_SUCCESS if request.data else Request.FINISH_AS_FAILURE)

    def _answer(self, response: Any, asked: Request) -> Any:
        """Do what a key would, and say what came of it here; what others answer is logged."""
        if not self.is_active or self._teleoperation is None:
            response.message = "teleop is not active." if not self.is_active else self._waits_for
        elif refused := self._do(asked):
            response.message = refused
        else:
            response.success, response.message = True, DONE.get(asked, "Asked for; the log says what is answered.")
        return response

    def _do(self, asked: Request) -> str:
        """Carry out what a key or a button asks for beside motion; returns what is in the way of it, if anything is."""
        try:
            self._carry_out(asked)
        except CommandError as error:
            self.get_logger().error(str(error))
            return str(error)
        return ""

    def _carry_out(self, asked: Request) -> None:
        if asked is Request.START_RECORDING:
            self._start_recording()
        elif asked in (Request.FINISH_AS_SUCCESS, Request.FINISH_AS_FAILURE):
            is_success = asked is Request.FINISH_AS_SUCCESS
            self._call(self._stop_client, StopRecording.Request(is_success=is_success), self._on_recorded)
        elif asked is Request.DISCARD_RECORDING:
            self._call(self._discard_client, Trigger.Request())
        elif asked is Request.SHOW_HELP and self._terminal is not None:
            self._terminal.print(HELP)
        elif asked is Request.QUIT:
            self.end(0)
        elif self._teleoperation is not None:
            self._do_with_arm(self._teleoperation, asked)

    def _do_with_arm(self, teleoperation: ArmTeleoperation, asked: Request) -> None:
        if asked is Request.STOP:
            teleoperation.dead_man.release()
        elif asked is Request.TOGGLE_GRIPPER and self._has_gripper():
            teleoperation.is_gripper_open = not teleoperation.is_gripper_open
        elif asked is Request.FASTER:
            teleoperation.change_speed(+1)
        elif asked is Request.SLOWER:
            teleoperation.change_speed(-1)
        elif asked is Request.RESET_SCENE and self._robot is not None:
            teleoperation.dead_man.release()
            raise CommandError("there is no scene to reset here: put things back by hand, then record the next episode")
        elif asked is Request.RESET_SCENE:
            teleoperation.dead_man.release()
            self._pace.is_reset_asked = self._call(self._reset_client, ResetScene.Request(), self._on_reset)
        elif asked is Request.RELEASE_LATCH:
            self._release_latch()

    def _has_gripper(self) -> bool:
        """Whether a gripper can be moved; tells the person where not."""
        if self._robot is None:
            return True
        self.get_logger().warning(
            f"the gripper is not available: the configuration of {self._robot.name} has none, only the arm is moved",
            throttle_duration_sec=1.0,
        )
        return False

    def _start_recording(self) -> None:
        if self._has_episode_ended:
            # The task counts no control steps any more, so there would be nothing to import.
            raise CommandError(
                f"not recorded: the episode is over ({self._task_note}). Press b, or call ~/reset_scene, to begin "
                "another."
            )
        request = StartRecording.Request(task=self._task, operator_name=self._config.operator_name)
        self._call(self._start_client, request)

    def _tell_what_was_recorded(self) -> None:
        told = 0 if self._recording is None else self._recording.episodes - (self._kept_before or 0)
        new = max(told, len(self._finished))
        if new == 0:
            return
        path = self._finished[-1] if self._recording is None else Path(self._recording.path)
        robot = "" if self._robot is None else f" --robot {self._config.robot_file or self._config.robot}"
        self.get_logger().info(
            f"{new} episode{'s' * (new > 1)} recorded. Next: spirl demos import {path.parent}{robot} --out data/mine"
        )

    def _call(self, client, service_request, on_answer=None) -> bool:
        if not client.service_is_ready():
            raise CommandError(f"there is no service {client.srv_name}. Is its node running and active?")
        on_answer = self._on_answer if on_answer is None else on_answer
        return self._calls.call(client, service_request, on_answer, self.now_s())

    def _on_answer(self, response) -> None:
        # rclpy wants one severity per line of code: another one at the same place raises ValueError.
        if response.success:
            self.get_logger().info(response.message)
        else:
            self.get_logger().error(response.message)

    def _on_recorded(self, response: StopRecording.Response) -> None:
        if response.success:
            self._finished.append(Path(response.path))
        self._on_answer(response)

    def _on_reset(self, response) -> None:
        if response.success:
            self.get_logger().info(f"the scene is reset: episode {response.episode}, seed {response.seed}")
        else:
            self._pace.is_reset_asked = False
            self.get_logger().error(response.message)

    def _release_latch(self) -> None:
        if self._steps.state is not SafetyState.LATCHED:
            if self._steps.stop_reason:
                raise CommandError("the arm has not come to rest yet. Try again in a moment.")
            return
        if reason := self._pace.why_latched():
            raise CommandError(f"the latch stays: {reason}")
        self._pace.release_latch()
        self._is_stopped_before = False

    def _status_line(self) -> str:
        """What matters most first: a narrow terminal cuts the end."""
        if self._teleoperation is None:
            return f"{self._waits_for} | q quit"
        steps = self._steps
        safety = "" if steps.state is SafetyState.PASSED else steps.state.name
        gripper = "open" if self._teleoperation.is_gripper_open else "closed"
        parts = [
            safety if steps.has_begun else self._pace.waits_for,
            steps.motion_note,
            self._recording_note(),
            self._task_note,
            next_keys(
                is_latched=steps.state is SafetyState.LATCHED,
                has_ended=self._has_episode_ended,
                has_recorder=self._recording is not None,
                is_recording=self._is_recording,
                has_reset=self._robot is None,
            ),
            f"speed {100.0 * self._teleoperation.speed_scale:.0f} %",
            gripper if self._robot is None else "",
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


def _simulated_arm(config: TeleopConfig) -> TeleoperatedArm:
    family = family_of(config.task) if config.robot == DEFAULT_FAMILY else find_family(config.robot)
    arm = family.teleoperated_arm()
    if arm is None:
        raise ConfigError(
            f"task family {family.name} does not say how a person moves its arm. Write its method `teleoperated_arm`: "
            "docs/new_task.md; or let its scripted operator or a bundle act."
        )
    return arm


def _configured_arm(robot: RobotConfiguration, urdf: str) -> TeleoperatedArm:
    try:
        from spirl_ros.teleoperation.configured_arm import ConfiguredArm
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"teleop reads the arm's kinematics with mujoco: {error}. Install it on the computer that teleop runs "
            "on: pip install mujoco."
        ) from error
    return ConfiguredArm(robot, urdf)


def main() -> None:
    """Run the node."""
    sys.exit(run(Teleop))


if __name__ == "__main__":
    main()
