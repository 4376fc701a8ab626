"""How the high-level policy learns, and on what."""

from dataclasses import dataclass
from typing import NamedTuple

from spirl_ros.errors import ConfigError
from spirl_ros.tasks.kitchen.subtasks import target_subtasks
from spirl_ros.tasks.progress import COUNTS

KITCHEN = "kitchen"
"""The robot whose scene and tasks are known."""


class Method(NamedTuple):
    """What tells one method from another; everything else is shared."""

    uses_skills: bool
    """A decision is a skill of H control steps; otherwise a single action."""
    starts_from_prior: bool
    """The policy begins as a copy of the prior; otherwise about N(0, I)."""
    is_regularised: bool
    """The divergence from the prior is held at its target; otherwise the entropy is (plain SAC)."""


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


@dataclass(frozen=True)
class LearnerConfig:
    """One update and the networks in it. The defaults are those of the preset `best`."""

    batch_size: int = 256
    """Transitions per update."""
    skill_discount: float = 0.97
    """Discount over the H control steps of one skill; methods without skills take its H-th root per action."""
    tau: float = 1e-2
    """Share of the way that the target critics go in each update (5e-3 in the official code)."""
    learning_rate: float = 3e-4
    """Of Adam, for the policy and the critics."""
    late_learning_rate: float = 1e-4
    """Of the policy after `late_from`."""
    late_from: float = 0.6
    """Share of all environment steps after which the policy learns more slowly, against a late collapse; 1 for never."""
    initial_temperature: float = 0.01
    """Alpha at the beginning. From the official 1 it takes more than 10,000 updates to come down to where learning starts."""
    temperature_learning_rate: float = 1e-3
    """Of Adam on log alpha."""
    target_divergence: float = 5.0
    """KL(policy || prior) in nats that alpha holds (delta of the official kitchen configuration); methods without a prior
    hold an entropy of -Dz instead. With 10 and 20 it took twice the steps to 3.5 subtasks and more (docs/results.md)."""
    divergence_samples: int = 0
    """0: KL in closed form; otherwise its mean over so many samples, as in the official code."""
    max_divergence: float = 100.0
    """In the critics' targets the divergence counts at most this [nats]."""
    critic_hidden: int = 256
    """Width of the critics."""
    critic_layers: int = 3
    """Hidden layers of the critics."""
    critic_layer_norm: bool = True
    """Normalise the critics' hidden layers (the official code does not): without it values ran off to twice the possible."""
    critic_precision: str = "auto"
    """Of the products of the critics' hidden layers: `float32`, `bfloat16` (twice as fast where the processor computes with
    it, the weights stay float32), or `auto`, which a run's config.yaml resolves for the machine it begins on."""
    clamp_targets: bool = True
    """No target below 0 or above the reward that is still to be had: the best policy is never worse than the prior."""
    policy_hidden: int = 256
    """Width of a policy that does not start from a prior."""
    policy_layers: int = 5
    """Hidden layers of such a policy."""
    progress_input: bool = True
    """The policy sees how many subtasks are completed in order; without it the reward is not Markov."""
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
        for name in ("late_learning_rate", "target_divergence", "divergence_samples", "max_latent", "max_action"):
            if not getattr(self, name) >= 0.0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected 0 or more.")
        for name in ("skill_discount", "tau", "late_from"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected more than 0 and at most 1.")


@dataclass(frozen=True)
class RlTrainingConfig:
    """What is learned, from how much experience."""

    method: str = "spirl"
    """One of METHODS."""
    robot: str = KITCHEN
    """Robot of the demonstrations: kitchen, ur5e, fr3, or a file like config/robots/generic.yaml. All but the kitchen's learn on
    the arm, with the trainer node."""
    task: str = "kitchen"
    """A task's name, or target subtasks in order, separated by commas; those of another robot have names of your own."""
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
    replay_size: int = 1_000_000
    """Newest transitions kept; methods with skills never need as many."""
    demos_in_replay: bool = True
    """Learn from the demonstrations too, with rewards relabelled for every progress. The paper does not."""
    demonstration_share: float = 0.5
    """Share of each batch that is drawn from the demonstrations."""
    demonstration_stride: int = 5
    """Control steps between the starts of two of their windows."""
    offline_updates: int = 5000
    """Gradient steps on the demonstrations alone before the first episode. With 1,500 of them and the official tau, the worth of
    the target order was still growing after 15,000 control steps, when episodes began to do other subtasks first."""
    evaluate_every: int = 10_000
    """Control steps between two evaluations with the mean action, each followed by a checkpoint."""
    evaluation_episodes: int = 10
    """Episodes of each."""
    stop_at: float = 0.0
    """So many subtasks in order, mean of an evaluation's episodes, in two evaluations in a row end the run early; on the arm so
    many in the mean of the last 20 episodes; 0 for never."""
    prior_steps: int = 6000
    """Gradient steps on the action prior of methods without skills."""
    seed: int = 0
    """Decides weights, batches, noise and episodes."""
    threads: int = 1
    """Of torch; another number can change the last bits of the result."""

    @property
    def targets(self) -> tuple[str, ...]:
        """The task's K target subtasks in order, each worth a reward of 1. Raises ConfigError for unknown ones."""
        if self.robot == KITCHEN:
            return target_subtasks(self.task)
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
        for name in ("updates_per_decision", "warm_up_decisions", "offline_updates", "seed", "stop_at"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected 0 or more.")
        if self.demos_in_replay and self.count != "ordered":
            raise ConfigError(
                f"count is '{self.count}', but demonstrations in the replay have rewards in order. "
                "Use count ordered, or --no-demos-in-replay."
            )
        if not 0.0 <= self.demonstration_share < 1.0:
            raise ConfigError(f"demonstration_share is {self.demonstration_share}, expected 0 or more and less than 1.")
