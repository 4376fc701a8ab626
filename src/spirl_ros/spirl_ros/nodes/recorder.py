"""Records episodes of any arm as rosbag2 bags, one per episode, and loses nothing."""

import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import String
from std_srvs.srv import Trigger

from spirl_msgs.msg import RecordingStatus, TaskStatus
from spirl_msgs.srv import StartRecording, StopRecording
from spirl_ros.errors import ConfigError, RecordingError
from spirl_ros.nodes.managed_node import ERROR, OK, WARN, ManagedNode, run
from spirl_ros.nodes.messages import LATCHED_QOS, to_recording_status
from spirl_ros.nodes.parameters import parameter, read_parameters
from spirl_ros.nodes.raw_subscriptions import RawSubscriptions, TopicRequest
from spirl_ros.recording.bag_metadata import BagTopic, qos_profile
from spirl_ros.recording.bag_recovery import recover
from spirl_ros.recording.bag_writer import RawMessage
from spirl_ros.recording.episode_recorder import EpisodeRecorder, EpisodeRecorderConfig, FinishedEpisode
from spirl_ros.recording.episode_trigger import ABORT, END, EpisodeMoment, EpisodeTrigger
from spirl_ros.recording.message_definitions import message_definition
from spirl_ros.recording.recorder_status import FAILED, RECORDING
from spirl_ros.recording.recording_folder import RecordingFolder

FETCH_PERIOD_S = 0.05
"""How often arrived messages are fetched and handed to the writing thread [s]."""
LOOK_BACK_NS = 100_000_000
"""Messages sent up to this long before an episode's start belong to it: the state it starts from [ns]."""
ANSWER_S = 60.0
"""How long a service waits for the disk [s]. Nothing is lost meanwhile: messages wait in the subscriptions."""
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
            "scene_state spirl_msgs/msg/SceneState",
            "operator_action std_msgs/msg/Float64MultiArray action",
            "forward_position_controller/commands std_msgs/msg/Float64MultiArray action",
            "joint_trajectory_controller/joint_trajectory trajectory_msgs/msg/JointTrajectory action",
            "skill spirl_msgs/msg/Skill",
            "skill_status spirl_msgs/msg/SkillStatus latched",
            "safety_status spirl_msgs/msg/SafetyStatus latched",
            "task_status spirl_msgs/msg/TaskStatus latched",
            "simulator_description std_msgs/msg/String latched",
            "operator_style std_msgs/msg/String latched",
        ),
        "what is recorded, each as 'NAME TYPE', 'NAME TYPE latched' or, where it says that somebody acts, 'NAME TYPE "
        "action'",
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


class Recorder(ManagedNode):
    """Carries serialised messages from subscriptions to an EpisodeRecorder, which has a thread of its own.

    One callback group: fetching and services take turns, so that an episode has what was sent before its stop.
    """

    def __init__(self) -> None:
        """Declare the parameters."""
        super().__init__("recorder", RecorderConfig)

    def configure(self) -> None:
        """Repair what a crash left, and open topics and services."""
        self._config = config = read_parameters(self, RecorderConfig)
        requests = [TopicRequest.parse(text) for text in config.topics]
        names = [request.name for request in requests]
        if config.start == EACH_EPISODE and config.task_status_topic not in names:
            raise ConfigError(
                f"start is {EACH_EPISODE}, but task_status_topic '{config.task_status_topic}' is not among the topics "
                f"{', '.join(names)}."
            )
        self._folder = RecordingFolder(Path(config.folder))
        try:
            self._recover()
        except Exception:
            self._folder.release()
            raise
        self._recorder = EpisodeRecorder(
            self._folder,
            EpisodeRecorderConfig(min_free_bytes=int(config.min_free_mb * 1e6)),
            on_change=self._note_change,
            on_error=self.fail,
        )
        self._has_changed = True
        self._told_reason = ""
        # Status that is published says that episodes will be recorded: not before the task is heard, if that starts them.
        self._is_ready = config.start == MANUAL
        self._trigger = EpisodeTrigger()
        self._end_countdown = 0
        self._action_topics = {index for index, request in enumerate(requests) if request.is_action}
        self._has_acted, self._steps_counted = False, 0
        self._recent: deque[RawMessage] = deque()
        self._last_latched: dict[int, RawMessage] = {}
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
        self.get_logger().info(f"ready to record {len(self._config.topics)} topics to {self._folder.path}")

    def deactivate(self) -> None:
        """Complete the episode under way."""
        for timer in self._timers_of_recorder:
            self.destroy_timer(timer)
        self._fetch()
        if self._end_countdown:
            self._end_by_status()
        self._abort("the recorder was stopped")
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
        if status.state == FAILED:
            return ERROR, status.reason, values
        if status.free_bytes < 2e6 * self._config.min_free_mb:
            return (
                WARN,
                f"{status.free_bytes / 1e6:.0f} MB free; recording ends at {self._config.min_free_mb:.0f}",
                values,
            )
        if self._subscriptions_of_recorder.lost:
            return WARN, f"{self._subscriptions_of_recorder.lost} messages were lost on the way", values
        return OK, status.state, values

    @property
    def _is_recording(self) -> bool:
        return self._recorder.status().state == RECORDING

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
        batch = self._subscriptions_of_recorder.fetch()
        now_s = self.now_s()
        self._fetched += len(batch)
        self._longest_fetch_s, self._fetched_s = max(self._longest_fetch_s, now_s - self._fetched_s), now_s
        if self._status_topic is None:
            self._recorder.write(batch)
            self._remember(batch)
        else:
            self._follow_episodes(batch)
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
                self._remember(batch[begin:index])
                begin = index
                if action == ABORT:
                    self._abort("reset before the task's end")
                else:
                    if self._end_countdown:
                        self._end_by_status()
                    self._start_by_status(status)
            self._steps_counted = status.step
        self._recorder.write(batch[begin:])
        self._remember(batch[begin:])

    def _start_by_status(self, status: TaskStatus) -> None:
        try:
            self._start(status.task, self._config.operator_name)
        except RecordingError as error:
            self._trigger.reset()
            self.get_logger().error(f"episode {status.episode} is not recorded: {error}", throttle_duration_sec=1.0)

    def _abort(self, note: str) -> None:
        """Keep an episode that nobody ended; one that began by itself and in which nobody acted is nothing to keep.

        Nor is one that a reset ends within a few control steps: an executor that takes over the arm tells it to stay where it
        is, and a policy then asks for the reset that its first episode begins with.
        """
        if not self._is_recording:
            return
        if self._status_topic is not None and not (self._has_acted and self._steps_counted >= FEWEST_STEPS):
            self._recorder.discard().result(ANSWER_S)
        else:
            self._end(False, note, "aborted")

    def _end_by_status(self) -> None:
        self._end_countdown = 0
        if self._is_recording:
            is_success = bool(self._ended_by.terminated)
            self._end(is_success, "", "success" if is_success else "failure")

    def _remember(self, batch: Sequence[RawMessage]) -> None:
        """Keep what an episode that starts now would need."""
        for message in batch:
            if message.topic in self._subscriptions_of_recorder.latched:
                self._last_latched[message.topic] = message
        self._recent.extend(batch)
        while self._recent and self._recent[0].publish_time_ns < self._recent[-1].publish_time_ns - LOOK_BACK_NS:
            self._recent.popleft()

    def _start(self, task: str, operator_name: str) -> Path:
        """Begin an episode with the state it starts from."""
        definition = message_definition("std_msgs/msg/String")
        topics = self._subscriptions_of_recorder.bag_topics()
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
        path = self._recorder.start(topics, details).result(ANSWER_S)
        # Where the status starts episodes, this one's follows, and those before it are of another episode.
        before = list(self._recent)
        before += [message for message in self._last_latched.values() if message not in before]
        self._recorder.write([message for message in before if message.topic != self._status_topic])
        self._write_event("start")
        self._has_acted = False
        self.get_logger().info(f"recording {path.name}")
        return path

    def _end(self, is_success: bool, note: str, event: str) -> None:
        """Complete an episode that no service stops; why one could not be completed is told with the status."""
        try:
            finished = self._stop(is_success, note, event)
            self.get_logger().info(f"{finished.path.name}: {event}, {finished.messages} messages")
        except RecordingError:
            self._has_changed = True

    def _stop(self, is_success: bool, note: str, event: str) -> FinishedEpisode:
        self._end_countdown = 0
        if self._is_recording:
            self._write_event(event)
        details = {"is_success": str(is_success).lower(), "note": note}
        return self._recorder.stop(details).result(ANSWER_S)

    def _write_event(self, event: str) -> None:
        message = String(data=event)
        self._event_publisher.publish(message)
        now_ns = self._wall_ns()
        self._recorder.write([RawMessage(self._event_topic, now_ns, now_ns, 0, serialize_message(message))])

    def _wall_ns(self) -> int:
        """Time since 1970 [ns], as the middleware stamps messages."""
        return round(datetime.now(timezone.utc).timestamp() * 1e9)

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
        try:
            path = self._start(request.task, request.operator_name or self._config.operator_name)
        except RecordingError as error:
            response.message = str(error)
            return response
        response.success, response.path, response.message = True, str(path), f"Recording {path.name}."
        return response

    def _on_stop_recording(
        self, request: StopRecording.Request, response: StopRecording.Response
    ) -> StopRecording.Response:
        if not self.is_active:
            response.message = "The recorder is not active, nothing is being recorded."
            return response
        self._fetch()
        self._trigger.reset()
        try:
            event = "success" if request.is_success else "failure"
            finished = self._stop(request.is_success, request.note, event)
        except RecordingError as error:
            response.message = str(error)
            return response
        response.success, response.path, response.messages = True, str(finished.path), finished.messages
        response.message = f"{finished.path.name} has {finished.messages} messages, verified."
        self.get_logger().info(f"{finished.path.name}: {event}, {finished.messages} messages")
        return response

    def _on_discard_recording(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._trigger.reset()
        self._end_countdown = 0
        try:
            path = self._recorder.discard().result(ANSWER_S)
        except RecordingError as error:
            response.message = str(error)
            return response
        self._event_publisher.publish(String(data="discarded"))
        response.success, response.message = True, f"{path.name} is discarded."
        self.get_logger().info(response.message)
        return response


def main() -> None:
    """Run the node."""
    sys.exit(run(Recorder))


if __name__ == "__main__":
    main()
