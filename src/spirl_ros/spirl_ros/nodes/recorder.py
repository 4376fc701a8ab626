"""Records episodes of any arm as rosbag2 bags, one per episode, and loses nothing."""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple, TypeVar

from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import String
from std_srvs.srv import Trigger

from spirl_msgs.msg import RecordingStatus, TaskStatus
from spirl_msgs.srv import StartRecording, StopRecording
from spirl_ros.control.image_messages import image_topic
from spirl_ros.errors import ConfigError, RecordingError
from spirl_ros.nodes.graph.managed_node import ERROR, OK, WARN, ManagedNode, run
from spirl_ros.nodes.graph.messages import LATCHED_QOS, to_recording_status
from spirl_ros.nodes.graph.parameters import names_in, parameter, read_parameters
from spirl_ros.nodes.graph.raw_subscriptions import RawSubscriptions, TopicRequest
from spirl_ros.recording.bag_metadata import BagTopic, qos_profile
from spirl_ros.recording.bag_recovery import recover
from spirl_ros.recording.bag_writer import RawMessage
from spirl_ros.recording.episode_recorder import EpisodeRecorder, EpisodeRecorderConfig, FinishedEpisode
from spirl_ros.recording.episode_trigger import ABORT, END, EpisodeMoment, EpisodeTrigger
from spirl_ros.recording.look_back import LookBack
from spirl_ros.recording.message_definitions import message_definition
from spirl_ros.recording.recorder_status import FAILED
from spirl_ros.recording.recording_folder import RecordingFolder

FETCH_PERIOD_S = 0.05
"""How often arrived messages are fetched and handed to the writing thread [s]."""
LOOK_BACK_NS = 100_000_000
"""Messages sent up to this long before an episode's start belong to it: the state it starts from [ns]."""
ANSWER_S = 0.02
"""How long a service waits for the disk before it answers that the disk is still at it [s]."""
LAST_ANSWER_S = 60.0
"""How long the recorder waits for the disk when it is stopped [s]."""
SILENT_DISK_S = 2.0
"""A disk that takes longer for one thing is told of [s]."""
SET_CLOCK_NS = 20_000_000
"""This computer's clock was set when it is further off than this at once [ns]."""
SILENT_TOPIC_S = 1.0
"""An episode may go on for so long before a topic without a message is told of [s]."""
MANUAL, EACH_EPISODE = "manual", "each_episode"
FEWEST_STEPS = 5
"""An episode that began by itself and was reset before so many control steps is not kept."""


@dataclass(frozen=True)
class RecorderConfig:
    """Parameters of the recorder."""

    folder: str = parameter("recordings", "folder that the episodes go to, one bag each; created where it is missing")
    topics: tuple[str, ...] = parameter(
        (
            "joint_states sensor_msgs/msg/JointState",
            "scene_state spirl_msgs/msg/SceneState optional",
            "operator_action std_msgs/msg/Float64MultiArray action optional",
            "forward_position_controller/commands std_msgs/msg/Float64MultiArray action optional",
            "joint_trajectory_controller/joint_trajectory trajectory_msgs/msg/JointTrajectory action optional",
            "skill spirl_msgs/msg/Skill optional",
            "skill_status spirl_msgs/msg/SkillStatus latched optional",
            "safety_status spirl_msgs/msg/SafetyStatus latched optional",
            "task_status spirl_msgs/msg/TaskStatus latched optional",
            "simulator_description std_msgs/msg/String latched optional",
            "operator_style std_msgs/msg/String latched optional",
        ),
        "what is recorded, each as 'NAME TYPE' and behind it any of: latched; action, where a message says that "
        "somebody acts; optional, where an episode may be without it",
    )
    cameras: str = parameter(
        "", "cameras whose pictures are recorded too, from camera/NAME/image_raw, separated by commas"
    )
    start: str = parameter(
        MANUAL,
        "manual: by the services. each_episode: from a reset to the task's end, as the task status says",
        choices=(MANUAL, EACH_EPISODE),
    )
    operator_name: str = parameter("", "who demonstrates, where start_recording does not say")
    task_status_topic: str = parameter("task_status", "which of the topics tells episodes apart")
    min_free_mb: float = parameter(
        500.0, "recording does not start, and ends, below this free space on the disk [MB]", minimum=0.0
    )


Answer = TypeVar("Answer")


class _Late(NamedTuple):
    """What the disk is still at."""

    what: str
    answer: Future


class Recorder(ManagedNode):
    """Carries serialised messages from subscriptions to an EpisodeRecorder, which has a thread of its own.

    One callback group: fetching and services take turns, so that an episode has what was sent before its stop. Nothing
    here waits for the disk for longer than ANSWER_S: what takes longer is told when it is done, by status and log.
    """

    def __init__(self, make_recorder: Callable[..., EpisodeRecorder] = EpisodeRecorder) -> None:
        """Declare the parameters; `make_recorder` makes what writes episodes, arguments are EpisodeRecorder's."""
        super().__init__("recorder", RecorderConfig)
        self._make_recorder = make_recorder

    def configure(self) -> None:
        """Repair what a crash left, and open topics and services."""
        self._config = config = read_parameters(self, RecorderConfig)
        pictures = [f"{image_topic(name)} sensor_msgs/msg/Image optional" for name in names_in(config.cameras)]
        requests = [TopicRequest.parse(text) for text in (*config.topics, *pictures)]
        names = [request.name for request in requests]
        if config.start == EACH_EPISODE and config.task_status_topic not in names:
            raise ConfigError(
                f"start is {EACH_EPISODE}, but task_status_topic '{config.task_status_topic}' is not among the topics "
                f"{', '.join(names)}."
            )
        self._topic_count = len(requests)
        self._folder = RecordingFolder(Path(config.folder))
        try:
            self._recover()
        except Exception:
            self._folder.release()
            raise
        self._recorder = self._make_recorder(
            self._folder,
            EpisodeRecorderConfig(min_free_bytes=int(config.min_free_mb * 1e6)),
            on_change=self._note_change,
            on_error=self.fail,
        )
        self._has_changed = True
        self._told_reason = ""
        # Status that is published says that episodes will be recorded: not before the task is heard, if that starts
        # them.
        self._is_ready = config.start == MANUAL
        self._trigger = EpisodeTrigger()
        self._end_countdown = 0
        self._action_topics = {index for index, request in enumerate(requests) if request.is_action}
        self._has_acted, self._steps_counted = False, 0
        self._look_back = LookBack(LOOK_BACK_NS)
        self._late: list[_Late] = []
        self._started_s = -float("inf")
        self._received_before: list[int] = []
        self._told_moved_ns = 0
        self._stamp_problems: dict[str, str] = {}
        self._status_topic = names.index(config.task_status_topic) if config.start == EACH_EPISODE else None
        self._subscriptions_of_recorder = RawSubscriptions(self, requests)
        self._event_topic = len(requests)
        self._event_publisher = self.create_publisher(String, "recording_event", 10)
        self._status_publisher = self.create_publisher(RecordingStatus, "recording_status", LATCHED_QOS)
        self._services_of_recorder = [
            self.create_service(StartRecording, "start_recording", self._on_start_recording),
            self.create_service(StopRecording, "stop_recording", self._on_stop_recording),
            self.create_service(Trigger, "discard_recording", self._on_discard_recording),
        ]

    def activate(self) -> None:
        """Be ready to record."""
        self._fetched, self._longest_fetch_s = 0, 0.0
        self._fetched_s = self._counted_s = self.now_s()
        self._timers_of_recorder = [
            self.create_timer(FETCH_PERIOD_S, self._fetch, clock=self.steady_clock),
            self.create_timer(0.5, self._publish_status, clock=self.steady_clock),
            self.create_timer(1.0, self._subscriptions_of_recorder.look_for_publishers, clock=self.steady_clock),
        ]
        self.get_logger().info(f"ready to record {self._topic_count} topics to {self._folder.path}")

    def deactivate(self) -> None:
        """Complete the episode under way."""
        for timer in self._timers_of_recorder:
            self.destroy_timer(timer)
        self._fetch()
        if self._end_countdown:
            self._end_by_status()
        self._abort("the recorder was stopped")
        wait([late.answer for late in self._late], LAST_ANSWER_S)
        self._tell_what_is_done()
        for late in self._late:
            self.get_logger().error(f"{late.what}: the disk does not answer. Recovery completes it at the next start.")
        self._publish_status()

    def cleanup(self) -> None:
        """Close topics, services and the folder."""
        self._subscriptions_of_recorder.close()
        self.destroy_publisher(self._event_publisher)
        self.destroy_publisher(self._status_publisher)
        for service in self._services_of_recorder:
            self.destroy_service(service)
        self._recorder.close()
        self._folder.release()

    def diagnose(self) -> tuple[bytes, str, dict[str, object]]:
        """What is recorded, and what the disk says."""
        if not self.is_active:
            return OK, "not active", {}
        status = self._recorder.status()
        values: dict[str, object] = {
            "path": status.path or "",
            "messages": status.messages,
            "finished episodes": status.episodes,
            "free space [MB]": status.free_bytes / 1e6,
            "waiting for the disk [MB]": self._recorder.waiting_bytes / 1e6,
            "lost messages": self._subscriptions_of_recorder.lost,
            "longest time between fetches [ms]": 1e3 * self._longest_fetch_s,
        }
        now_s = self.now_s()
        if now_s > self._counted_s:
            values["messages [Hz]"] = self._fetched / (now_s - self._counted_s)
        self._fetched, self._counted_s, self._longest_fetch_s = 0, now_s, 0.0
        absences = self._note_topics(values)
        if status.state == FAILED:
            return ERROR, status.reason, values
        if self._recorder.unanswered_s() > SILENT_DISK_S:
            return WARN, f"the disk has not answered for {self._recorder.unanswered_s():.0f} s", values
        if status.free_bytes < 2e6 * self._config.min_free_mb:
            return (
                WARN,
                f"{status.free_bytes / 1e6:.0f} MB free; recording ends at {self._config.min_free_mb:.0f}",
                values,
            )
        if self._subscriptions_of_recorder.lost:
            return WARN, f"{self._subscriptions_of_recorder.lost} messages were lost on the way", values
        problems = [f"nothing is recorded of {why}" for why in absences]
        if self._is_recording and self._stamp_problems:
            problems.append(self._told_stamp_problems())
        if problems:
            return WARN, "; ".join(problems), values
        return OK, status.state, values

    def _note_topics(self, values: dict[str, object]) -> list[str]:
        """Add the messages of each topic to the values; returns why nothing comes on some."""
        if not self._is_recording:
            return []
        subscriptions = self._subscriptions_of_recorder
        for name, count in zip(subscriptions.names, self._counts(), strict=True):
            values[f"messages of {name}"] = count
        is_young = self.now_s() - self._started_s < SILENT_TOPIC_S
        return [] if is_young else subscriptions.absences(self._received_before)

    def _counts(self) -> list[int]:
        """Messages of each topic since the episode's start."""
        received = self._subscriptions_of_recorder.received
        return [now - before for now, before in zip(received, self._received_before, strict=True)]

    def _told_stamp_problems(self) -> str:
        return "; ".join(f"{name}: {why}" for name, why in self._stamp_problems.items())

    @property
    def _is_recording(self) -> bool:
        return self._recorder.open_episode is not None

    def _recover(self) -> None:
        for recovery in recover(self._folder.path):
            if recovery.is_repaired:
                self.get_logger().warning(
                    f"recovered {recovery.folder.name} with {recovery.messages} messages: {recovery.problem}"
                )
            else:
                self.get_logger().error(f"{recovery.folder} could not be recovered: {recovery.problem}")

    def _note_change(self) -> None:
        """Called in the writing thread; `_fetch` publishes."""
        self._has_changed = True

    def _fetch(self) -> None:
        """Twenty times a second: take in what arrived and hand it on."""
        if not self._is_recording:
            self._look_back.move(self._subscriptions_of_recorder.clock.follow_computer())
            self._told_moved_ns = 0
        batch = self._subscriptions_of_recorder.fetch()
        now_s = self.now_s()
        self._fetched += len(batch)
        self._longest_fetch_s, self._fetched_s = max(self._longest_fetch_s, now_s - self._fetched_s), now_s
        if self._status_topic is None:
            self._recorder.write(batch)
            self._look_back.remember(batch)
        else:
            self._follow_episodes(batch)
        self._tell_clock_problems()
        self._tell_what_is_done()
        if self._has_changed:
            self._publish_status()

    def _follow_episodes(self, batch: Sequence[RawMessage]) -> None:
        """Write a batch, and start and end episodes where its task status does."""
        if self._end_countdown:
            self._end_countdown -= 1
            if not self._end_countdown:
                self._end_by_status()
        begin = 0
        for index, message in enumerate(batch):
            if message.topic in self._action_topics:
                self._has_acted = True
            if message.topic != self._status_topic:
                continue
            self._is_ready = True
            status = deserialize_message(message.data, TaskStatus)
            has_ended = status.terminated or status.truncated
            for action in self._trigger.follow(EpisodeMoment(status.episode, status.step, has_ended)):
                if action == END:
                    # What was sent with it may arrive a little later.
                    self._end_countdown, self._ended_by = 3, status
                    continue
                self._recorder.write(batch[begin:index])
                self._look_back.remember(batch[begin:index])
                begin = index
                if action == ABORT:
                    self._abort("reset before the task's end")
                else:
                    if self._end_countdown:
                        self._end_by_status()
                    self._start_by_status(status, message.log_time_ns)
                    for coming in batch[index:]:
                        self._received_before[coming.topic] -= 1
            self._steps_counted = status.step
        self._recorder.write(batch[begin:])
        self._look_back.remember(batch[begin:])

    def _start_by_status(self, status: TaskStatus, moment_ns: int) -> None:
        if (path := self._recorder.open_episode) is not None:
            self._trigger.reset()
            self.get_logger().error(
                f"episode {status.episode} is not recorded: {path.name} is under way, started by somebody's call",
                throttle_duration_sec=1.0,
            )
            return
        starting = self._start(status.task, self._config.operator_name, moment_ns)
        if (path := self._recorder.open_episode) is not None:
            self._late.append(_Late(f"recording {path.name}", starting))

    def _abort(self, note: str) -> None:
        """Keep an episode that nobody ended; one that began by itself and in which nobody acted is nothing to keep.

        Nor is one that a reset ends within a few control steps: an executor that takes over the arm tells it to stay
        where it is, and a policy then asks for the reset that its first episode begins with.
        """
        if not self._is_recording:
            return
        if self._status_topic is not None and not (self._has_acted and self._steps_counted >= FEWEST_STEPS):
            self._late.append(_Late(f"not kept: {note}", self._recorder.discard()))
        else:
            self._end(False, note, "aborted")

    def _end_by_status(self) -> None:
        self._end_countdown = 0
        if self._is_recording:
            is_success = bool(self._ended_by.terminated)
            self._end(is_success, "", "success" if is_success else "failure")

    def _start(self, task: str, operator_name: str, moment_ns: int | None = None) -> Future[Path]:
        """Begin an episode with the state it starts from.

        Args:
            task: what is demonstrated.
            operator_name: who does.
            moment_ns: when it began, as messages are received; None is now.
        """
        definition = message_definition("std_msgs/msg/String")
        subscriptions = self._subscriptions_of_recorder
        topics = subscriptions.bag_topics()
        topics.append(
            BagTopic(
                self._event_publisher.topic_name,
                definition.type_name,
                definition.text,
                definition.type_hash,
                (qos_profile(),),
            )
        )
        started = datetime.now(timezone.utc).isoformat(timespec="seconds")
        details = {"task": task, "operator": operator_name, "started": started}
        future = self._recorder.start(topics, details)
        # Where the status starts episodes, this one's follows, and those before it are of another episode.
        begin_ns = subscriptions.clock.now_ns if moment_ns is None else moment_ns
        before = [message for message in self._before(begin_ns) if message.topic != self._status_topic]
        self._recorder.write(before)
        self._received_before = subscriptions.received
        for message in before:
            self._received_before[message.topic] -= 1
        self._write_event("start")
        self._has_acted = False
        self._started_s = self.now_s()
        self._stamp_problems = {}
        if absences := subscriptions.absences():
            self.get_logger().warning("; ".join(absences))
        return future

    def _before(self, moment_ns: int) -> list[RawMessage]:
        """What an episode starts from: what is latched at its beginning, and what was sent just before."""
        just_before = self._look_back.before(moment_ns)
        begin_ns = just_before[0].log_time_ns if just_before else moment_ns
        recent = {(one.topic, one.publish_time_ns, one.sequence, one.data) for one in just_before}
        latched = [
            message._replace(log_time_ns=begin_ns)
            for message in self._subscriptions_of_recorder.latched_messages()
            if (message.topic, message.publish_time_ns, message.sequence, message.data) not in recent
        ]
        return [*latched, *just_before]

    def _end(self, is_success: bool, note: str, event: str) -> None:
        """Complete an episode that no service stops; why one could not be completed is told with the status."""
        path = self._recorder.open_episode
        finishing = self._stop(is_success, note, event)
        if path is not None:
            self._late.append(_Late(f"{path.name}: {event}", finishing))

    def _stop(self, is_success: bool, note: str, event: str) -> Future[FinishedEpisode]:
        self._end_countdown = 0
        details = {"is_success": str(is_success).lower(), "note": note}
        if self._is_recording:
            self._write_event(event)
            if empty := self._empty_topics():
                details["empty_topics"] = " ".join(empty)
            if self._stamp_problems:
                details["stamps"] = self._told_stamp_problems()
        return self._recorder.stop(details)

    def _empty_topics(self) -> list[str]:
        names = self._subscriptions_of_recorder.names
        return [name for name, count in zip(names, self._counts(), strict=True) if not count]

    def _write_event(self, event: str) -> None:
        message = String(data=event)
        self._event_publisher.publish(message)
        now_ns = self._subscriptions_of_recorder.clock.now_ns
        self._recorder.write([RawMessage(self._event_topic, now_ns, now_ns, 0, serialize_message(message))])

    def _soon(self, what: str, answer: Future[Answer]) -> Answer | None:
        """What the disk answers, None when it takes long: then it is told when it is done.

        Raises:
            RecordingError: it cannot be done.
        """
        wait([answer], 0.0 if self._late else ANSWER_S)
        if answer.done():
            return answer.result()
        self._late.append(_Late(what, answer))
        return None

    def _tell_what_is_done(self) -> None:
        """Log what the disk has done meanwhile. Why it could not is told with the status."""
        while self._late and self._late[0].answer.done():
            late = self._late.pop(0)
            if late.answer.exception() is not None:
                self._has_changed = True
                continue
            done = late.answer.result()
            messages = f", {done.messages} messages, verified" if isinstance(done, FinishedEpisode) else ""
            self.get_logger().info(f"{late.what}{messages}")

    def _tell_clock_problems(self) -> None:
        moved_ns = self._subscriptions_of_recorder.clock.moved_ns
        if self._is_recording and abs(moved_ns - self._told_moved_ns) > SET_CLOCK_NS:
            direction = "forward" if moved_ns > self._told_moved_ns else "back"
            why = f"its clock was set {direction} by {abs(moved_ns - self._told_moved_ns) * 1e-9:.2f} s"
            self._told_moved_ns = moved_ns
            self._stamp_problems["this computer"] = why
            self.get_logger().warning(f"this computer: {why}. When messages came is recorded as if it had not been")
        problems = self._subscriptions_of_recorder.stamp_problems
        for name, why in problems:
            self._stamp_problems[name] = why
            self.get_logger().warning(f"{name}: {why}. When its messages came is recorded too, and import follows that")
        problems.clear()

    def _publish_status(self) -> None:
        if not self._is_ready:
            return
        self._has_changed = False
        status = self._recorder.status()
        if status.reason and status.reason != self._told_reason:
            self.get_logger().error(f"recording ended: {status.reason}")
        self._told_reason = status.reason
        message = to_recording_status(status, self.now_s())
        message.header.stamp = self.get_clock().now().to_msg()
        self._status_publisher.publish(message)

    def _on_start_recording(
        self, request: StartRecording.Request, response: StartRecording.Response
    ) -> StartRecording.Response:
        if not self.is_active:
            response.message = "The recorder is not active. Activate it first: ros2 lifecycle set <node> activate."
            return response
        self._fetch()
        if (under_way := self._recorder.open_episode) is not None:
            response.message = f"{under_way} is being recorded already. Stop or discard it first."
            return response
        starting = self._start(request.task, request.operator_name or self._config.operator_name)
        path = self._recorder.open_episode
        try:
            begun = self._soon(f"recording {'' if path is None else path.name}", starting)
        except RecordingError as error:
            response.message = str(error)
            return response
        if path is None:  # the disk refused at once, and `_soon` did not see it yet
            response.message = "The disk refused. recording_status says why."
            return response
        if begun is not None:
            self.get_logger().info(f"recording {path.name}")
        response.success, response.path, response.message = True, str(path), f"Recording {path.name}."
        if begun is None:
            response.message += (
                " The disk is still busy: messages wait in memory, and recording_status says when it fails."
            )
        if absences := self._subscriptions_of_recorder.absences():
            response.message += f" WARNING: {'; '.join(absences)}."
        return response

    def _on_stop_recording(
        self, request: StopRecording.Request, response: StopRecording.Response
    ) -> StopRecording.Response:
        if not self.is_active:
            response.message = "The recorder is not active, nothing is being recorded."
            return response
        self._fetch()
        self._trigger.reset()
        path, counts = self._recorder.open_episode, self._counts() if self._is_recording else []
        absences = self._subscriptions_of_recorder.absences(self._received_before) if counts else []
        event = "success" if request.is_success else "failure"
        finishing = self._stop(request.is_success, request.note, event)
        name = "" if path is None else path.name
        try:
            finished = self._soon(f"{name}: {event}", finishing)
        except RecordingError as error:
            response.message = f"{error}{self._what_is_under_way()}"
            return response
        response.success, response.path = True, str(path)
        if finished is None:
            response.messages = sum(counts) + 2  # the two events
            response.message = (
                f"{name} ended after {response.messages} messages. The disk is still completing it: recording_status "
                "says when it is verified, or why it is not."
            )
        else:
            response.messages = finished.messages
            response.message = f"{name} has {finished.messages} messages, verified."
            self.get_logger().info(f"{name}: {event}, {finished.messages} messages, verified")
        if absences:
            response.message += f" WARNING: nothing was recorded of {'; '.join(absences)}."
        if self._stamp_problems:
            response.message += f" WARNING: {self._told_stamp_problems()}."
        return response

    def _on_discard_recording(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._trigger.reset()
        self._end_countdown = 0
        path = self._recorder.open_episode
        try:
            done = self._soon(f"{'' if path is None else path.name} is discarded", self._recorder.discard())
        except RecordingError as error:
            response.message = f"{error}{self._what_is_under_way()}"
            return response
        self._event_publisher.publish(String(data="discarded"))
        response.success, response.message = True, f"{'It' if path is None else path.name} is discarded."
        if done is not None:
            self.get_logger().info(response.message)
        return response

    def _what_is_under_way(self) -> str:
        """Said to who asks for what cannot be done while the disk is still at something."""
        return " The disk is still completing what was stopped before: see recording_status." if self._late else ""


def main() -> None:
    """Run the node."""
    sys.exit(run(Recorder))


if __name__ == "__main__":
    main()
