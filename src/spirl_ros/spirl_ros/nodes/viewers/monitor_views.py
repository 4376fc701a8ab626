"""What the page shows, from messages."""

from diagnostic_msgs.msg import DiagnosticStatus

from spirl_msgs.msg import SafetyStatus, Skill, SkillStatus, TaskStatus, TrainingStatus
from spirl_ros.monitoring.views import ChoiceView, HealthView, SafetyView, SkillView, TaskView, TrainingView

STALE_AFTER_S = 5.0
"""Diagnostics come once a second; a node silent for longer than this [s] is called stale."""

_SKILL_STATES = {
    SkillStatus.IDLE: "idle",
    SkillStatus.EXECUTING: "executing",
    SkillStatus.BRAKING: "braking",
    SkillStatus.LATCHED: "latched",
}
_SAFETY_STATES = {
    SafetyStatus.PASSED: "passed",
    SafetyStatus.LIMITED: "limited",
    SafetyStatus.HOLDING: "holding",
    SafetyStatus.BRAKING: "braking",
    SafetyStatus.LATCHED: "latched",
}
_SOURCES = {Skill.SOURCE_POLICY: "policy", Skill.SOURCE_PRIOR: "prior", Skill.SOURCE_MANUAL: "manual"}
_LEVELS = {DiagnosticStatus.OK: "ok", DiagnosticStatus.WARN: "warn", DiagnosticStatus.ERROR: "error"}
_TRAINING_STATES = {
    TrainingStatus.COLLECTING: "collecting",
    TrainingStatus.WAITING_FOR_RESET: "waiting for a reset",
    TrainingStatus.PAUSED: "paused",
    TrainingStatus.FINISHED: "finished",
    TrainingStatus.FAILED: "failed",
}


def to_task_view(status: TaskStatus) -> TaskView:
    """How far the episode has come."""
    return TaskView(
        task=status.task,
        episode=status.episode,
        seed=status.seed,
        subtasks=tuple(status.subtasks),
        is_completed=tuple(status.is_completed),
        completed_at_step=dict(zip(status.completed, status.completed_at_step, strict=True)),
        completed_in_order=status.completed_in_order,
        step=status.step,
        max_steps=status.max_steps,
        end="completed" if status.terminated else "out of time" if status.truncated else "",
    )


def to_skill_view(status: SkillStatus) -> SkillView:
    """What the skill executor does."""
    return SkillView(
        state=_SKILL_STATES[status.state],
        skill_id=status.skill_id,
        step=status.step,
        horizon=status.skill_horizon,
        latent=tuple(status.latent),
        bundle=status.bundle,
        reason=status.reason,
    )


def to_choice_view(skill: Skill) -> ChoiceView:
    """Who chose a skill."""
    return ChoiceView(
        skill.skill_id, _SOURCES.get(skill.source, "unknown"), skill.prior_divergence, tuple(skill.latent)
    )


def to_safety_view(status: SafetyStatus) -> SafetyView:
    """What the safety filter did."""
    return SafetyView(
        state=_SAFETY_STATES[status.state],
        reason=status.reason,
        limited_joint_names=tuple(status.limited_joint_names),
        interventions=status.interventions,
        joint_state_age_s=status.joint_state_age_s,
    )


def to_health_view(status: DiagnosticStatus, age_s: float) -> HealthView:
    """A node's diagnostic, received so long ago [s]."""
    level = "stale" if age_s > STALE_AFTER_S else _LEVELS.get(status.level, "error")
    values = {value.key: value.value for value in status.values}
    return HealthView(status.name, level, status.message, values, age_s)


def to_training_view(status: TrainingStatus) -> TrainingView:
    """How training goes."""
    return TrainingView(
        state=_TRAINING_STATES[status.state],
        reason=status.reason,
        env_steps=status.env_steps,
        updates=status.updates,
        episodes=status.episodes,
        episode_reward=status.episode_reward,
        completed_in_order=status.completed_in_order,
        prior_divergence=status.prior_divergence,
        target_divergence=status.target_divergence,
        temperature=status.temperature,
        critic_loss=status.critic_loss,
        policy_loss=status.policy_loss,
        env_steps_per_s=status.env_steps_per_s,
        updates_per_s=status.updates_per_s,
    )
