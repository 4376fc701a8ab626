"""Executes skills on an arm: latents in, safe joint commands out."""

import gc
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from spirl_msgs.msg import SceneState, Skill, SkillStatus, TaskStatus
from spirl_msgs.srv import LoadBundle
from spirl_ros.arms.robot_configuration import CONTROLLER_UPDATE_PERIOD_S, read_robot
from spirl_ros.control.control_loop import STOPPED_BY_PERSON, ControlLoop, LoopState
from spirl_ros.control.event_rate import EventRate
from spirl_ros.control.skill_sequence import Outcome, SkillRequest
from spirl_ros.deployment.bundle import Bundle
from spirl_ros.errors import CommandError, ObservationError, SkillError, SpirlError
from spirl_ros.nodes.executor.arm_command_topic import ArmCommandTopic
from spirl_ros.nodes.executor.arm_readiness import ArmReadiness
from spirl_ros.nodes.executor.bundle_loading import LoadingBeside, load_first, to_skill_model
from spirl_ros.nodes.executor.control_steps import LockstepSteps, RealtimeSteps
from spirl_ros.nodes.executor.execute_skill_action import ExecuteSkillAction
from spirl_ros.nodes.executor.executor_status import ExecutorStatus
from spirl_ros.nodes.executor.skill_executor_parameters import (
    FORWARD_POSITION,
    JOINT_TRAJECTORY,
    LOCKSTEP,
    REALTIME,
    REPLACE,
    SkillExecutorConfig,
)
from spirl_ros.nodes.graph.managed_node import ERROR, OK, WARN, ManagedNode, run
from spirl_ros.nodes.graph.message_thread import MessageThread, Topic
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS, stamp_ns
from spirl_ros.nodes.graph.parameters import read_parameters
from spirl_ros.nodes.graph.single_instance import GraphLock, refuse_second_publisher
from spirl_ros.nodes.graph.state_publishers import StatePublishers

GIL_SWITCH_S = 0.0005
"""How long one thread of the node may keep another from running [s]; Python's default is 5 ms."""
LISTEN_S = 0.3
"""How long joint states are listened to before activation, where several nodes publish them [s]."""
WATCH_PERIOD_S = 0.1
"""How often the node looks after itself [s]."""


class SkillExecutorNode(ManagedNode):
    """Carries measurements and skills to a ControlLoop, and what it says to the arm and to whoever asked.

    One thread takes in measurements and skills. In realtime another one steps the loop and sends the command; in
    lockstep
    a new state steps it. The node's thread does all the rest. A lock keeps them apart; nothing is done under it that
    waits.
    """

    last_turns = 10

    def __init__(
        self,
        load: Callable[[SkillExecutorConfig], Bundle] = load_first,
        make_loop: Callable[..., ControlLoop] = ControlLoop,
        make_command_topic: Callable[..., ArmCommandTopic] = ArmCommandTopic,
    ) -> None:
        """Declare the parameters.

        Args:
            load: gives the bundle that the parameters name; raises SpirlError.
            make_loop: the loop that decides on the commands; arguments are ControlLoop's.
            make_command_topic: the arm that takes them; arguments are ArmCommandTopic's.
        """
        super().__init__("skill_executor", SkillExecutorConfig)
        self._load, self._make_loop, self._make_command_topic = load, make_loop, make_command_topic
        self._lock = threading.RLock()
        self._is_running = False
        """Active, and the loop is there."""
        self._has_bundle = False

    def configure(self) -> None:
        """Load the bundle and open topics, action and services."""
        self._config = config = read_parameters(self, SkillExecutorConfig)
        self._bundle = bundle = self._load(config)
        self._model = model = to_skill_model(bundle, config.speed)
        self._arm_joints = frozenset(model.limits.joint_names)
        self._has_bundle = True
        self._loading = LoadingBeside(config)
        self._tracking_tolerance: float | None = None
        self._continuous: tuple[str, ...] = ()
        update_period_s = config.controller_update_period_s
        if config.robot:
            robot = read_robot(config.robot, Path(config.robot_file) if config.robot_file else None)
            self._tracking_tolerance = config.tracking_tolerance or robot.tracking_tolerance
            self._continuous = robot.continuous
            update_period_s = update_period_s or robot.controller_update_period_s
        period_s = model.control_period_s
        self._readiness = ArmReadiness(
            self,
            config.controller,
            self._on_readiness_lost,
            ready_topic=config.ready_topic,
            fault_topic=config.fault_topic,
            activity_topic=config.activity_topic,
            speed_scaling_topic=config.speed_scaling_topic,
        )
        self._command_topic = self._make_command_topic(
            self,
            model.limits,
            period_s,
            controller=config.controller,
            takes_positions=config.command_interface == FORWARD_POSITION,
            has_own_time=config.rate == LOCKSTEP,
            update_period_s=update_period_s or CONTROLLER_UPDATE_PERIOD_S,
            # A simulated arm, which no file describes, begins no trajectory too early, and its time may not go on
            # steadily.
            stamps_within_s=config.max_age_s if self._may_stamp(config) else 0.0,
            is_slowed=lambda: self._readiness.is_slowed,
        )
        self._status = ExecutorStatus(self, period_s)
        # Lockstep needs every state; of a running arm the newest counts, and drivers may offer best effort only.
        state_qos = 10 if config.rate == LOCKSTEP else qos_profile_sensor_data
        self._messages = MessageThread(
            self,
            [
                Topic(JointState, config.joint_state_topic, self._on_joint_state, state_qos, is_counted=True),
                Topic(SceneState, config.scene_state_topic, self._on_scene_state, state_qos),
                Topic(TaskStatus, "task_status", self._on_task_status, LATCHED_QOS),
                Topic(Skill, "skill", self._on_skill, COMMAND_QOS),
            ],
            self.fail,
        )
        self._services_of_executor = [
            self.create_service(Trigger, "~/stop", self._on_stop),
            self.create_service(Trigger, "~/cancel", self._on_cancel),
            self.create_service(Trigger, "~/reset", self._on_reset),
            self.create_service(Trigger, "~/execute_prior_skill", self._on_execute_prior_skill),
            # A coroutine, which create_service takes but does not declare. It ends when the bundle is there, and in the
            # node's own group stop would wait for that.
            self.create_service(
                LoadBundle,
                "load_bundle",
                self._on_load_bundle,  # pyright: ignore[reportArgumentType]
                callback_group=ReentrantCallbackGroup(),
            ),
        ]
        self._action = ExecuteSkillAction(
            self, self._lock, self._begin_skill, self._cancel_skill, replaces=config.second_goal == REPLACE
        )
        self._step_guard = self.create_guard_condition(self._tell_steps)
        # Everything made so far stays: a full collection would look through it in the middle of a control period.
        gc.collect()
        gc.freeze()

    def activate(self) -> None:
        """Take over the arm where it stands; it moves with the first skill."""
        config = self._config
        self._arm_lock = GraphLock(self, "commander", self._command_topic.name)
        self._state_publishers = StatePublishers(self, self._messages.topic_names[0])
        try:
            refuse_second_publisher(self, SkillStatus, self._status.topic_name, "skill executor", config.discovery_s)
            self._refuse_second_state()
        except SpirlError:
            self._arm_lock.release()
            raise
        with self._lock:
            self._loop = self._make_loop(
                self._model,
                config.max_age_s,
                np.random.default_rng(config.seed),
                time_waits=config.rate == LOCKSTEP,
                has_braking_tail=config.command_interface == JOINT_TRAJECTORY,
                max_missed=config.max_missed,
                max_choice_age_s=config.max_choice_age_s,
                tracking_tolerance=self._tracking_tolerance,
                continuous=self._continuous,
            )
            self._command_topic.forget()
            period_s = self._model.control_period_s
            stepped = self._loop, self._command_topic, self._lock, self._not_ready
            self._steps = (
                RealtimeSteps(*stepped, self, config, period_s, self._step_guard.trigger, self.fail)
                if config.rate == REALTIME
                else LockstepSteps(*stepped, config, period_s, self._tell_steps)
            )
            self._episode: int | None = None
            self._task_step: tuple[int, int] | None = None
            self._told_s = self.now_s()
            self._refusal = ""
            self._told_interventions = 0
            self._state_rate = EventRate("joint states")
            self._is_running = True
        sys.setswitchinterval(GIL_SWITCH_S)
        self._watch_timer = self.create_timer(WATCH_PERIOD_S, self._watch, clock=self.steady_clock)
        self._messages.start()
        self._steps.start()
        self.get_logger().info(
            f"bundle {self._model.name} on {self._bundle.provider}, {config.rate}; commands go to "
            f"{self._command_topic.name}"
        )

    def deactivate(self) -> None:
        """Bring the arm to rest and end what is under way."""
        self.destroy_timer(self._watch_timer)
        self._messages.stop()
        self._steps.stop()
        with self._lock:
            if self._loop.arm.is_moving or self._loop.state is LoopState.EXECUTING:
                self._loop.stop("the skill executor was deactivated")
                self._steps.brake_to_rest(wait=lambda: time.sleep(self._model.control_period_s))
            else:
                self._loop.cancel("the skill executor was deactivated")
                self._steps.step()
            self._is_running = False
        self._tell_steps()
        self._arm_lock.release()

    def cleanup(self) -> None:
        """Close topics, action and services."""
        if self._loading.is_under_way:
            raise CommandError("a bundle is being loaded. Try again when that is answered.")
        self._has_bundle = False
        self._messages.close()
        self._action.close()
        self.destroy_guard_condition(self._step_guard)
        for topic in (self._command_topic, self._status, self._readiness):
            topic.close()
        for service in self._services_of_executor:
            self.destroy_service(service)
        gc.unfreeze()

    def diagnose(self) -> tuple[bytes, str, dict[str, object]]:
        """State, rates and refusals."""
        if not self._is_running:
            return OK, "not active", self._loaded()
        with self._lock:
            loop = self._loop
            values: dict[str, object] = {
                **self._loaded(),
                "state": loop.state.name,
                "skills waiting": int(loop.skills.waiting is not None),
                "interventions": loop.arm.interventions,
                "observation age [s]": loop.observation.age_s(self._steps.time_s()),
                **self._state_rate.diagnose(self.now_s()),
            }
            state, reason = loop.state, self._steps.reason
            new_interventions = loop.arm.interventions - self._told_interventions
            self._told_interventions = loop.arm.interventions
        values |= self._steps.diagnose()
        others = self._command_topic.other_publishers()
        if others:
            values["other publishers of commands"] = ", ".join(others)
        if self._refusal:
            values["last refusal"] = self._refusal
            self._refusal = ""
        if state >= LoopState.BRAKING:
            return ERROR, f"{state.name}: {reason}", values
        if others and not reason:
            reason = f"{', '.join(others)} can command the same arm"
        if new_interventions and not reason:
            reason = f"commands that the safety filter changed in the last second: {new_interventions}"
        if values.get("missed ticks") and not reason:
            reason = f"missed ticks in the last second: {values['missed ticks']}"
        return (WARN, reason, values) if reason else (OK, state.name.lower(), values)

    def _loaded(self) -> dict[str, object]:
        """Which skills are loaded; of a node that is not configured none are."""
        if not self._has_bundle:
            return {}
        model = self._loop.skills.model if self._is_running else self._model
        return {"bundle": model.name, "bundle digest": model.digest[:12], "provider": self._bundle.provider}

    def _may_stamp(self, config: SkillExecutorConfig) -> bool:
        """Whether a trajectory bears the arm's time. A simulator's time comes in steps that are too coarse for that."""
        is_simulated = bool(self.get_parameter("use_sim_time").value)
        return config.stamp_commands == "auto" and bool(config.robot) and not is_simulated

    def _refuse_second_state(self) -> None:
        """On a real arm: raise CommandError where two publishers tell its joints."""
        if self._tracking_tolerance is None or self.count_publishers(self._messages.topic_names[0]) < 2:
            return
        self._messages.listen(LISTEN_S)
        if conflict := self._state_publishers.conflict:
            raise CommandError(conflict)

    def _on_joint_state(self, message: JointState, number: int | None) -> None:
        if self._arm_joints.issubset(message.name):
            self._state_publishers.heard(number, self.now_s())
        if not self._is_running:
            return
        self._update(message, is_scene=False)
        if self._state_publishers.has_two and self._tracking_tolerance is not None:
            with self._lock:
                if self._loop.state < LoopState.BRAKING:
                    self._loop.stop(self._state_publishers.conflict)

    def _on_scene_state(self, message: SceneState) -> None:
        self._update(message, is_scene=True)

    def _update(self, message: JointState | SceneState, is_scene: bool) -> None:
        measured_ns = stamp_ns(message.header.stamp)
        received_s = self._steps.received_s(measured_ns)
        with self._lock:
            update = self._loop.update_scene_state if is_scene else self._loop.update_joint_state
            try:
                update(list(message.name), message.position, measured_ns, received_s)
            except ObservationError as error:
                self._refuse(f"state ignored: {error}")
                return
            if not is_scene:
                self._state_rate.mark(self.now_s())
            self._steps.advance()

    def _on_task_status(self, status: TaskStatus) -> None:
        with self._lock:
            if self._episode is not None and status.episode != self._episode:
                self._loop.begin_episode("the scene was reset", stamp_ns(status.header.stamp))
                self._steps.begin_episode()
            elif self._task_step is not None and (status.episode, status.step) != self._task_step:
                self._loop.skills.add_step_result(status.reward, status.terminated, status.truncated)
            self._episode, self._task_step = status.episode, (status.episode, status.step)
            self._steps.task_told(stamp_ns(status.header.stamp))
            self._steps.advance()

    def _on_skill(self, message: Skill) -> None:
        with self._lock:
            if self._action.is_under_way:
                self._refuse("skill ignored: a goal of execute_skill is under way")
                return
            try:
                observed_ns = stamp_ns(message.header.stamp)
                self._begin_skill(SkillRequest(np.asarray(message.latent), message.skill_id, observed_ns))
            except SkillError as error:
                self._refuse(f"skill {message.skill_id} ignored: {error}")

    def _begin_skill(self, request: SkillRequest, replace: bool = False) -> None:
        """With the lock held; raises SkillError."""
        if not self._is_running:
            raise SkillError("the skill executor is not active. Activate it: ros2 lifecycle set <node> activate.")
        if reason := self._not_ready():
            raise SkillError(reason)
        self._loop.execute(request, self._steps.time_s(), replace=replace)
        self._steps.skill_begins()

    def _cancel_skill(self, reason: str) -> None:
        self._loop.cancel(reason)
        self._steps.advance()

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._answer(response, self._stop, "The arm brakes and stays at rest until reset.")

    def _on_cancel(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._answer(
            response,
            lambda: self._cancel_skill("canceled by a service call"),
            "The arm comes to rest and is ready for the next skill.",
        )

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._answer(response, self._reset, "The latch is released; the next skill moves the arm.")

    def _on_execute_prior_skill(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """What the action does with an empty latent, for those who cannot call actions."""

        def begin() -> None:
            if self._action.is_under_way or self._loop.state is LoopState.EXECUTING:
                raise SkillError("a skill is under way. Wait for it, or stop it.")
            self._begin_skill(SkillRequest(None))

        return self._answer(response, begin, "A skill drawn from the prior begins.")

    def _answer(self, response: Trigger.Response, act, done: str) -> Trigger.Response:
        """Act with the lock held, and say what came of it."""
        with self._lock:
            if not self._is_running:
                response.message = "the skill executor is not active. Activate it: ros2 lifecycle set <node> activate."
                return response
            try:
                act()
            except (SkillError, CommandError) as error:
                response.message = str(error)
                return response
        response.success, response.message = True, done
        return response

    def _stop(self) -> None:
        self._loop.stop(STOPPED_BY_PERSON)
        self._steps.advance()

    def _reset(self) -> None:
        if self._readiness.fault:
            raise CommandError(f"the latch stays: {self._readiness.fault}. Bring the arm back first.")
        self._loop.reset(self._steps.time_s())
        self._steps.reason = ""

    async def _on_load_bundle(self, request: LoadBundle.Request, response: LoadBundle.Response) -> LoadBundle.Response:
        try:
            bundle = await self._loading.load(request.path)
            model, when = to_skill_model(bundle, self._config.speed), "runs when the node is activated"
            with self._lock:
                if self._is_running:
                    when = "runs now" if self._loop.swap(model) else "runs from the next skill on"
                else:
                    model.check_may_follow(self._model)
                self._bundle, self._model = bundle, model
        except SpirlError as error:
            self.get_logger().error(f"bundle refused, {self._model.name} goes on: {error}")
            response.message, response.bundle = str(error), self._model.name
            return response
        response.success, response.bundle = True, model.name
        response.message = f"Bundle {model.name} ({bundle.digest[:12]}) is verified and {when}."
        self.get_logger().info(response.message)
        return response

    def _on_readiness_lost(self, reason: str) -> None:
        with self._lock:
            if self._is_running:
                self._loop.stop(reason)
                self._steps.advance()

    def _not_ready(self) -> str:
        """Why there is no arm to move, or nothing."""
        return self._command_topic.nobody_listens() or self._readiness.fault

    def _tell_steps(self) -> None:
        """Publish status, feedback and results of the steps made, after their commands.

        In realtime in the node's thread; in lockstep with the lock held, in the thread that made the step.
        """
        for record in self._steps.take_records():
            self._status.publish(record)
            self._told_s = self.now_s()
            for report in record.tick.reports:
                if report.outcome is not Outcome.STOPPED:
                    continue
                text = f"skill stopped after {report.steps} steps: {report.message}"
                if record.tick.state in (LoopState.BRAKING, LoopState.LATCHED):
                    self.get_logger().error(text)
                else:  # a reset of the scene, which is how an episode of the simulator ends
                    self.get_logger().info(text)
            self._action.tell(record)

    def _watch(self) -> None:
        """Ten times a second; in lockstep also a sign of life while nothing happens."""
        if self._config.rate == REALTIME:
            return
        with self._lock:
            self._steps.watch()
            if self.now_s() > self._told_s + WATCH_PERIOD_S:
                self._command_topic.show_life()
                self._status.show_life()

    def _refuse(self, reason: str) -> None:
        self._refusal = reason
        self.get_logger().error(reason, throttle_duration_sec=1.0)


def main() -> None:
    """Run the node."""
    sys.exit(run(SkillExecutorNode))


if __name__ == "__main__":
    main()
