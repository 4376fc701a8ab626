"""Named configurations of the skill model, and changes to them by name and value."""

import dataclasses
from collections.abc import Sequence

from spirl_ros.configuration import change_by_name
from spirl_ros.errors import ConfigError
from spirl_ros.skills.config import SkillModelConfig, SkillTrainingConfig, official_model

PRESETS: dict[str, tuple[SkillModelConfig, SkillTrainingConfig]] = {
    "quick": (SkillModelConfig(), SkillTrainingConfig()),
    "full": (SkillModelConfig(), SkillTrainingConfig(steps=80_000, validation_every=2000)),
    "robust": (
        SkillModelConfig(skill_horizon=20),
        SkillTrainingConfig(steps=9000, validation_every=1000, robust=True),
    ),
    "pictures": (
        SkillModelConfig(decoder="open_loop", skill_horizon=40, encoder_hidden=128, decoder_hidden=128),
        SkillTrainingConfig(steps=4000, batch_size=128, beta=1e-2, averaging=0.998),
    ),
    "official": (
        official_model(),
        SkillTrainingConfig(steps=480_000, batch_size=128, decoded_steps=0, weight_decay=0.0, beta=5e-4, averaging=0.0),
    ),
}
"""`quick` takes minutes on two cores, `full` makes the shipped skills, `robust` makes skills for a policy that learns
to withstand disturbances, `pictures` makes open-loop skills of 40 control steps for where the prior sees pictures and
the decoder must not know the place, `official` has Pertsch et al.'s sizes and weights."""


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
