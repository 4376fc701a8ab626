"""What the monitor hears of a graph: the newest of everything, fetched when somebody looks."""

import math
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, JointState

from spirl_msgs.msg import SafetyStatus, SceneState, Skill, SkillStatus, TaskStatus, TrainingStatus
from spirl_ros.control.image_messages import from_image, image_topic
from spirl_ros.control.observation_fields import Field
from spirl_ros.errors import ObservationError
from spirl_ros.monitoring.coming_skill import is_of
from spirl_ros.monitoring.measured_positions import MeasuredPositions
from spirl_ros.monitoring.views import ChoiceView, GraphView, SafetyView, SkillView
from spirl_ros.nodes.graph.messages import LATCHED_QOS
from spirl_ros.nodes.graph.polled_topic import PolledTopic
from spirl_ros.nodes.viewers.monitor_views import (
    to_choice_view,
    to_health_view,
    to_safety_view,
    to_skill_view,
    to_task_view,
    to_training_view,
)
from spirl_ros.tasks.mujoco_scene import MujocoScene

NEWEST_QOS = QoSProfile(depth=1, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Of measured states only the newest is looked at, whether its publisher repeats lost ones or not."""
CHOICES_QOS = QoSProfile(depth=10)
"""Who looks ten times a second must still find the choice of the skill under way, of thirty a second in lockstep."""
SAFETY_QOS = QoSProfile(depth=100, reliability=LATCHED_QOS.reliability, durability=LATCHED_QOS.durability)
"""Interventions last one control step; each is to be seen."""
CHOICES_KEPT = 20
DIAGNOSTICS_DEPTH = 50
ENDED_AFTER_S = 3.0
"""A node whose topic is silent and that has published no diagnostics as an active one for so long [s] has ended or
hangs."""
FORGOTTEN_AFTER_S = 60.0
"""A node without diagnostics for so long [s] is no longer listed."""
_RATE_OVER_S = 1.0


class GraphListener:
    """Subscriptions of the monitor. Those that cost something exist only while it is `open`. One thread."""

    def __init__(
        self,
        node: Node,
        scene: MujocoScene | None,
        joint_state_topic: str = "joint_states",
        pictures: Sequence[Field] = (),
    ) -> None:
        """Listen to what is slow: training and diagnostics.

        Args:
            node: owns the subscriptions.
            scene: what `positions` are of, if anything.
            joint_state_topic: measured joint states.
            pictures: fields that cameras take.
        """
        self._node, self._pictures = node, pictures
        self._scene, self._joint_state_topic = scene, joint_state_topic
        self._training_topic = PolledTopic(node, TrainingStatus, "training_status", LATCHED_QOS)
        self._diagnostics = PolledTopic(node, DiagnosticArray, "/diagnostics", DIAGNOSTICS_DEPTH)
        self._health: dict[str, tuple[DiagnosticStatus, float]] = {}
        self._diagnostics_heard = self._trainings_heard = 0
        self._told_s = math.nan
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
            ("safety_status", SafetyStatus, SAFETY_QOS),
            ("skill", Skill, CHOICES_QOS),
            # Of those who have skills executed by the action: nobody executes what is said there.
            ("chosen_skill", Skill, CHOICES_QOS),
        ):
            topic = self._joint_state_topic if name == "joint_states" else name
            self._topics[name] = PolledTopic(self._node, message_type, topic, qos)

        for field in self._pictures:
            self._topics[field.name] = PolledTopic(self._node, Image, image_topic(field.source), NEWEST_QOS)

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

    def look_at_pictures(self) -> dict[str, np.ndarray]:
        """Fetch pictures: the new ones (H, W, C), by field; those of another kind than the field's are left out."""
        found = {}
        for field in self._pictures:
            message = self._topics[field.name].take()
            if message is not None:
                with suppress(ObservationError):  # Whoever acts on them tells of it.
                    found[field.name] = from_image(message, field)
        return found

    def look_at_diagnostics(self, now_s: float) -> TrainingStatus | None:
        """Fetch diagnostics and training; returns a new status of training, if there is one."""
        for array in self._diagnostics.take_all():
            self._diagnostics_heard += 1
            for status in array.status:
                self._health[status.name.partition(":")[0]] = status, now_s
        for name, (_, heard_s) in list(self._health.items()):
            if now_s - heard_s > FORGOTTEN_AFTER_S:
                del self._health[name]
        training = self._training_topic.take()
        self._trainings_heard += training is not None
        self._training = training or self._training
        return training

    @property
    def skill_id(self) -> int:
        """The skill under way or the last one; 0 without a skill executor.

        Skills that were asked for by the action have no number. They have that of their choice, if who asked tells of
        it, and get one here otherwise, to be told apart.
        """
        skill, _ = self._skill_and_choice()
        return (0 if skill is None else skill.skill_id) or self._unnamed_skills

    @property
    def bundle_digest(self) -> str:
        """Of the bundle that the skill executor has; empty when not known."""
        return self._newest["skill_status"].bundle_digest if "skill_status" in self._newest else ""

    @property
    def newest_choice(self) -> ChoiceView | None:
        """What was chosen last, whether it has begun or not; heard at `choice_s` on the steady clock [s]."""
        return self._choices[-1] if self._choices else None

    def look_at_statuses(self, now_s: float) -> bool:
        """Fetch what task, skill executor and safety filter say; returns whether a new episode has begun."""
        episode = self._episode()
        for name in ("task_status", "skill_status"):
            message = self._topics[name].take()
            if message is not None:
                if name == "skill_status" and message.skill_id == 0:
                    last = self._newest.get(name)
                    # The same latent again is another skill when its steps begin anew.
                    self._unnamed_skills += (
                        last is None or list(message.latent) != list(last.latent) or message.step < last.step
                    )
                self._newest[name] = message
                if name == "skill_status":
                    self._skill_s = now_s
        statuses = self._topics["safety_status"].take_all()
        self.new_safety = tuple(to_safety_view(status) for status in statuses)
        if statuses:
            self._newest["safety_status"], self._safety_s = statuses[-1], now_s
        for choice in self._topics["skill"].take_all() + self._topics["chosen_skill"].take_all():
            self._choices.append(to_choice_view(choice))
            self.choice_s = now_s
        self._measure_rate(now_s)
        return self._episode() != episode

    def state_age_s(self, now_s: float) -> float:
        """Time since the last joint state [s]; infinite before the first."""
        return now_s - self._state_s

    def safety_silent_s(self, now_s: float) -> float:
        """How long the safety filter that was heard has been silent [s]; 0 while it lives, or before it was heard."""
        is_known = math.isfinite(self._safety_s)
        return now_s - self._safety_s if is_known and not self.has_safety_filter(now_s) else 0.0

    def diagnose(self, now_s: float) -> dict[str, object]:
        """What is heard whether somebody looks at it or not, for `/diagnostics`."""
        passed_s, self._told_s = now_s - self._told_s, now_s
        heard, self._diagnostics_heard = self._diagnostics_heard, 0
        values: dict[str, object] = {"nodes heard": len(self._health), "statuses of training": self._trainings_heard}
        if math.isfinite(passed_s) and passed_s > 0.0:
            values["diagnostics [Hz]"] = heard / passed_s
        return values

    def has_executor(self, now_s: float) -> bool:
        """Whether the skill executor still runs. Needs `look_at_diagnostics`, as `has_safety_filter` does."""
        return self._is_alive("skill_status", self._skill_s, now_s)

    def has_safety_filter(self, now_s: float) -> bool:
        """Whether the node that runs the safety filter still runs."""
        return self._is_alive("safety_status", self._safety_s, now_s)

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
        skill, choice = self._skill_and_choice()
        return GraphView(
            task=to_task_view(newest["task_status"]) if "task_status" in newest else None,
            skill=skill,
            choice=choice,
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
        self._choices: deque[ChoiceView] = deque(maxlen=CHOICES_KEPT)
        self.new_safety: tuple[SafetyView, ...] = ()
        """What the safety filter has said between the last two looks at statuses."""
        self.joint_state: JointState | None = None
        self._state_s = self._skill_s = self._safety_s = self.choice_s = -math.inf
        self._state_rate_hz = math.nan
        self._counted = (math.nan, 0)
        self._unnamed_skills = 0

    def _skill_and_choice(self) -> tuple[SkillView | None, ChoiceView | None]:
        """The skill that the executor tells of, and who chose it; the newest choice where that is not known."""
        if "skill_status" not in self._newest:
            return None, self.newest_choice
        skill = to_skill_view(self._newest["skill_status"])
        for choice in reversed(self._choices):
            if is_of(skill, choice):
                return replace(skill, skill_id=choice.skill_id), choice
        # A choice without number would be taken for that of any skill without number.
        newest = self.newest_choice
        return skill, newest if newest is not None and newest.skill_id else None

    def _is_alive(self, name: str, heard_s: float, now_s: float) -> bool:
        """Whether a node still runs. In lockstep an executor is silent between skills; then its diagnostics show it."""
        if now_s - heard_s <= ENDED_AFTER_S:
            return True
        if name not in self._newest:
            return False
        for publisher in self._node.get_publishers_info_by_topic(name):
            node_name = f"{publisher.node_namespace}/{publisher.node_name}".strip("/")
            if node_name in self._health:
                status, said_s = self._health[node_name]
                if status.name.endswith(": active") and now_s - said_s <= ENDED_AFTER_S:
                    return True
        return False

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
        return full_name(self._node.get_namespace(), node_name)


def full_name(namespace: str, node_name: str) -> str:
    """Name of a node as in its diagnostics; `node_name` may be relative to the namespace or begin with a slash."""
    return (node_name if node_name.startswith("/") else f"{namespace}/{node_name}").strip("/")
