"""What the page knows of the graph, as plain values: filled from messages by the node, drawn by the page."""

from dataclasses import dataclass

EXECUTING = "executing"
"""State of a skill executor that decodes a skill."""


@dataclass(frozen=True)
class TaskView:
    """How far the episode has come."""

    task: str
    episode: int
    seed: int
    subtasks: tuple[str, ...]
    """Target subtasks, in the task's order."""
    is_completed: tuple[bool, ...]
    """Per target subtask."""
    completed_at_step: dict[str, int]
    """Every completed subtask of the scene, targets or not, first one first, and its control step."""
    completed_in_order: int
    step: int
    max_steps: int
    end: str
    """`completed` or `out of time`; empty while the episode goes on."""


@dataclass(frozen=True)
class SkillView:
    """What the skill executor does."""

    state: str
    """`idle`, `executing`, `braking` or `latched`."""
    skill_id: int
    step: int
    horizon: int
    latent: tuple[float, ...]
    bundle: str
    reason: str


@dataclass(frozen=True)
class ChoiceView:
    """The last decision of the high-level policy, or of whatever chose a skill."""

    skill_id: int
    source: str
    """`policy`, `prior` or `manual`."""
    prior_divergence: float
    """KL(policy, prior) there [nats]; NaN where it has none."""
    latent: tuple[float, ...] = ()


@dataclass(frozen=True)
class SafetyView:
    """What the safety filter did to the last command."""

    state: str
    """`passed`, `limited`, `holding`, `braking` or `latched`."""
    reason: str
    limited_joint_names: tuple[str, ...]
    interventions: int
    joint_state_age_s: float


@dataclass(frozen=True)
class HealthView:
    """One node's latest diagnostic."""

    name: str
    """Node and lifecycle state, as published."""
    level: str
    """`ok`, `warn`, `error` or `stale`."""
    message: str
    values: dict[str, str]
    age_s: float


@dataclass(frozen=True)
class TrainingView:
    """How training goes, at one moment."""

    state: str
    reason: str
    env_steps: int
    updates: int
    episodes: int
    episode_reward: float
    completed_in_order: float
    prior_divergence: float
    target_divergence: float
    temperature: float
    critic_loss: float
    policy_loss: float
    env_steps_per_s: float
    updates_per_s: float


@dataclass(frozen=True)
class GraphView:
    """Everything at one moment; None for what was not heard yet."""

    task: TaskView | None = None
    skill: SkillView | None = None
    choice: ChoiceView | None = None
    safety: SafetyView | None = None
    health: tuple[HealthView, ...] = ()
    training: TrainingView | None = None
    state_age_s: float = float("inf")
    """Since the last joint state, by receive time on the steady clock [s]."""
    state_rate_hz: float = float("nan")
    """Joint states per second of the arm's own time; NaN before two were received."""
    skill_age_s: float = float("inf")
    """Since the last skill status [s]."""
    frame_rate_hz: float = 0.0
    """How often the scene was drawn in the last second."""
    viewers: int = 0
