"""Named configurations of the skill model, and changes to them by name and value."""

import dataclasses
from collections.abc import Sequence

from spirl_ros.configuration import change_by_name
from spirl_ros.errors import ConfigError
from spirl_ros.skills.config import SkillModelConfig, SkillTrainingConfig, official_model

PRESETS: dict[str, tuple[SkillModelConfig, SkillTrainingConfig]] = {
    "quick": (SkillModelConfig(), SkillTrainingConfig()),
    "full": (SkillModelConfig(), SkillTrainingConfig(steps=80_000, validation_every=2000)),
    "official": (
        official_model(),
        SkillTrainingConfig(steps=480_000, batch_size=128, decoded_steps=0, weight_decay=0.0, beta=5e-4, averaging=0.0),
    ),
}
"""`quick` takes minutes on two cores, `full` makes the shipped skills, `official` has Pertsch et al.'s sizes and weights."""


def resolve(preset: str, decoder: str | None, changes: Sequence[str]) -> tuple[SkillModelConfig, SkillTrainingConfig]:
    """A preset with changes such as `decoder_hidden=512`.

    Raises:
        ConfigError: unknown preset, name, or a value of the wrong kind.
    """
    if preset not in PRESETS:
        raise ConfigError(f"preset is '{preset}', expected one of {', '.join(PRESETS)}.")
    model, training = PRESETS[preset]
    if decoder is not None:
        model = dataclasses.replace(model, decoder=decoder)
    model, training = change_by_name((model, training), changes)
    return model, training
