"""What the skill executor tells of each step of its loop."""

from typing import NamedTuple

import numpy as np
from rclpy.node import Node

from spirl_msgs.msg import SafetyStatus, SkillStatus
from spirl_ros.control.control_loop import ControlLoop, Tick
from spirl_ros.control.safety_filter import FilteredCommand
from spirl_ros.control.skill_model import RunnableSkills
from spirl_ros.control.skill_sequence import SkillRequest
from spirl_ros.nodes.graph.messages import LATCHED_QOS, to_safety_status, to_stamp, watched


class StepRecord(NamedTuple):
    """The loop as it was after a step: it goes on while the messages about it are made."""

    tick: Tick
    measured_ns: int
    age_s: float
    """Of the observation."""
    last_command: FilteredCommand | None
    interventions: int
    """Since activation."""
    model: RunnableSkills
    skill_id: int
    latent: np.ndarray
    step: int
    """Control steps of the skill that were sent."""
    reward: float
    interventions_of_skill: int
    request: SkillRequest | None
    """The skill that the command was of."""

    @classmethod
    def of(cls, loop: ControlLoop, tick: Tick, now_s: float) -> "StepRecord":
        """The loop right after this step."""
        skills, observation = loop.skills, loop.observation
        return cls(
            tick=tick,
            measured_ns=observation.measured_ns,
            age_s=observation.age_s(now_s),
            last_command=tick.command or loop.arm.last,
            interventions=loop.arm.interventions,
            model=skills.model,
            skill_id=skills.skill_id,
            latent=skills.latent,
            step=skills.steps_done,
            reward=skills.reward,
            interventions_of_skill=skills.interventions,
            request=skills.current if tick.command is not None else None,
        )


class ExecutorStatus:
    """Publishes `skill_status` and `safety_status`."""

    def __init__(self, node: Node, period_s: float) -> None:
        """Open the topics; a step every `period_s` [s] is promised to who asks for it."""
        self._node = node
        qos = watched(LATCHED_QOS, period_s)
        self._skill_publisher = node.create_publisher(SkillStatus, "skill_status", qos)
        self._safety_publisher = node.create_publisher(SafetyStatus, "safety_status", qos)

    @property
    def topic_name(self) -> str:
        """Full name of the topic that every executor of this arm publishes."""
        return self._skill_publisher.topic_name

    def publish(self, record: StepRecord) -> None:
        """Tell of a step."""
        stamp = to_stamp(max(0, record.measured_ns))
        skill = SkillStatus(
            state=int(record.tick.state),
            skill_id=record.skill_id,
            step=record.step,
            skill_horizon=record.model.skill_horizon,
            latent=record.latent,
            bundle=record.model.name,
            bundle_digest=record.model.digest,
            reason=record.tick.reason,
        )
        skill.header.stamp = stamp
        self._skill_publisher.publish(skill)
        if record.last_command is not None:
            safety = to_safety_status(record.last_command, record.model.limits.joint_names)
            safety.header.stamp = stamp
            safety.interventions = record.interventions
            safety.joint_state_age_s = record.age_s
            self._safety_publisher.publish(safety)

    def show_life(self) -> None:
        """Renew the leases without a step."""
        self._skill_publisher.assert_liveliness()
        self._safety_publisher.assert_liveliness()

    def close(self) -> None:
        """Close the topics."""
        self._node.destroy_publisher(self._skill_publisher)
        self._node.destroy_publisher(self._safety_publisher)
