"""Learns a task on the graph's arm: chooses skills, collects what came of them, and has a process learn."""

import math
import shutil
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.action.client import ActionClient
from std_srvs.srv import Trigger

from spirl_msgs.action import ExecuteSkill
from spirl_msgs.msg import Skill, SkillStatus, TaskStatus, TrainingStatus
from spirl_msgs.srv import LoadBundle, ResetScene
from spirl_ros.bringup.restarts import EXIT_CRASH, EXIT_FAULT
from spirl_ros.control.control_loop import STOPPED_BY_PERSON
from spirl_ros.control.episode_moments import ExecutorMoment, TaskMoment
from spirl_ros.control.episode_run import EpisodeRun, EpisodeRunConfig, NextStep
from spirl_ros.control.event_rate import EventRate
from spirl_ros.control.skill_choice import STOP, SkillChoiceConfig, SkillChooser
from spirl_ros.control.skill_handover import GoalHandover
from spirl_ros.deployment.bundle import Bundle, load_bundle
from spirl_ros.deployment.onnx_policy import load_policy
from spirl_ros.errors import ConfigError, SpirlError
from spirl_ros.nodes.executor.bundle_loading import BundleLoading
from spirl_ros.nodes.executor.observed_states import ObservedStates
from spirl_ros.nodes.graph.managed_node import ERROR, OK, WARN, ManagedNode, run
from spirl_ros.nodes.graph.messages import (
    COMMAND_QOS,
    LATCHED_QOS,
    from_skill_status,
    from_task_status,
    to_skill,
    to_stamp,
)
from spirl_ros.nodes.graph.parameters import parameter, read_parameters
from spirl_ros.nodes.graph.polled_topic import PolledTopic
from spirl_ros.nodes.graph.service_calls import ServiceCalls
from spirl_ros.rl.learner_link import LearnerLink, PolicyFile, learner_arguments
from spirl_ros.rl.skill_collection import SkillCollection

SERVICE, OPERATOR = "service", "operator"
CLOSE_S = 2.0
"""How long the node waits for the learner to save [s]; that goes on in any case, but launchers kill the node soon."""
STATUS_PERIOD_S = 1.0
"""At least this often the status is published [s]."""
RATE_WINDOW_S = 10.0
"""Rates are counted over this time [s]."""
RETRY_S = 1.0
"""How long a pause lasts before training resumes automatically [s]."""
LEAST_FREE_BYTES = 1_000_000_000
"""Less free space than this on the run's disk is warned of [byte]: checkpoints are written to a new file first."""
_TICK_S, _HURRY_S = 0.02, 0.002
"""How often to look what can be done [s]: usually, and when what is waited for is on its way."""
_FRESH_S = 0.5
"""What was heard so long ago [s] tells nothing of now: arm and executor speak more often."""
_SEEDS_PER_RUN = 100_000


@dataclass(frozen=True)
class TrainerConfig:
    """Parameters of the trainer."""

    out: str = parameter("", "folder of the run; a run that is there already resumes")
    skills: str = parameter("", "folder of spirl skills train, for a new run")
    data: str = parameter("", "where the dataset of the skills is now, when it was moved")
    preset: str = parameter("best", "settings of the learner to begin with, see spirl rl train")
    settings: str = parameter("", "changes of them for a new run, such as steps=20000 seed=3, separated by spaces")
    checkpoint_every_s: float = parameter(300.0, "time between two checkpoints [s]", minimum=1.0)
    reset: str = parameter(
        SERVICE,
        "how an episode begins. service: reset_scene of the simulator. operator: somebody puts things back and calls "
        "~/confirm_reset",
        choices=(SERVICE, OPERATOR),
    )
    max_steps: int = parameter(
        0, "without a task status: control steps of an episode; ~/mark_success ends it with a reward of 1", minimum=0
    )
    patience_s: float = parameter(
        10.0, "training pauses when anything stands still for so long [s]", minimum=0.5, maximum=600.0
    )
    retries: int = parameter(
        0,
        "for simulation only: how often in a row training resumes automatically after a pause, and releases the "
        "executor's latch for it unless a person stopped the arm",
        minimum=0,
    )
    joint_state_topic: str = parameter("joint_states", "measured joint states")
    scene_state_topic: str = parameter("scene_state", "measured scene states, for skills that observe a scene")
    executor: str = parameter("skill_executor", "name of the skill executor, for its service reset")


class _Phase(Enum):
    STARTING = auto()
    """The learner starts; executor and arm appear."""
    LOADING = auto()
    """The executor loads the skills of the run."""
    LEARNING = auto()
    """Between two episodes, until the learner has caught up and gives its policy."""
    AWAITING_OPERATOR = auto()
    ACTING = auto()
    """In an episode."""
    PAUSED = auto()
    OVER = auto()


class TrainerNode(ManagedNode):
    """Carries what arm, task and executor say to an EpisodeRun, and what came of each skill to the learner's process.

    Everything here runs in the node's one thread and takes well below a millisecond; learning is another process. The
    arm stands still between two episodes until the learner has done the updates that are due, and acts with one policy
    through an episode.
    """

    def __init__(
        self,
        make_learner: Callable[[list[str]], LearnerLink] = LearnerLink,
        load: Callable[[str, str], Bundle] = load_bundle,
    ) -> None:
        """Declare the parameters.

        Args:
            make_learner: starts the learner; its argument is the command line of learner_process.
            load: gives the bundle of a folder, on a provider; raises SpirlError.
        """
        super().__init__("trainer", TrainerConfig)
        self._make_learner, self._load = make_learner, load
        self._link: LearnerLink | None = None
        self._ending: LearnerLink | None = None
        """The learner that was asked to save and to end."""

    def configure(self) -> None:
        """Start the learner and open topics, services and the action's client."""
        self._config = config = read_parameters(self, TrainerConfig)
        if not config.out:
            raise ConfigError("out is empty, expected the folder of the run: -p out:=<folder>.")
        out = Path(config.out).expanduser().absolute()
        self._link = self._make_learner(
            learner_arguments(
                out, config.skills, config.data, config.preset, config.settings.split(), config.checkpoint_every_s
            )
        )
        self._phase, self._reason = _Phase.STARTING, ""
        self._since_s = self.now_s()
        self._states: ObservedStates | None = None
        self._loading: BundleLoading | None = None
        self._skills: Bundle | None = None
        self._policy: PolicyFile | None = None
        self._chooser: SkillChooser | None = None
        self._task: TaskMoment | None = None
        self._run: EpisodeRun | None = None
        self._collection: SkillCollection | None = None
        self._goal: Any = None
        self._is_executing = False
        """Whether a goal was sent whose result has not come."""
        self._episode_reward = float("nan")
        self._is_success_marked = False
        self._pauses = 0
        """In a row, with no whole episode between them."""
        self._counts: deque[tuple[float, int, int]] = deque()
        self._told_s = -math.inf
        self._skill_rate = EventRate("skills")
        self._disk = next(folder for folder in (out, *out.parents) if folder.is_dir())
        self._calls = ServiceCalls(self._pause, config.patience_s)
        self._status_publisher = self.create_publisher(TrainingStatus, "training_status", LATCHED_QOS)
        # Not the topic `skill`, which the executor takes its skills from: it has this one by the action.
        self._choice_publisher = self.create_publisher(Skill, "chosen_skill", COMMAND_QOS)
        self._task_topic = PolledTopic(self, TaskStatus, "task_status", LATCHED_QOS)
        self._action = ActionClient(self, ExecuteSkill, "execute_skill")
        self._is_open = True
        """Whether answers of the action may still be answered to."""
        self._load_client = self.create_client(LoadBundle, "load_bundle")
        self._reset_client = self.create_client(ResetScene, "reset_scene")
        self._executor_topic = PolledTopic(self, SkillStatus, "skill_status", LATCHED_QOS)
        self._executor: ExecutorMoment | None = None
        self._executor_s = -math.inf
        self._release_client = self.create_client(Trigger, f"{config.executor}/reset")
        self._services_of_trainer = [
            self.create_service(Trigger, "~/confirm_reset", self._on_confirm_reset),
            self.create_service(Trigger, "~/mark_success", self._on_mark_success),
            self.create_service(Trigger, "~/pause", self._on_pause),
            self.create_service(Trigger, "~/resume", self._on_resume),
        ]

    def activate(self) -> None:
        """Begin, or go on."""
        self._advanced_s = self.now_s()
        self._timer = self.create_timer(_TICK_S, self._advance, clock=self.steady_clock)
        self.get_logger().info(f"training in {self._config.out}; the learner starts")

    def deactivate(self) -> None:
        """Stop acting; the arm comes to rest. The learner saves what it has."""
        self.destroy_timer(self._timer)
        self._cancel_goal()
        self._run = self._collection = None
        if self._link is not None:
            self._link.end()
        self._link, self._ending = None, self._link

    def cleanup(self) -> None:
        """Close topics, services and the action's client."""
        self._is_open = False
        self._action.destroy()
        self.destroy_publisher(self._status_publisher)
        self.destroy_publisher(self._choice_publisher)
        self._task_topic.close()
        self._executor_topic.close()
        if self._states is not None:
            self._states.close()
        for client in (self._load_client, self._reset_client, self._release_client):
            self.destroy_client(client)
        for service in self._services_of_trainer:
            self.destroy_service(service)
        if self._link is not None:  # configured, but never activated
            self._link, self._ending = None, self._link
        self._wait_for_learner()

    def destroy_node(self) -> None:
        """The last that happens: who began to act again meanwhile would find the run's folder taken."""
        self._wait_for_learner()
        super().destroy_node()

    def _wait_for_learner(self) -> None:
        """Until it has saved. Not in `deactivate`: whatever else is asked of the node would wait as well."""
        if self._ending is not None and not self._ending.close(CLOSE_S):
            self.get_logger().warning("the learner still saves, and ends when it has")
        self._ending = None

    def diagnose(self) -> tuple[bytes, str, dict[str, object]]:
        """What is done, and how learning goes."""
        link = self._link
        if not self.is_active or link is None:
            return OK, "not active", {}
        status, free_bytes = link.status, shutil.disk_usage(self._disk).free
        values: dict[str, object] = {
            "phase": self._phase.name.lower(),
            "transitions sent": link.sent,
            "updates": status.updates,
            "updates due": status.updates_due,
            "skills of": status.bundle,
            "observation age [s]": math.inf if self._states is None else self._states.newest.age_s(self.now_s()),
            "learner's process": link.process_id,
            "free space [MB]": free_bytes / 1e6,
            **self._skill_rate.diagnose(self.now_s()),
            **status.figures,
        }
        if status.failure or self.exit_code:
            return ERROR, status.failure or self._reason, values
        if self._reason:
            return OK if self.exit_code == 0 else WARN, self._reason, values
        if free_bytes < LEAST_FREE_BYTES:
            return WARN, f"{free_bytes / 1e6:.0f} MB free for checkpoints in {self._disk}", values
        return OK, self._phase.name.lower(), values

    def _advance(self) -> None:
        """Do what can be done now; fifty times a second, more often when waiting for states, and after each skill."""
        link, now_s = self._link, self.now_s()
        held_up_s, self._advanced_s = now_s - self._advanced_s, now_s
        if link is None or self._phase is _Phase.OVER:
            return
        if held_up_s > self._config.patience_s and self._phase not in (_Phase.STARTING, _Phase.AWAITING_OPERATOR):
            self._pause(f"the trainer itself was held up for {held_up_s:.0f} s. Call ~/resume to begin an episode.")
        link.poll()
        self._calls.poll(now_s)
        self._look(now_s)
        if link.status.failure:
            exit_code = EXIT_CRASH if link.status.has_crashed else EXIT_FAULT
            self._end(f"training ends: {link.status.failure}", exit_code)
        elif self._phase is _Phase.STARTING:
            self._start(link)
        elif self._phase is _Phase.LEARNING:
            self._begin_episode(link)
        elif self._phase is _Phase.LOADING and self._are_loaded:
            self._await_executor(now_s)
        elif self._phase is _Phase.ACTING:
            self._act(link)
        elif self._phase is _Phase.PAUSED and self._pauses <= self._config.retries and now_s > self._since_s + RETRY_S:
            self._go_on(link)
        if now_s > self._told_s + STATUS_PERIOD_S:
            self._tell()
        is_hurried = self._phase is _Phase.ACTING and not self._is_executing
        period_ns = round((_HURRY_S if is_hurried else _TICK_S) * 1e9)
        if self._timer.timer_period_ns != period_ns:
            self._timer.timer_period_ns = period_ns
            self._timer.reset()

    def _look(self, now_s: float) -> None:
        """Take in what arm, task and executor have said.

        They are asked: to be woken by each state costs a core's quarter.
        """
        run, is_new = self._run, self._states is not None and self._states.look()
        if run is not None and is_new:
            run.observed(self._measured_ns, now_s)
        executor = self._executor_topic.take()
        if executor is not None:
            self._executor, self._executor_s = from_skill_status(executor), now_s
            if run is not None:
                run.executor_told(self._executor, now_s)
        status = self._task_topic.take()
        if not self._config.max_steps:
            if status is not None:
                self._task_told(from_task_status(status), now_s)
        elif is_new and self._task is not None and self._measured_ns > self._task.stamp_ns:
            # Nothing but time passes between two skills of a task that is counted.
            self._task_told(self._task._replace(stamp_ns=self._measured_ns), now_s)

    def _task_told(self, task: TaskMoment, now_s: float) -> None:
        self._task, collection = task, self._collection
        if collection is not None and task.episode > collection.episode:
            self._pause("somebody else reset the scene. Call ~/resume to begin an episode.")
        elif self._run is not None:
            self._run.task_told(task, now_s)

    def _start(self, link: LearnerLink) -> None:
        if not link.status.is_ready or link.policy is None or not self._load_client.service_is_ready():
            return
        folder = link.status.bundle
        if self._loading is None:
            patience_s = self._config.patience_s
            self._loading = BundleLoading(folder, lambda: self._load(folder, "cpu"), patience_s, "patience_s")
        try:
            bundle = self._loading.take()
        except SpirlError as error:
            self._end(f"the skills of this run cannot be used: {error}", EXIT_FAULT)
            return
        if bundle is None:
            return
        self._loading = None
        self._skills, about = bundle, bundle.description
        joints = len(about.joints)
        if self._states is not None:
            self._states.close()
        config = self._config
        self._states = ObservedStates(
            self,
            config.joint_state_topic,
            config.scene_state_topic,
            about.observation,
            joints,
            is_every_state_needed=True,
            max_picture_age_s=0.0,
        )
        self._enter(_Phase.LOADING)
        self._are_loaded = False
        request = LoadBundle.Request(path=link.status.bundle)
        self._calls.call(self._load_client, request, self._on_loaded, self.now_s(), may_repeat=True)

    def _await_executor(self, now_s: float) -> None:
        """Wait until it not only answers, but says with what it acts."""
        assert self._skills is not None
        if self._executor is not None and self._executor.bundle_digest == self._skills.digest:
            self._enter(_Phase.LEARNING)
        elif now_s > self._since_s + self._config.patience_s:
            self._pause("the skill executor has loaded the skills of this run, but does not say so. Call ~/resume.")

    def _on_loaded(self, response: LoadBundle.Response) -> None:
        assert self._link is not None
        if not response.success:
            self._end(f"the skill executor refuses the skills of this run: {response.message}", EXIT_FAULT)
            return
        status = self._link.status
        self.get_logger().info(
            f"task {status.task}; {status.decisions} skills and {status.updates} updates so far, {status.step} "
            "control steps"
        )
        self._are_loaded, self._since_s = True, self.now_s()

    def _begin_episode(self, link: LearnerLink) -> None:
        """When the learner has caught up: the same experience gives the same policy, however fast it learns."""
        status = link.status
        if status.finished and link.policy is not None:
            self._end(f"finished: {status.finished}", 0)
        elif link.policy is not None:
            self._use(link.policy, status.subtasks)
            if self._config.reset == OPERATOR:
                self._enter(_Phase.AWAITING_OPERATOR)
                self._reason = "put the scene back, then call ~/confirm_reset"
                self._tell()
            else:
                self._enter_episode()

    def _use(self, policy: PolicyFile, subtasks: tuple[str, ...]) -> None:
        """Choose with a policy that the learner gave, as the skill policy does with a bundle's; some milliseconds."""
        if policy is self._policy:
            return
        assert self._skills is not None
        about = replace(self._skills.description, target_subtasks=subtasks)
        config = SkillChoiceConfig(is_sampled=True, fallback=STOP)
        model = load_policy(policy.model, about, "cpu", policy.description)
        self._chooser = SkillChooser(model, self._skills.prior, config)
        self._policy = policy

    def _enter_episode(self, episode: int | None = None) -> None:
        """Begin an episode, with this number where the scene is as it has to be; otherwise it is reset."""
        assert self._skills is not None
        about, config, now_s = self._skills.description, self._config, self.now_s()
        self._run = EpisodeRun(
            EpisodeRunConfig(
                episodes=1,
                skill_horizon=about.skill_horizon,
                bundle=about.name,
                bundle_digest=self._skills.digest,
                patience_s=config.patience_s,
                start_s=config.patience_s,
                resets=episode is None,
            ),
            now_s,
            GoalHandover(),
        )
        self._is_success_marked = self._is_executing = False
        self._enter(_Phase.ACTING)
        if self._states is not None and self._states.newest.age_s(now_s) < _FRESH_S:
            self._run.observed(self._measured_ns, now_s)
        if self._executor is not None and now_s < self._executor_s + _FRESH_S:
            self._run.executor_told(self._executor, now_s)
        if episode is not None:
            self._collect(episode)

    def _collect(self, episode: int) -> None:
        """What comes from now on is of this episode."""
        self._collection = SkillCollection(episode)
        assert self._run is not None
        if self._config.max_steps:
            self._task = TaskMoment(self._measured_ns, episode, 0, (), 0, 0, (), 0)
        if self._task is not None and self._task.episode == episode:
            self._run.task_told(self._task, self.now_s())

    def _reset(self, link: LearnerLink) -> None:
        seed = link.status.seed * _SEEDS_PER_RUN + link.status.episodes
        self._calls.call(
            self._reset_client, ResetScene.Request(use_seed=True, seed=seed), self._on_scene_reset, self.now_s()
        )

    def _on_scene_reset(self, response: ResetScene.Response) -> None:
        if not response.success:
            self._pause(f"the scene was not reset: {response.message}")
        elif self._run is not None:
            self._collect(response.episode)
            self._run.reset_answered(response.episode, self.now_s())

    def _act(self, link: LearnerLink) -> None:
        """Do what the run of this episode asks for."""
        run, now_s = self._run, self.now_s()
        assert run is not None
        has_settled = self._settle(link)
        is_alone = run.is_waiting and not self._action.server_is_ready()
        waits_for_picture = "" if self._states is None else self._states.lacking()
        next_step = run.next(now_s, "the action execute_skill" if is_alone else waits_for_picture)
        if next_step is NextStep.RESET:
            self._reset(link)
        elif next_step is NextStep.CHOOSE:
            self._choose(link)
        if run.failure:
            self._pause(f"{run.failure.rstrip('.')}. Mend that, then call ~/resume.")
        elif run.is_over:
            self._end_episode(link)
        if has_settled:
            self._tell()  # The next skill first.

    def _choose(self, link: LearnerLink) -> None:
        """Choose a skill on the newest observation and have it executed."""
        states, task, collection, run = self._states, self._task, self._collection, self._run
        assert states is not None and task is not None and collection is not None and run is not None
        if not self._action.server_is_ready():
            return
        if other := self._other_task(link):
            self._pause(other)
            return
        assert self._chooser is not None
        observation, observed_ns = states.newest.observation, max(0, states.newest.measured_ns)
        # Of the run's seed and of the decision's number alone: a run that goes on does not repeat itself.
        generator = np.random.default_rng((link.status.seed, link.decisions))
        try:
            choice = self._chooser.choose(observation, task.completed_in_order, generator)
        except SpirlError as error:
            run.fail(str(error))
            return
        number = link.decisions + 1
        collection.chosen(observation, task, choice.latent)
        run.skill_sent(number)
        self._is_executing = True
        self._skill_rate.mark(self.now_s())
        asked = ExecuteSkill.Goal(latent=[float(value) for value in choice.latent], observed=to_stamp(observed_ns))
        goal = self._action.send_goal_async(asked)
        goal.add_done_callback(lambda future: self._on_goal_answer(collection, future.result()))
        self._choice_publisher.publish(to_skill(choice, number, observed_ns))  # for those who look on

    def _other_task(self, link: LearnerLink) -> str:
        """Why the task here is none to learn in this run, or nothing."""
        here, learned = () if self._task is None else self._task.subtasks, link.status.subtasks
        if not learned or self._config.max_steps or here == learned:
            return ""
        return (
            f"the task here is {','.join(here)}, but this run learns {','.join(learned)}. "
            "Choose that one, then call ~/resume."
        )

    def _on_goal_answer(self, collection: SkillCollection, handle: Any) -> None:
        if collection is not self._collection:
            if handle is not None and handle.accepted and self._is_open:
                handle.cancel_goal_async()  # of an episode that was given up before the answer came
            return
        if handle is None or not handle.accepted:
            self._pause("the skill executor is not active. Activate it, then call ~/resume.")
            return
        self._goal = handle
        result = handle.get_result_async()
        result.add_done_callback(lambda future: self._on_result(collection, future.result()))

    def _on_result(self, collection: SkillCollection, answer: Any) -> None:
        if collection is not self._collection or answer is None:
            return
        self._goal, self._is_executing = None, False
        result = answer.result
        if result.outcome != ExecuteSkill.Result.COMPLETED:
            self._pause(f"the skill was stopped: {result.message}. Bring the arm back, then call ~/resume.")
            return
        collection.executed(result.steps, np.asarray(result.latent, np.float32))
        if self._config.max_steps:
            self._look(self.now_s())
            self._count_steps(result.steps)
        self._advance()

    def _count_steps(self, steps: int) -> None:
        """An arm without a task status: the trainer counts, and a person tells of success."""
        task, success = self._task, self._is_success_marked
        assert task is not None
        self._task = task._replace(
            # Nothing measured before the result counts as what came of the skill.
            stamp_ns=self._measured_ns + 1,
            step=task.step + steps,
            total_reward=task.total_reward + success,
            completed_in_order=task.completed_in_order + success,
            terminated=success,
            truncated=not success and task.step + steps >= self._config.max_steps,
        )

    def _settle(self, link: LearnerLink) -> bool:
        """Hand over what came of a skill; returns whether it is known now."""
        states, task, collection, run = self._states, self._task, self._collection, self._run
        if states is None or task is None or collection is None or run is None or self._measured_ns < 0:
            return False
        transition = collection.take(states.newest.observation, self._measured_ns, task)
        if transition is None:
            return False
        link.add(transition)
        run.outcome_told(transition.steps, task.has_ended, self.now_s())
        return True

    def _end_episode(self, link: LearnerLink) -> None:
        task, collection = self._task, self._collection
        assert task is not None and collection is not None
        self._episode_reward, self._pauses = collection.reward, 0
        link.end_episode(task.completed_in_order, collection.reward)
        self.get_logger().info(
            f"episode {link.status.episodes + 1}: {task.completed_in_order} of {max(1, len(link.status.subtasks))} in "
            f"order, reward {collection.reward:g}, {task.step} steps"
        )
        self._run = self._collection = None
        self._enter(_Phase.LEARNING)

    def _pause(self, reason: str) -> None:
        """The episode is lost, its whole transitions are kept. Nothing goes on without ~/resume."""
        if self._phase in (_Phase.OVER, _Phase.PAUSED):
            return
        self._cancel_goal()
        self._run = self._collection = None
        self._calls.clear()
        self._enter(_Phase.PAUSED)
        self._reason = reason
        self._pauses = self._config.retries + 1 if STOPPED_BY_PERSON in reason else self._pauses + 1
        self.get_logger().error(f"training pauses: {reason}")
        self._tell()

    def _end(self, message: str, exit_code: int) -> None:
        self._enter(_Phase.OVER)
        self._reason = message
        self._tell()
        (self.get_logger().info if exit_code == 0 else self.get_logger().error)(message)
        self.end(exit_code)
        self.publish_diagnostics(is_last=True)  # the process ends before the next second

    def _cancel_goal(self) -> None:
        goal, self._goal = self._goal, None
        if goal is not None:
            goal.cancel_goal_async()

    def _enter(self, phase: _Phase) -> None:
        self._phase, self._reason = phase, ""
        self._since_s = self.now_s()

    @property
    def _measured_ns(self) -> int:
        return -1 if self._states is None else self._states.newest.measured_ns

    def _on_confirm_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._phase is not _Phase.AWAITING_OPERATOR:
            response.message = f"nothing waits for a reset: training is {self._phase.name.lower()}."
            return response
        assert self._link is not None
        # With a task status the episode is the one that it speaks of; without one the trainer numbers them itself.
        if self._config.max_steps:
            self._enter_episode(self._link.status.episodes + 1)
        elif self._task is not None:
            self._enter_episode(self._task.episode)
        else:
            response.message = "no task status was heard. Start what judges the task, or set max_steps above 0."
            return response
        response.success, response.message = True, "The episode begins."
        return response

    def _on_mark_success(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if not self._config.max_steps or self._run is None:
            response.message = "no episode is under way that a person judges: that needs max_steps above 0."
            return response
        self._is_success_marked = True
        response.success, response.message = True, "The episode ends with the skill under way, with a reward of 1."
        return response

    def _on_pause(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._pause("paused by a service call")
        self._pauses = self._config.retries + 1  # by a person, so it does not end by itself
        response.success = self._phase is _Phase.PAUSED
        response.message = "The arm comes to rest; the episode is dropped." if response.success else "training is over."
        return response

    def _on_resume(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._phase is not _Phase.PAUSED:
            response.message = f"training is not paused: it is {self._phase.name.lower()}."
            return response
        self._pauses = 0
        self._resume()
        response.success, response.message = True, "The next episode begins with a reset."
        return response

    def _go_on(self, link: LearnerLink) -> None:
        """By itself, once the task is the run's again; a fault's latch is released first, a person's stays."""
        if self._executor is not None and self._executor.is_stopped_by_person:
            return
        if other := self._other_task(link):
            if other != self._reason:
                self._reason = other
                self.get_logger().error(f"training stays paused: {other}")
                self._tell()
            return
        if self._executor is not None and self._executor.latch:
            self._since_s = self.now_s()
            if self._release_client.service_is_ready():
                self._calls.call(self._release_client, Trigger.Request(), lambda _: None, self._since_s)
            return
        self._resume()

    def _resume(self) -> None:
        """From the beginning: the executor may be another one now, without the skills of this run."""
        self._enter(_Phase.STARTING)

    def _tell(self) -> None:
        """Publish how training goes."""
        assert self._link is not None
        status, now_s = self._link.status, self.now_s()
        self._counts.append((now_s, status.step, status.updates))
        while now_s - self._counts[0][0] > RATE_WINDOW_S:
            self._counts.popleft()
        begin_s, begin_step, begin_updates = self._counts[0]
        past_s = max(now_s - begin_s, 1e-3)
        states = {
            _Phase.AWAITING_OPERATOR: TrainingStatus.WAITING_FOR_RESET,
            _Phase.PAUSED: TrainingStatus.PAUSED,
            _Phase.OVER: TrainingStatus.FAILED if status.failure else TrainingStatus.FINISHED,
        }
        figures, nan = status.figures, float("nan")
        message = TrainingStatus(
            state=states.get(self._phase, TrainingStatus.COLLECTING),
            reason=self._reason,
            env_steps=status.step,
            skill_transitions=status.decisions,
            updates=status.updates,
            episodes=status.episodes,
            episode_reward=self._episode_reward,
            completed_in_order=figures.get("recent", nan),
            prior_divergence=figures.get("cost", nan),
            target_divergence=figures.get("target_divergence", nan),
            temperature=figures.get("temperature", nan),
            critic_loss=figures.get("critic_loss", nan),
            policy_loss=figures.get("policy_loss", nan),
            updates_per_s=(status.updates - begin_updates) / past_s,
            env_steps_per_s=(status.step - begin_step) / past_s,
            checkpoint_age_s=figures.get("checkpoint_age_s", nan),
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._status_publisher.publish(message)
        self._told_s = now_s


def main() -> None:
    """Run the node."""
    sys.exit(run(TrainerNode))


if __name__ == "__main__":
    main()
