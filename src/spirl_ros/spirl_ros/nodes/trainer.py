"""Learns a task on the arm that the graph has: chooses skills, collects what came of them, and has a process learn from it."""

import math
import shutil
import sys
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.action.client import ActionClient
from std_srvs.srv import Trigger

from spirl_msgs.action import ExecuteSkill
from spirl_msgs.msg import Skill, SkillStatus, TaskStatus, TrainingStatus
from spirl_msgs.srv import LoadBundle, ResetScene
from spirl_ros.control.control_loop import STOPPED_BY_PERSON
from spirl_ros.control.episode_moments import ExecutorMoment
from spirl_ros.control.event_rate import EventRate
from spirl_ros.control.skill_choice import POLICY, SkillChoice, prior_divergence
from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.deployment.onnx_policy import LatentDistribution, OnnxLatentModel
from spirl_ros.errors import ConfigError, SpirlError
from spirl_ros.nodes.bundle_loading import BundleLoading
from spirl_ros.nodes.managed_node import ERROR, OK, WARN, ManagedNode, run
from spirl_ros.nodes.messages import COMMAND_QOS, LATCHED_QOS, from_skill_status, stamp_ns, to_skill, to_stamp
from spirl_ros.nodes.observed_states import ObservedStates
from spirl_ros.nodes.parameters import parameter, read_parameters
from spirl_ros.nodes.polled_topic import PolledTopic
from spirl_ros.nodes.service_calls import ServiceCalls
from spirl_ros.restarts import EXIT_CRASH, EXIT_FAULT
from spirl_ros.rl.learner_link import LearnerLink, learner_arguments
from spirl_ros.rl.skill_collection import SkillCollection, TaskWord

SERVICE, OPERATOR = "service", "operator"
CLOSE_S = 2.0
"""How long the node waits for the learner to save [s]; that goes on in any case, but launchers kill the node soon."""
STATUS_PERIOD_S = 1.0
"""At least this often the status is published [s]."""
RATE_WINDOW_S = 10.0
"""Rates are counted over this time [s]."""
RETRY_S = 1.0
"""How long a pause is before training goes on by itself [s]."""
LEAST_FREE_BYTES = 1_000_000_000
"""Less free space than this on the run's disk is warned of [byte]: checkpoints are written to a new file first."""
_TICK_S, _HURRY_S = 0.02, 0.002
"""How often to look what can be done [s]: usually, and when what is waited for is on its way."""
_SEEDS_PER_RUN = 100_000


@dataclass(frozen=True)
class TrainerConfig:
    """Parameters of the trainer."""

    out: str = parameter("", "folder of the run; where it holds one already, that goes on")
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
        "so often in a row training goes on by itself after a pause, and releases the executor's latch for it unless a "
        "person stopped the arm; for simulators, where nobody is hurt",
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
    RESETTING = auto()
    CHOOSING = auto()
    """As soon as task and observation tell of the same moment."""
    EXECUTING = auto()
    SETTLING = auto()
    """The skill was executed; what came of it is still on its way."""
    PAUSED = auto()
    OVER = auto()


_HURRIED = (_Phase.RESETTING, _Phase.CHOOSING, _Phase.SETTLING)


class TrainerNode(ManagedNode):
    """Carries observations, task status and results to a SkillCollection, and its transitions to the learner's process.

    Everything here runs in the node's one thread and takes well below a millisecond; learning is another process. The arm
    stands still between two episodes until the learner has done the updates that are due, and acts with one policy
    through an episode.
    """

    def __init__(self) -> None:
        """Declare the parameters."""
        super().__init__("trainer", TrainerConfig)
        self._link: LearnerLink | None = None
        self._ending: LearnerLink | None = None
        """The learner that was asked to save and to end."""

    def configure(self) -> None:
        """Start the learner and open topics, services and the action's client."""
        self._config = config = read_parameters(self, TrainerConfig)
        if not config.out:
            raise ConfigError("out is empty, expected the folder of the run: -p out:=<folder>.")
        out = Path(config.out).expanduser().absolute()
        self._link = LearnerLink(
            learner_arguments(
                out, config.skills, config.data, config.preset, config.settings.split(), config.checkpoint_every_s
            )
        )
        self._phase, self._reason = _Phase.STARTING, ""
        self._since_s = self.now_s()
        self._states: ObservedStates | None = None
        self._loading: BundleLoading | None = None
        self._prior: OnnxLatentModel | None = None
        self._task: TaskWord | None = None
        self._subtasks: tuple[str, ...] = ()
        self._collection: SkillCollection | None = None
        self._goal: Any = None
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
        self._load_client = self.create_client(LoadBundle, "load_bundle")
        self._reset_client = self.create_client(ResetScene, "reset_scene")
        self._executor_topic = PolledTopic(self, SkillStatus, "skill_status", LATCHED_QOS)
        self._executor: ExecutorMoment | None = None
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
        if self._link is not None:
            self._link.end()
        self._link, self._ending = None, self._link

    def cleanup(self) -> None:
        """Close topics, services and the action's client."""
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
        """Do what can be done now; fifty times a second, more often when states are waited for, and after each skill."""
        link, now_s = self._link, self.now_s()
        held_up_s, self._advanced_s = now_s - self._advanced_s, now_s
        if link is None or self._phase is _Phase.OVER:
            return
        if held_up_s > self._config.patience_s and self._phase not in (_Phase.STARTING, _Phase.AWAITING_OPERATOR):
            self._pause(f"the trainer itself was held up for {held_up_s:.0f} s. Call ~/resume to begin an episode.")
        link.poll()
        self._calls.poll(now_s)
        self._look()
        if link.status.failure:
            exit_code = EXIT_CRASH if link.status.has_crashed else EXIT_FAULT
            self._end(f"training ends: {link.status.failure}", exit_code)
        elif self._phase is _Phase.STARTING:
            self._start(link)
        elif self._phase is _Phase.LEARNING:
            self._begin_episode(link)
        elif self._phase is _Phase.CHOOSING:
            self._choose(link)
        elif self._phase is _Phase.SETTLING:
            self._settle(link)
        elif self._phase is _Phase.PAUSED and self._pauses <= self._config.retries and now_s > self._since_s + RETRY_S:
            self._go_on(link)
        self._check_patience(now_s)
        if now_s > self._told_s + STATUS_PERIOD_S:
            self._tell()
        period_ns = round((_HURRY_S if self._phase in _HURRIED else _TICK_S) * 1e9)
        if self._timer.timer_period_ns != period_ns:
            self._timer.timer_period_ns = period_ns
            self._timer.reset()

    def _look(self) -> None:
        """Take in what arm and task have said. They are asked, because to be woken by each state costs a core's quarter."""
        if self._states is not None:
            self._states.look()
        status = self._task_topic.take()
        if status is not None and not self._config.max_steps:
            self._take_task_status(status)

    def _start(self, link: LearnerLink) -> None:
        if not link.status.is_ready or link.policy is None or not self._load_client.service_is_ready():
            return
        folder = link.status.bundle
        if self._loading is None:
            patience_s = self._config.patience_s
            self._loading = BundleLoading(folder, lambda: load_bundle(folder, "cpu"), patience_s, "patience_s")
        try:
            bundle = self._loading.take()
        except SpirlError as error:
            self._end(f"the skills of this run cannot be used: {error}", EXIT_FAULT)
            return
        if bundle is None:
            return
        self._loading = None
        about, self._prior = bundle.description, bundle.prior
        names, joints = about.observation.names, len(about.joints)
        if self._states is not None:
            self._states.close()
        config = self._config
        self._states = ObservedStates(
            self, config.joint_state_topic, config.scene_state_topic, names, joints, is_every_state_needed=True
        )
        self._control_period_ns = round(1e9 / about.control_rate_hz)
        self._enter(_Phase.LOADING)
        request = LoadBundle.Request(path=link.status.bundle)
        self._calls.call(self._load_client, request, self._on_loaded, self.now_s(), may_repeat=True)

    def _on_loaded(self, response: LoadBundle.Response) -> None:
        assert self._link is not None
        if not response.success:
            self._end(f"the skill executor refuses the skills of this run: {response.message}", EXIT_FAULT)
            return
        status = self._link.status
        self.get_logger().info(
            f"task {status.task}; {status.decisions} skills and {status.updates} updates so far, {status.step} control steps"
        )
        self._enter(_Phase.LEARNING)

    def _begin_episode(self, link: LearnerLink) -> None:
        """When the learner has caught up: the same experience gives the same policy, however fast it learns."""
        status = link.status
        if status.finished and link.policy is not None:
            self._end(f"finished: {status.finished}", 0)
        elif link.policy is not None:
            if self._config.reset == OPERATOR:
                self._enter(_Phase.AWAITING_OPERATOR)
                self._reason = "put the scene back, then call ~/confirm_reset"
                self._tell()
            else:
                self._reset(link)

    def _reset(self, link: LearnerLink) -> None:
        self._enter(_Phase.RESETTING)
        seed = link.status.seed * _SEEDS_PER_RUN + link.status.episodes
        self._calls.call(
            self._reset_client, ResetScene.Request(use_seed=True, seed=seed), self._on_scene_reset, self.now_s()
        )

    def _on_scene_reset(self, response: ResetScene.Response) -> None:
        if response.success:
            self._enter_episode(response.episode)
        else:
            self._pause(f"the scene was not reset: {response.message}")

    def _enter_episode(self, episode: int) -> None:
        self._collection = SkillCollection(episode)
        self._is_success_marked = False
        if self._config.max_steps:
            self._task = TaskWord(self._measured_ns, episode, 0, 0.0, 0, False, False)
        self._enter(_Phase.CHOOSING)

    def _choose(self, link: LearnerLink) -> None:
        states, task, collection = self._states, self._task, self._collection
        assert states is not None and collection is not None and link.policy is not None
        observation = states.newest
        if task is None or not collection.is_ready(task, observation.measured_ns) or not self._action.server_is_ready():
            return
        if other := self._other_task(link):
            self._pause(other)
            return
        # Of the run's seed and of the decision's number alone: a run that goes on does not repeat itself.
        generator = np.random.default_rng((link.status.seed, link.decisions))
        latent = link.policy.draw(observation.values, task.completed_in_order, generator)
        collection.chosen(observation.values, task, latent)
        self._enter(_Phase.EXECUTING)
        self._skill_rate.mark(self.now_s())
        asked = ExecuteSkill.Goal(
            latent=[float(value) for value in latent], observed=to_stamp(max(0, observation.measured_ns))
        )
        goal = self._action.send_goal_async(asked, lambda _: self._touch())
        goal.add_done_callback(lambda future: self._on_goal_answer(collection, future.result()))
        self._tell_choice(link, observation.values, task.completed_in_order, latent, observation.measured_ns)

    def _other_task(self, link: LearnerLink) -> str:
        """Why the task here is none to learn in this run, or nothing."""
        here, learned = self._subtasks, link.status.subtasks
        if not learned or self._config.max_steps or here == learned:
            return ""
        return f"the task here is {','.join(here)}, but this run learns {','.join(learned)}. Choose that one, then call ~/resume."

    def _tell_choice(
        self, link: LearnerLink, observation: np.ndarray, completed: int, latent: np.ndarray, measured_ns: int
    ) -> None:
        """For those who look on: what was chosen, and how far the policy is from the prior there."""
        assert link.policy is not None and self._prior is not None
        policy = LatentDistribution(*link.policy.gaussian(observation, completed), latent)
        divergence = prior_divergence(policy, self._prior.distribution(np.asarray(observation, np.float32)))
        choice = SkillChoice(latent, POLICY, divergence)
        self._choice_publisher.publish(to_skill(choice, link.decisions + 1, max(0, measured_ns)))

    def _on_goal_answer(self, collection: SkillCollection, handle: Any) -> None:
        if collection is not self._collection or self._phase is not _Phase.EXECUTING:
            return
        if handle is None or not handle.accepted:
            self._pause("the skill executor is not active. Activate it, then call ~/resume.")
            return
        self._goal = handle
        result = handle.get_result_async()
        result.add_done_callback(lambda future: self._on_result(collection, future.result()))

    def _on_result(self, collection: SkillCollection, answer: Any) -> None:
        if collection is not self._collection or self._phase is not _Phase.EXECUTING or answer is None:
            return
        self._goal = None
        result = answer.result
        if result.outcome != ExecuteSkill.Result.COMPLETED:
            self._pause(f"the skill was stopped: {result.message}. Bring the arm back, then call ~/resume.")
            return
        collection.executed(result.steps, np.asarray(result.latent, np.float32))
        self._look()
        if self._config.max_steps:
            self._count_steps(result.steps)
        self._enter(_Phase.SETTLING)
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

    def _settle(self, link: LearnerLink) -> None:
        states, task, collection = self._states, self._task, self._collection
        assert states is not None and collection is not None
        observation = states.newest
        if task is None:
            return
        found = collection.take(observation.values, observation.measured_ns, task)
        if found is None:
            return
        transition, steps = found
        link.add(transition, steps)
        self._enter(_Phase.CHOOSING)
        if transition.terminated or transition.truncated:
            self._episode_reward, self._pauses = collection.reward, 0
            link.end_episode(task.completed_in_order, collection.reward)
            self.get_logger().info(
                f"episode {link.status.episodes + 1}: {task.completed_in_order} of {max(1, len(link.status.subtasks))} in "
                f"order, reward {collection.reward:g}, {task.step} steps"
            )
            self._collection = None
            self._enter(_Phase.LEARNING)
        self._advance()  # The next skill first.
        self._tell()

    def _check_patience(self, now_s: float) -> None:
        waited_s = now_s - self._since_s
        waits_for = {
            _Phase.RESETTING: "an answer to the reset of the scene",
            _Phase.CHOOSING: "an observation and a word of the task of the same moment, and a skill executor",
            _Phase.EXECUTING: "the skill executor",
            _Phase.SETTLING: "what came of the skill",
        }.get(self._phase)
        if waits_for is not None and waited_s > self._config.patience_s:
            self._pause(f"waited {waited_s:.0f} s for {waits_for}. Bring it back, then call ~/resume.")

    def _pause(self, reason: str) -> None:
        """The episode is lost, its whole transitions are kept. Nothing goes on without ~/resume."""
        if self._phase in (_Phase.OVER, _Phase.PAUSED):
            return
        self._cancel_goal()
        self._collection = None
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
        self.publish_diagnostics()  # the process ends before the next second

    def _cancel_goal(self) -> None:
        goal, self._goal = self._goal, None
        if goal is not None:
            goal.cancel_goal_async()

    def _enter(self, phase: _Phase) -> None:
        self._phase, self._reason = phase, ""
        self._touch()

    def _touch(self) -> None:
        self._since_s = self.now_s()

    @property
    def _measured_ns(self) -> int:
        return -1 if self._states is None else self._states.newest.measured_ns

    def _take_task_status(self, status: TaskStatus) -> None:
        self._subtasks = tuple(status.subtasks)
        self._task = TaskWord(
            stamp_ns=stamp_ns(status.header.stamp),
            episode=status.episode,
            step=status.step,
            total_reward=status.total_reward,
            completed_in_order=status.completed_in_order,
            terminated=status.terminated,
            truncated=status.truncated,
        )
        collection = self._collection
        if collection is not None and status.episode > collection.episode:
            self._pause("somebody else reset the scene. Call ~/resume to begin an episode.")

    def _on_confirm_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._phase is not _Phase.AWAITING_OPERATOR:
            response.message = f"nothing waits for a reset: training is {self._phase.name.lower()}."
            return response
        # With a task status the episode is the one that it speaks of; without one the trainer numbers them itself.
        assert self._link is not None
        counted = self._config.max_steps > 0
        self._enter_episode(self._link.status.episodes + 1 if counted or self._task is None else self._task.episode)
        response.success, response.message = True, "The episode begins."
        return response

    def _on_mark_success(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if not self._config.max_steps or self._collection is None:
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
        """By itself, once the task is the run's again; the latch of a fault is released first, that of a person stays."""
        self._executor = self._newest_executor()
        if self._executor is not None and self._executor.is_stopped_by_person:
            return
        if other := self._other_task(link):
            if other != self._reason:
                self._reason = other
                self.get_logger().error(f"training stays paused: {other}")
                self._tell()
            return
        if self._executor is not None and self._executor.latch and self._release_client.service_is_ready():
            self._calls.call(self._release_client, Trigger.Request(), lambda _: None, self.now_s())
        self._resume()

    def _newest_executor(self) -> ExecutorMoment | None:
        """What the skill executor said last."""
        status = self._executor_topic.take()
        return self._executor if status is None else from_skill_status(status)

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
