"""Chooses skills: at every skill boundary the policy, or the prior, picks a latent for the skill executor."""

import gc
import math
import sys
from collections.abc import Callable

import numpy as np
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from spirl_msgs.msg import RecordingStatus, Skill, SkillStatus, TaskStatus
from spirl_msgs.srv import ResetScene, SetTask
from spirl_ros.bringup.restarts import EXIT_FAULT
from spirl_ros.control.episode_moments import ExecutorMoment
from spirl_ros.control.episode_run import EpisodeRun, EpisodeRunConfig, NextStep
from spirl_ros.control.event_rate import EventRate
from spirl_ros.control.skill_choice import NO_POLICY, POLICY, SkillChoiceConfig, SkillChooser
from spirl_ros.control.skill_handover import SkillHandover
from spirl_ros.deployment.bundle import Bundle, load_bundle
from spirl_ros.errors import BundleError, ConfigError, SpirlError
from spirl_ros.nodes.executor.bundle_loading import BundleLoading
from spirl_ros.nodes.executor.observed_states import ObservedStates
from spirl_ros.nodes.graph.managed_node import ERROR, OK, WARN, ManagedNode, run
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS, from_skill_status, from_task_status, to_skill
from spirl_ros.nodes.graph.parameters import read_parameters
from spirl_ros.nodes.graph.service_calls import ServiceCalls
from spirl_ros.nodes.policy.run_episode_action import EpisodeRequest, RunEpisodeAction
from spirl_ros.nodes.policy.skill_policy_parameters import AT_ONCE, LOCKSTEP, SAMPLE, SkillPolicyConfig
from spirl_ros.tasks.episode_lines import EpisodeLines

WATCH_PERIOD_S = 0.1
"""How often the node looks whether something stands still [s]."""
SILENT_S = 1.0
"""What the executor said so long ago [s] is no reason to refuse a run: it says what it does more often."""


class SkillPolicyNode(ManagedNode):
    """Carries what arm, task and executor say to an EpisodeRun, and the skills of a SkillChooser to the executor.

    Everything runs in the node's one thread: a choice takes a fraction of a millisecond.
    """

    def __init__(
        self,
        load: Callable[[str, str], Bundle] = load_bundle,
        make_chooser: Callable[..., SkillChooser] = SkillChooser,
    ) -> None:
        """Declare the parameters.

        Args:
            load: gives the bundle of a folder, on a provider; raises SpirlError.
            make_chooser: what chooses skills; arguments are SkillChooser's.
        """
        super().__init__("skill_policy", SkillPolicyConfig)
        self._load, self._make_chooser = load, make_chooser
        self._run: EpisodeRun | None = None
        self._runs_begun = 0
        self._sent_before: tuple[int, ...] = ()
        self._executor: ExecutorMoment | None = None
        self._executor_s = -math.inf
        self._end_asked_for = self._failure = ""
        self._is_own_run = self._is_own_run_cut_off = False

    def configure(self) -> None:
        """Load the bundle and open topics, action and services."""
        self._config = config = read_parameters(self, SkillPolicyConfig)
        if not config.bundle:
            raise ConfigError("bundle is empty, expected the folder of a bundle: -p bundle:=<folder>.")
        self._bundle = bundle = BundleLoading(
            config.bundle, lambda: self._load(config.bundle, config.provider), config.load_patience_s
        ).wait()
        about = bundle.description
        joints, names = about.joint_names, about.state.names
        if names[: len(joints)] != joints:
            raise BundleError(f"bundle '{about.name}' observes {', '.join(names)}, expected its joints first.")
        self._chooser = self._make_chooser(
            bundle.policy,
            bundle.prior,
            SkillChoiceConfig(config.source, config.latent == SAMPLE, config.fallback, config.max_divergence),
        )
        self._states = ObservedStates(
            self,
            config.joint_state_topic,
            config.scene_state_topic,
            about.observation,
            len(joints),
            is_every_state_needed=config.rate == LOCKSTEP,
            max_picture_age_s=config.max_picture_age_s,
        )
        self._skill_publisher = self.create_publisher(Skill, "skill", COMMAND_QOS)
        self._subscriptions_of_policy = [
            self.create_subscription(SkillStatus, "skill_status", self._on_skill_status, LATCHED_QOS),
            self.create_subscription(RecordingStatus, "recording_status", self._on_recording_status, LATCHED_QOS),
        ]
        if not config.max_steps:
            subscription = self.create_subscription(TaskStatus, "task_status", self._on_task_status, LATCHED_QOS)
            self._subscriptions_of_policy.append(subscription)
        self._reset_client = self.create_client(ResetScene, "reset_scene")
        self._task_client = self.create_client(SetTask, "set_task")
        self._cancel_client = self.create_client(Trigger, f"{config.executor}/cancel")
        self._release_client = self.create_client(Trigger, f"{config.executor}/reset")
        self._calls = ServiceCalls(self._on_call_failed, config.patience_s)
        self._own_request = EpisodeRequest("", config.episodes, config.seed)
        self._action = RunEpisodeAction(self, self._own_request, self._begin, self._cancel)
        self._has_recorder_status = False
        self._skill_id = 0
        self._divergence = float("nan")
        self._fallbacks = self._late_skills = self._told_late = 0
        self._skill_rate = EventRate("skills")
        self._fallback_reason = ""
        self.add_on_set_parameters_callback(self._refuse_lacking_policy)
        # What is there now stays: a full collection would look through it between two skills.
        gc.collect()
        gc.freeze()

    def activate(self) -> None:
        """Be ready to run episodes, or begin."""
        self._watch_timer = self.create_timer(WATCH_PERIOD_S, self._watch, clock=self.steady_clock)
        self._due_timer = self.create_timer(WATCH_PERIOD_S, self._on_due, clock=self.steady_clock)
        self._due_timer.cancel()
        config = self._config
        self.get_logger().info(
            f"bundle {self._bundle.description.name} on {self._bundle.provider}, {config.rate}: "
            f"the {config.source}'s {config.latent}"
        )
        self._ends_after_run = config.start == AT_ONCE
        if self._ends_after_run:
            self._begin(self._own_request)

    def deactivate(self) -> None:
        """End the episodes under way; the arm comes to rest."""
        self._ends_after_run = False
        self._is_own_run_cut_off = self._run is not None and self._is_own_run and self._config.start != AT_ONCE
        if self._cancel("the skill policy was deactivated"):
            self._advance()
        self.destroy_timer(self._watch_timer)
        self.destroy_timer(self._due_timer)

    def cleanup(self) -> None:
        """Close topics, action and services."""
        self.remove_on_set_parameters_callback(self._refuse_lacking_policy)
        self._action.close()
        self._states.close()
        self.destroy_publisher(self._skill_publisher)
        for subscription in self._subscriptions_of_policy:
            self.destroy_subscription(subscription)
        for client in (self._reset_client, self._task_client, self._cancel_client, self._release_client):
            self.destroy_client(client)
        gc.unfreeze()

    def diagnose(self) -> tuple[bytes, str, dict[str, object]]:
        """What is run, and how well choosing goes."""
        if not self.is_active:
            return OK, "not active", {"run of ~/start": "cut off"} if self._is_own_run_cut_off else {}
        run, config = self._run, self._config
        late = self._late_skills + (0 if run is None else self._handover.late_skills)
        new_late, self._told_late = late - self._told_late, late
        values: dict[str, object] = {
            "bundle": self._bundle.description.name,
            "bundle digest": self._bundle.digest[:12],
            "source": config.source,
            "episodes": 0 if run is None else run.finished,
            "skills chosen": self._skill_id,
            "divergence from the prior [nats]": self._divergence,
            "skills chosen by the fallback": self._fallbacks,
            "skills that came late": late,
            "runs begun": self._runs_begun,
            "why the last run failed": self._failure,
            "run of ~/start": "under way" if run is not None and self._is_own_run and config.start != AT_ONCE else "",
            **self._skill_rate.diagnose(self.now_s()),
        }
        if run is None and self._failure:
            return WARN, f"waiting for run_episode or ~/start: the last run stopped {self._failure}", values
        if run is None:
            return OK, "waiting for run_episode or ~/start", values
        if run.interruption:
            return WARN, f"waiting to go on by itself: {run.interruption}", values
        age_s = self._states.newest.age_s(self.now_s())
        values["observation age [s]"] = age_s
        if run.is_acting and age_s > 1.0:
            return ERROR, f"no observation for {age_s:.1f} s", values
        if self._fallback_reason:
            reason, self._fallback_reason = self._fallback_reason, ""
            return WARN, f"the prior chooses: {reason}", values
        if new_late:
            return (
                WARN,
                f"skills that came late in the last second: {new_late}; the arm came to rest before them",
                values,
            )
        return OK, "acting" if run.is_acting else "waiting", values

    def _refuse_lacking_policy(self, parameters: list[Parameter]) -> SetParametersResult:
        """Refuse a source that the next configuration would fail with: then nobody would choose."""
        values = {parameter.name: parameter.value for parameter in parameters}
        is_same_bundle = values.get("bundle", self.get_parameter("bundle").value) == self._config.bundle
        is_lacking = values.get("source") == POLICY and self._bundle.policy is None and is_same_bundle
        return SetParametersResult(successful=not is_lacking, reason=NO_POLICY if is_lacking else "")

    def _begin(self, request: EpisodeRequest) -> str:
        """Begin a run; returns why not, or nothing."""
        config, about = self._config, self._bundle.description
        if self._run is not None:
            return "episodes are under way. Wait for them or cancel them."
        if request.task and config.max_steps:
            return "max_steps is set, so episodes have no task. Leave the task empty."
        goes_on = config.goes_on and request.episodes == 0
        if latch := self._latch(goes_on):
            return latch
        self._task_to_set, self._seed = request.task, request.seed
        self._runs_begun += 1
        self._end_asked_for = self._failure = ""
        self._is_own_run, self._is_own_run_cut_off = request is self._own_request, False
        self._calls.clear()  # what an executor that died never answered is no fault of this run
        self._states.forget()
        self._lines, self._told_interruption = EpisodeLines(), ""
        self._due_s: float | None = None
        self._handover = handover = SkillHandover(
            about.skill_horizon,
            1.0 / (about.control_rate_hz * config.speed),
            config.lead_s,
            config.rate == LOCKSTEP,
            self._sent_before,
        )
        self._run = EpisodeRun(
            EpisodeRunConfig(
                episodes=request.episodes,
                skill_horizon=about.skill_horizon,
                bundle=about.name,
                bundle_digest=self._bundle.digest,
                subtasks=about.target_subtasks if config.source == POLICY else None,
                patience_s=config.patience_s,
                start_s=config.start_s,
                max_steps=config.max_steps,
                resets=not config.max_steps,
                goes_on=goes_on,
            ),
            self.now_s(),
            handover,
        )
        return ""

    def _latch(self, goes_on: bool) -> str:
        """Why the executor takes no skill now, or nothing; a latch that a run would have released does not count."""
        executor = self._executor
        if executor is None or self.now_s() > self._executor_s + SILENT_S:
            return ""
        return "" if goes_on and not executor.is_stopped_by_person else executor.latch

    def _cancel(self, reason: str) -> bool:
        """End the run under way with the next turn, as somebody asked; returns whether there is one."""
        if self._run is not None:
            self._run.fail(reason)
            self._end_asked_for = reason
        return self._run is not None

    def _watch(self) -> None:
        self._advance(look=True)

    def _on_due(self) -> None:
        self._due_timer.cancel()
        self._advance(look=True)

    def _advance(self, *, look: bool = False) -> None:
        """Do what the run asks for; after everything that was heard, when a skill is due, and a few times a second."""
        run, now_s = self._run, self.now_s()
        self._calls.poll(now_s)
        if run is None:
            return
        if (look or self._handover.wants_observation) and self._states.look():
            run.observed(self._states.newest.measured_ns, now_s)
        next_step = run.next(now_s, self._lacking() if run.is_waiting else self._states.lacking())
        self._tell(run)
        if next_step is NextStep.RESET:
            self._lines.begin()
            self._reset(run)
        elif next_step is NextStep.CHOOSE:
            self._choose(run)
        elif next_step is NextStep.RELEASE:
            self._calls.call(self._release_client, Trigger.Request(), lambda _: None, now_s)
        self._tell_interruption(run)
        if run.is_over:
            self._end_run(run)
        elif run.due_s is not None and run.due_s != self._due_s:
            self._due_s = run.due_s
            self._due_timer.timer_period_ns = max(0, round((run.due_s - now_s) * 1e9))
            self._due_timer.reset()

    def _lacking(self) -> str:
        """What else has to be there before the first episode."""
        config = self._config
        if self._skill_publisher.get_subscription_count() == 0:
            return f"a skill executor that listens to {self._skill_publisher.topic_name}"
        clients = [] if config.max_steps else [self._reset_client]
        for client in (*clients, *([self._task_client] if self._task_to_set else [])):
            if not client.service_is_ready():
                return f"the service {client.srv_name}"
        is_recorded = self._has_recorder_status and self._skill_publisher.get_subscription_count() > 1
        if config.wait_for_recorder and not is_recorded:
            return "a recorder of skills"
        return self._states.lacking()

    def _reset(self, run: EpisodeRun) -> None:
        """Set the task, if one is asked for, then reset the scene."""
        if self._task_to_set:
            request = SetTask.Request(task=self._task_to_set)
            self._calls.call(self._task_client, request, lambda answer: self._on_task_set(run, answer), self.now_s())
            return
        seed = self._seed
        request = ResetScene.Request(use_seed=seed is not None, seed=0 if seed is None else seed + run.finished)
        self._calls.call(self._reset_client, request, lambda answer: self._on_scene_reset(run, answer), self.now_s())

    def _on_task_set(self, run: EpisodeRun, response: SetTask.Response) -> None:
        self._task_to_set = ""
        refusal = run.task_refusal(tuple(response.subtasks)) if response.success else response.message
        if refusal:
            run.fail(refusal)
        else:
            self._reset(run)

    def _on_scene_reset(self, run: EpisodeRun, response: ResetScene.Response) -> None:
        if response.success:
            run.reset_answered(response.episode, self.now_s())
        else:
            run.give_up(f"the scene was not reset: {response.message}", self.now_s())

    def _on_call_failed(self, reason: str) -> None:
        if self._run is not None:
            self._run.give_up(reason, self.now_s())

    def _choose(self, run: EpisodeRun) -> None:
        """Choose a skill on the newest observation and send it."""
        task = run.task
        if run.handover.skill_id is None:
            # Each episode has its generator: its latents do not depend on the episodes before.
            self._generator = np.random.default_rng(self._seed if task is None else task.seed)
        try:
            completed = 0 if task is None else task.completed_in_order
            choice = self._chooser.choose(self._states.newest.observation, completed, self._generator)
        except SpirlError as error:
            run.give_up(str(error), self.now_s())
            return
        self._skill_id = max(self._skill_id, run.last_skill_id) + 1
        self._skill_publisher.publish(to_skill(choice, self._skill_id, self._states.newest.measured_ns))
        run.skill_sent(self._skill_id)
        self._skill_rate.mark(self.now_s())
        self._divergence = choice.divergence
        if choice.fallback_reason:
            self._fallbacks += 1
            self._fallback_reason = choice.fallback_reason
            self.get_logger().warning(f"the prior chooses: {choice.fallback_reason}", throttle_duration_sec=1.0)

    def _tell(self, run: EpisodeRun) -> None:
        """Say which subtasks were completed and which episodes have ended."""
        task, lines = run.task, self._lines
        has_ended = run.finished > lines.finished
        if task is not None and (run.is_acting or has_ended):
            new = lines.completed(task.completed)
            for line in new:
                self.get_logger().info(line)
            if new or task.step % run.config.skill_horizon == 0:
                self._action.tell(lines.finished + 1, task)
        if has_ended:
            result, subtasks = run.results[-1], () if task is None else task.subtasks
            self.get_logger().info(
                lines.end(result.completed_in_order, result.completed_any_order, subtasks, result.steps)
            )

    def _tell_interruption(self, run: EpisodeRun) -> None:
        """Say once why there is no episode, and when there is one again; the arm is brought to rest meanwhile."""
        before, self._told_interruption = self._told_interruption, run.interruption
        if run.is_over or run.interruption == before:
            return
        if run.interruption:
            self.get_logger().warning(
                f"interrupted after {run.finished} episodes: {run.interruption} This is a simulation, which resumes "
                "automatically as soon as it can."
            )
            if self._cancel_client.service_is_ready():
                self._calls.call(self._cancel_client, Trigger.Request(), lambda _: None, self.now_s())
        else:
            self.get_logger().info("resumes automatically with a new episode")

    def _end_run(self, run: EpisodeRun) -> None:
        """Answer whoever asked; after a failure the arm is brought to rest."""
        self._run = None
        self._late_skills += self._handover.late_skills
        self._sent_before = self._handover.own_ids
        self._due_timer.cancel()
        self._calls.clear()
        is_endless = run.config.episodes == 0
        if run.failure:
            told = f"after {run.finished} episodes: {run.failure}"
            if run.failure == self._end_asked_for:
                self.get_logger().info(f"ended {told}")
            else:
                self._failure = told
                self.get_logger().error(f"stopped {told}")
            if is_endless and self.is_active:
                service = self.resolve_service_name("~/start")
                self.get_logger().info(f"Start on the web page, or the service {service}, begins again")
            if self._cancel_client.service_is_ready():
                self._calls.call(self._cancel_client, Trigger.Request(), lambda _: None, self.now_s())
        if self._handover.late_skills:
            self.get_logger().warning(
                f"{self._handover.late_skills} skills came late: the arm came to rest before them"
            )
        if run.results:
            self.get_logger().info(self._lines.summary())
        self._action.ended(run)
        if self._ends_after_run and not is_endless:
            self.end(EXIT_FAULT if run.failure else 0)
        self._ends_after_run = False

    def _on_task_status(self, message: TaskStatus) -> None:
        if self._run is not None:
            self._run.task_told(from_task_status(message), self.now_s())
            self._advance()

    def _on_skill_status(self, message: SkillStatus) -> None:
        self._executor, self._executor_s = from_skill_status(message), self.now_s()
        if self._run is not None:
            self._run.executor_told(self._executor, self._executor_s)
            self._advance()

    def _on_recording_status(self, message: RecordingStatus) -> None:
        self._has_recorder_status = True


def main() -> None:
    """Run the node."""
    sys.exit(run(SkillPolicyNode))


if __name__ == "__main__":
    main()
