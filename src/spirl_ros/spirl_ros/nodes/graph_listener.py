"""What the monitor hears of a graph: the newest of everything, fetched when somebody looks."""

import math
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState

from spirl_msgs.msg import SafetyStatus, SceneState, Skill, SkillStatus, TaskStatus, TrainingStatus
from spirl_ros.monitoring.measured_positions import MeasuredPositions
from spirl_ros.monitoring.views import GraphView
from spirl_ros.nodes.messages import COMMAND_QOS, LATCHED_QOS
from spirl_ros.nodes.monitor_views import (
    to_choice_view,
    to_health_view,
    to_safety_view,
    to_skill_view,
    to_task_view,
    to_training_view,
)
from spirl_ros.nodes.polled_topic import PolledTopic
from spirl_ros.tasks.kitchen.scene import KitchenScene

NEWEST_QOS = QoSProfile(depth=1, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Of measured states only the newest is looked at, whether its publisher repeats lost ones or not."""
DIAGNOSTICS_DEPTH = 50
FORGOTTEN_AFTER_S = 60.0
"""A node without diagnostics for so long [s] is no longer listed."""
_RATE_OVER_S = 1.0


class GraphListener:
    """Subscriptions of the monitor. Those that cost something exist only while it is `open`. One thread."""

    def __init__(self, node: Node, scene: KitchenScene | None, joint_state_topic: str = "joint_states") -> None:
        """Listen to what is slow: training and diagnostics.

        Args:
            node: owns the subscriptions.
            scene: what `positions` are of, if anything.
            joint_state_topic: measured joint states.
        """
        self._node = node
        self._scene, self._joint_state_topic = scene, joint_state_topic
        self._training_topic = PolledTopic(node, TrainingStatus, "training_status", LATCHED_QOS)
        self._diagnostics = PolledTopic(node, DiagnosticArray, "/diagnostics", DIAGNOSTICS_DEPTH)
        self._health: dict[str, tuple[DiagnosticStatus, float]] = {}
        self._topics: dict[str, PolledTopic] = {}
        self._training: TrainingStatus | None = None
        self._forget()

    def open(self) -> None:
        """Listen to everything else too."""
        if self._topics:
            return
        self._forget()
        for name, message_type, qos in (
            ("joint_states", JointState, NEWEST_QOS),
            ("scene_state", SceneState, NEWEST_QOS),
            ("task_status", TaskStatus, LATCHED_QOS),
            ("skill_status", SkillStatus, LATCHED_QOS),
            ("safety_status", SafetyStatus, LATCHED_QOS),
            ("skill", Skill, COMMAND_QOS),
        ):
            topic = self._joint_state_topic if name == "joint_states" else name
            self._topics[name] = PolledTopic(self._node, message_type, topic, qos)

    def shut(self) -> None:
        """Listen to what is slow only."""
        for topic in self._topics.values():
            topic.close()
        self._topics.clear()

    def close(self) -> None:
        """Unsubscribe."""
        self.shut()
        self._training_topic.close()
        self._diagnostics.close()

    def look_at_states(self, now_s: float) -> bool:
        """Fetch measured positions; returns whether there were new ones."""
        joint_state = self._topics["joint_states"].take()
        scene_state = self._topics["scene_state"].take()
        for message in (joint_state, scene_state):
            if message is not None:
                self.positions.update(message.name, message.position)
        if joint_state is not None:
            self._state_s = now_s
            self.joint_state = joint_state
        return joint_state is not None or scene_state is not None

    def look_at_diagnostics(self, now_s: float) -> TrainingStatus | None:
        """Fetch diagnostics and training; returns a new status of training, if there is one."""
        for array in self._diagnostics.take_all():
            for status in array.status:
                self._health[status.name.partition(":")[0]] = status, now_s
        for name, (_, heard_s) in list(self._health.items()):
            if now_s - heard_s > FORGOTTEN_AFTER_S:
                del self._health[name]
        training = self._training_topic.take()
        self._training = training or self._training
        return training

    @property
    def skill_id(self) -> int:
        """The skill under way or the last one; 0 without a skill executor.

        Skills that were asked for by the action have no number: they get one here, to be told apart.
        """
        named = self._newest["skill_status"].skill_id if "skill_status" in self._newest else 0
        return named or self._unnamed_skills

    def look_at_statuses(self, now_s: float) -> bool:
        """Fetch what task, skill executor and safety filter say; returns whether a new episode has begun."""
        episode = self._episode()
        for name in ("task_status", "skill_status", "safety_status", "skill"):
            message = self._topics[name].take()
            if message is not None:
                if name == "skill_status" and message.skill_id == 0:
                    last = self._newest.get(name)
                    self._unnamed_skills += last is None or list(message.latent) != list(last.latent)
                self._newest[name] = message
                if name == "skill_status":
                    self._skill_s = now_s
        self._measure_rate(now_s)
        return self._episode() != episode

    def state_age_s(self, now_s: float) -> float:
        """Time since the last joint state [s]; infinite before the first."""
        return now_s - self._state_s

    def lifecycle_state(self, node_name: str) -> str:
        """Lifecycle state of a node in this namespace as its diagnostics say; empty when there are none of late."""
        status, _ = self._health.get(self._full_name(node_name), (None, 0.0))
        return "" if status is None else status.name.partition(": ")[2]

    def diagnostic(self, node_name: str, key: str) -> str:
        """A value of a node's diagnostics; empty when it has none."""
        status, _ = self._health.get(self._full_name(node_name), (None, 0.0))
        return next((value.value for value in status.values if value.key == key), "") if status is not None else ""

    def view(self, now_s: float, frame_rate_hz: float, viewers: int) -> GraphView:
        """Everything that is known at a moment."""
        newest = self._newest
        return GraphView(
            task=to_task_view(newest["task_status"]) if "task_status" in newest else None,
            skill=to_skill_view(newest["skill_status"]) if "skill_status" in newest else None,
            choice=to_choice_view(newest["skill"]) if "skill" in newest else None,
            safety=to_safety_view(newest["safety_status"]) if "safety_status" in newest else None,
            health=tuple(
                to_health_view(status, now_s - heard_s) for _, (status, heard_s) in sorted(self._health.items())
            ),
            training=None if self._training is None else to_training_view(self._training),
            state_age_s=self.state_age_s(now_s),
            state_rate_hz=self._state_rate_hz,
            skill_age_s=now_s - self._skill_s,
            frame_rate_hz=frame_rate_hz,
            viewers=viewers,
        )

    def _forget(self) -> None:
        self.positions = MeasuredPositions(self._scene)
        self._newest: dict[str, Any] = {}
        self.joint_state: JointState | None = None
        self._state_s = self._skill_s = -math.inf
        self._state_rate_hz = math.nan
        self._counted = (math.nan, 0)
        self._unnamed_skills = 0

    def _episode(self) -> int | None:
        return self._newest["task_status"].episode if "task_status" in self._newest else None

    def _measure_rate(self, now_s: float) -> None:
        """How often joint states are published, by their publisher's count."""
        since_s, count = self._counted
        published = self._topics["joint_states"].published
        if math.isnan(since_s) or published < count:
            self._counted = (now_s, published) if published else self._counted
        elif now_s - since_s >= _RATE_OVER_S:
            self._state_rate_hz = (published - count) / (now_s - since_s)
            self._counted = now_s, published

    def _full_name(self, node_name: str) -> str:
        return f"{self._node.get_namespace()}/{node_name}".strip("/")
