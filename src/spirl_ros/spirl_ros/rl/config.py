"""How the high-level policy learns, and on what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from spirl_ros.configuration import change_by_name
from spirl_ros.errors import ConfigError
from spirl_ros.tasks.families import DEFAULT_FAMILY, is_family, split_task
from spirl_ros.tasks.progress import COUNTS
from spirl_ros.tasks.task import TaskFamily


class Method(NamedTuple):
    """What tells one method from another; everything else is shared."""

    uses_skills: bool
    """Whether a decision is a skill of H control steps; otherwise it is a single action."""
    starts_from_prior: bool
    """Whether the policy begins as a copy of the prior; otherwise it begins near N(0, I)."""
    is_regularised: bool
    """Whether the divergence from the prior is held at its target; otherwise the entropy is (plain SAC)."""

    @property
    def has_prior(self) -> bool:
        """Whether the policy starts from a prior or is held near one."""
        return self.starts_from_prior or self.is_regularised

    @property
    def needs_skills(self) -> bool:
        """Whether nothing can be learned without skills, or without the demonstrations that they were learned from."""
        return self.uses_skills or self.has_prior


METHODS: dict[str, Method] = {
    "spirl": Method(uses_skills=True, starts_from_prior=True, is_regularised=True),
    "random-start": Method(uses_skills=True, starts_from_prior=False, is_regularised=True),
    "ssp": Method(uses_skills=True, starts_from_prior=False, is_regularised=False),
    "flat-prior": Method(uses_skills=False, starts_from_prior=True, is_regularised=True),
    "bc-sac": Method(uses_skills=False, starts_from_prior=True, is_regularised=False),
    "sac": Method(uses_skills=False, starts_from_prior=False, is_regularised=False),
}
"""The methods of Pertsch et al. 2020, section 4.2, and one more ablation, `random-start`.

Whether skills are closed or open loop is the skill training's choice."""


CRITIC_PRECISIONS = ("auto", "float32", "bfloat16")

GOOD_EVALUATIONS = 2
"""Evaluations in a row that have to reach `stop_at`: one alone is good by chance."""


@dataclass(frozen=True)
class LearnerConfig:
    """One update and the networks in it. The defaults are those of the preset `best`."""

    batch_size: int = 256
    """Transitions per update."""
    skill_discount: float = 0.97
    """Discount over the H control steps of one skill; a decision of n control steps, a single action too, has its power
    n / H."""
    tau: float = 1e-2
    """Share of the way that the target critics go in each update (5e-3 in the official code)."""
    learning_rate: float = 3e-4
    """Of Adam, for the policy and the critics."""
    late_learning_rate: float = 1e-4
    """Of the policy after `late_from`."""
    late_from: float = 0.6
    """Share of all environment steps after which the policy learns more slowly, against a late collapse; 1 for
    never."""
    averaging: float = 0.0
    """Share of its averaged weights that a policy keeps in each update, where it is evaluated and kept with these; 0
    for the newest weights. Of two policies 1,000 updates apart that are as good undisturbed, one may be far worse with
    weaker servos."""
    initial_temperature: float = 0.01
    """Alpha at the beginning. From the official 1 it takes more than 10,000 updates to come down to where learning
    starts."""
    temperature_learning_rate: float = 1e-3
    """Of Adam on log alpha."""
    target_divergence: float = 5.0
    """KL(policy || prior) in nats that alpha holds (delta of the official kitchen configuration); methods without a
    prior hold an entropy of -Dz instead. With 10 and 20 it took twice the steps to 3.5 subtasks and more
    (docs/results.md)."""
    divergence_samples: int = 0
    """0: KL in closed form; otherwise its mean over so many samples, as in the official code."""
    max_divergence: float = 100.0
    """In the critics' targets the divergence counts at most this [nats]."""
    critic_hidden: int = 256
    """Width of the critics."""
    critic_layers: int = 3
    """Hidden layers of the critics."""
    critic_layer_norm: bool = True
    """Whether the critics' hidden layers are normalised (not in the official code): without it values ran off to twice
    the possible."""
    critic_precision: str = "auto"
    """Of the products of the critics' hidden layers: `float32`, `bfloat16` (twice as fast where the processor computes
    with it, the weights stay float32), or `auto`, which a run's config.yaml resolves for the machine it begins on."""
    clamp_targets: bool = True
    """Whether targets stay between 0 and the reward still to be had: the best policy is never worse than the prior."""
    policy_hidden: int = 256
    """Width of a policy that does not start from a prior."""
    policy_layers: int = 5
    """Hidden layers of such a policy."""
    progress_input: bool = True
    """Whether the policy sees how many subtasks are completed in order; without it the reward is not Markov."""
    waves: int = 0
    """Sines and cosines, so many of each, of every standardised value that policy or critics see and the prior does
    not: the longest of 4 pi standard deviations, each of the others half as long as the one before. A place in a scene
    is read better so."""
    train_picture_encoder: bool = False
    """Whether the policy's encoder of pictures, a copy of the prior's, learns too; critics see with the prior's."""
    max_latent: float = 3.0
    """Latents are executed as max * tanh(u / max); 0 for no limit."""
    max_action: float = 2.0
    """The same for methods without skills. The task clips actions at 1."""

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("batch_size", "critic_hidden", "critic_layers", "policy_hidden", "policy_layers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least 1.")
        if self.critic_precision not in CRITIC_PRECISIONS:
            known = ", ".join(CRITIC_PRECISIONS)
            raise ConfigError(f"critic_precision is '{self.critic_precision}', expected one of {known}.")
        for name in ("learning_rate", "initial_temperature", "temperature_learning_rate", "max_divergence"):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected more than 0.")
        for name in (
            "late_learning_rate",
            "target_divergence",
            "divergence_samples",
            "max_latent",
            "max_action",
            "waves",
        ):
            if not getattr(self, name) >= 0.0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected 0 or more.")
        if not 0.0 <= self.averaging < 1.0:
            raise ConfigError(f"averaging is {self.averaging}, expected 0 or more and less than 1.")
        for name in ("skill_discount", "tau", "late_from"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected more than 0 and at most 1.")


@dataclass(frozen=True)
class RlTrainingConfig:
    """What is learned, from how much experience."""

    method: str = "spirl"
    """One of METHODS."""
    robot: str = DEFAULT_FAMILY
    """Robot of the demonstrations: a task family's, such as kitchen; or ur5e, fr3, or a file like
    config/robots/generic.yaml, which learn on the arm, with the trainer node."""
    task: str = DEFAULT_FAMILY
    """A task's name, or target subtasks in order, separated by commas, after `FAMILY:` where it is not the robot's;
    those of a real arm have names of your own."""
    count: str = "ordered"
    """Which completions are rewarded: `ordered` as in the paper, `any` as in gymnasium-robotics."""
    steps: int = 120_000
    """Control steps in the environments, warm-up included, evaluation not."""
    environments: int = 2
    """Episodes that run at the same time; each takes one decision per round."""
    workers: int = 1
    """Threads that simulate beside the learner's."""
    updates_per_decision: float = 2.0
    """Gradient steps for each skill, or single action, that was executed."""
    warm_up_decisions: int = 100
    """Decisions of the initial policy before the first of those updates."""
    wait_for_rewarded: int = 0
    """Episodes that completed a subtask in order before the first of those updates. Where the first reward is far,
    updates before it teach nothing, and may lead away from it."""
    rewarded_share: float = 0.0
    """Share of each batch that is drawn from episodes that completed a subtask in order."""
    replay_size: int = 1_000_000
    """Newest transitions kept; methods with skills never need as many."""
    demos_in_replay: bool = True
    """Whether to learn from the demonstrations too, with rewards relabelled for every progress. The paper does not."""
    demonstration_share: float = 0.5
    """Share of each batch that is drawn from the demonstrations."""
    demonstration_stride: int = 5
    """Control steps between the starts of two of their windows."""
    offline_updates: int = 5000
    """Gradient steps on the demonstrations alone before the first episode. With 1,500 of them and the official tau, the
    worth of
    the target order was still growing after 15,000 control steps, when episodes began to do other subtasks first."""
    evaluate_every: int = 10_000
    """Control steps between two evaluations with the mean action, each followed by a checkpoint."""
    evaluation_episodes: int = 10
    """Episodes of each."""
    stop_at: float = 0.0
    """So many subtasks in order, mean of an evaluation's episodes, in two evaluations in a row end the run early; on
    the arm so many in the mean of the last 20 episodes; 0 for never."""
    robust: bool = False
    """Whether episodes are disturbed in training, and demonstrations observed with errors, as the family's training
    disturbance says: for a policy that withstands that. Evaluations are undisturbed."""
    prior_steps: int = 6000
    """Gradient steps on the action prior of methods without skills."""
    seed: int = 0
    """Decides weights, batches, noise and episodes."""
    threads: int = 1
    """Of torch; another number can change the last bits of the result."""

    @property
    def family(self) -> TaskFamily | None:
        """Whose scene and task it is; None for a real arm. Raises ConfigError for an unknown task."""
        return split_task(self.task, self.robot)[0] if is_family(self.robot) else None

    @property
    def targets(self) -> tuple[str, ...]:
        """The task's K target subtasks in order, each worth a reward of 1. Raises ConfigError for unknown ones."""
        if is_family(self.robot):
            return split_task(self.task, self.robot)[1].goals
        return tuple(name.strip() for name in self.task.split(","))

    def __post_init__(self) -> None:
        """Check names and ranges."""
        if self.method not in METHODS:
            raise ConfigError(f"method is '{self.method}', expected one of {', '.join(METHODS)}.")
        if self.count not in COUNTS:
            raise ConfigError(f"count is '{self.count}', expected one of {', '.join(COUNTS)}.")
        for name in (
            *("steps", "environments", "workers", "replay_size", "demonstration_stride", "evaluate_every"),
            *("evaluation_episodes", "prior_steps", "threads"),
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least 1.")
        for name in (
            "updates_per_decision",
            "warm_up_decisions",
            "wait_for_rewarded",
            "offline_updates",
            "seed",
            "stop_at",
        ):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected 0 or more.")
        if self.demos_in_replay and self.count != "ordered":
            raise ConfigError(
                f"count is '{self.count}', but demonstrations in the replay have rewards in order. "
                "Use count ordered, or --no-demos-in-replay."
            )
        if not 0.0 <= self.demonstration_share < 1.0:
            raise ConfigError(f"demonstration_share is {self.demonstration_share}, expected 0 or more and less than 1.")
        others = self.demonstration_share if self.demos_in_replay else 0.0
        if not 0.0 <= self.rewarded_share <= 1.0 - others:
            raise ConfigError(f"rewarded_share is {self.rewarded_share}, expected 0 to {1.0 - others:g}.")


PRESETS: dict[str, tuple[LearnerConfig, RlTrainingConfig]] = {
    "best": (LearnerConfig(), RlTrainingConfig()),
    "small": (LearnerConfig(), RlTrainingConfig(steps=10_000, offline_updates=500, evaluate_every=2_500)),
    "robust": (
        LearnerConfig(skill_discount=0.94, target_divergence=10.0, averaging=0.9995),
        RlTrainingConfig(updates_per_decision=4.0, offline_updates=3000, robust=True),
    ),
    "sparse": (
        LearnerConfig(
            batch_size=128,
            skill_discount=0.98,
            target_divergence=2.0,
            critic_layers=2,
            late_from=1.0,
            waves=4,
            max_latent=6.0,
        ),
        RlTrainingConfig(
            steps=1_100_000,
            environments=4,
            updates_per_decision=1.0,
            warm_up_decisions=1000,
            wait_for_rewarded=2,
            rewarded_share=0.3,
            demos_in_replay=False,
            offline_updates=0,
            evaluate_every=100_000,
        ),
    ),
    "paper": (
        LearnerConfig(skill_discount=0.98, tau=5e-3, critic_layers=6, late_from=1.0, late_learning_rate=3e-4),
        RlTrainingConfig(steps=200_000, updates_per_decision=1.0, demos_in_replay=False, offline_updates=0),
    ),
}
"""`best` learns fastest, with the demonstrations in the replay. `small` is `best` for a first try and for few steps: a
tenth of the updates on demonstrations before the first episode, so that it ends in minutes and knows less. `robust`
learns in disturbed episodes, with the skills of 20 control steps of the preset of that name: twice the updates and the
divergence for each, and the same discount per control step. With a divergence of 5 it did not learn more than 2.8 of
4. `sparse` is for one reward that is hundreds of skills away, without demonstrations of the task: the prior explores
alone until the reward was seen, and what led to it is drawn more often. `paper` does as Pertsch et al. do, except for
what a prototype showed to keep it from learning: alpha from 1, 2 * tanh(u), 5,000 warm-up skills, unbounded critics,
no progress."""


def resolve(preset: str, changes: Sequence[str]) -> tuple[LearnerConfig, RlTrainingConfig]:
    """A preset with changes such as `target_divergence=8`.

    Raises:
        ConfigError: unknown preset, name, or a value of the wrong kind.
    """
    if preset not in PRESETS:
        raise ConfigError(f"preset is '{preset}', expected one of {', '.join(PRESETS)}.")
    learner, training = change_by_name(PRESETS[preset], changes)
    return learner, training
