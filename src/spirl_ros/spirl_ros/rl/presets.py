"""Named configurations of reinforcement learning, and changes to them by name and value."""

from collections.abc import Sequence

from spirl_ros.configuration import change_by_name
from spirl_ros.errors import ConfigError
from spirl_ros.rl.config import LearnerConfig, RlTrainingConfig

PRESETS: dict[str, tuple[LearnerConfig, RlTrainingConfig]] = {
    "best": (LearnerConfig(), RlTrainingConfig()),
    "small": (LearnerConfig(), RlTrainingConfig(steps=10_000, offline_updates=500, evaluate_every=2_500)),
    "paper": (
        LearnerConfig(skill_discount=0.98, tau=5e-3, critic_layers=6, late_from=1.0, late_learning_rate=3e-4),
        RlTrainingConfig(steps=200_000, updates_per_decision=1.0, demos_in_replay=False, offline_updates=0),
    ),
}
"""`best` learns fastest, with the demonstrations in the replay. `small` is `best` for a first try and for few steps: a tenth of
the updates on demonstrations before the first episode, so that it ends in minutes and knows less. `paper` does as Pertsch et al. do, except for what a
prototype showed to keep it from learning: alpha from 1, 2 * tanh(u), 5,000 warm-up skills, unbounded critics, no progress."""


def resolve(preset: str, changes: Sequence[str]) -> tuple[LearnerConfig, RlTrainingConfig]:
    """A preset with changes such as `target_divergence=8`.

    Raises:
        ConfigError: unknown preset, name, or a value of the wrong kind.
    """
    if preset not in PRESETS:
        raise ConfigError(f"preset is '{preset}', expected one of {', '.join(PRESETS)}.")
    learner, training = change_by_name(PRESETS[preset], changes)
    return learner, training
