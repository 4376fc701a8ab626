"""What a skill model looks like and how it is trained."""

from dataclasses import dataclass

from spirl_ros.errors import ConfigError
from spirl_ros.skills.networks import NORMALISATIONS
from spirl_ros.skills.picture_encoder import PICTURE_ENCODERS

DECODERS = ("closed_loop", "open_loop")
NETWORKS = ("mlp", "lstm")
PRIOR_LOSSES = ("nll", "kl")
JOINT_WEIGHTS = ("auto", "equal", "spread")


@dataclass(frozen=True)
class SkillModelConfig:
    """Architecture. The defaults are ours; `official_model` is that of Pertsch et al.'s kitchen experiments."""

    decoder: str = "closed_loop"
    """`closed_loop`: p(a|z,s), one action per observation; `open_loop`: H actions from z alone."""
    skill_horizon: int = 10
    """Control steps H that one skill lasts."""
    latent_size: int = 10
    """Values Dz of a latent."""
    encoder: str = "mlp"
    """`mlp` over the whole window, or `lstm` as in the official code."""
    encoder_hidden: int = 256
    """Width of the encoder."""
    encoder_layers: int = 3
    """Hidden layers of the MLP encoder."""
    open_loop_decoder: str = "mlp"
    """What an open-loop decoder is: `mlp`, or `lstm` as in the official code, whose training step takes ten times as
    long."""
    decoder_hidden: int = 256
    """Width of the decoder."""
    decoder_layers: int = 3
    """Hidden layers of a decoder that is an MLP."""
    prior_hidden: int = 128
    """Width of the skill prior."""
    prior_layers: int = 4
    """Hidden layers of the skill prior."""
    prior_dropout: float = 0.1
    """Share of the prior's hidden values that is set to 0 in training (the official code has none): the prior sees one
    latent per window and overfits long before the decoder does."""
    prior_components: int = 1
    """Gaussians that the skill prior mixes; 1 is a plain Gaussian, as in the paper."""
    normalisation: str = "batch"
    """Between the layers of decoder and prior: `none`, `batch` or `layer`."""
    standardise: bool = True
    """Whether observations are standardised by the training data (not in the official code)."""
    phase_input: bool = True
    """Whether the closed-loop decoder knows how much of the skill has passed, t/H (not in the official code). An
    operator who waits, or closes a hand, does so by time, which an observation does not show. Callers may withhold
    it."""
    picture_encoder: str = "pyramid"
    """What the skill prior sees pictures with, where it sees any: `pyramid` as in the official code, or `residual`, a
    deeper one whose training step takes almost twice as long."""
    picture_features: int = 32
    """Values that a picture becomes."""
    picture_width: int = 8
    """Channels after the first convolution; they double where the picture is halved."""

    def __post_init__(self) -> None:
        """Check names and sizes."""
        for name, known in (
            ("decoder", DECODERS),
            ("encoder", NETWORKS),
            ("open_loop_decoder", NETWORKS),
            ("normalisation", NORMALISATIONS),
            ("picture_encoder", PICTURE_ENCODERS),
        ):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} is '{getattr(self, name)}', expected one of {', '.join(known)}.")
        for name in (
            *("skill_horizon", "latent_size", "encoder_hidden", "encoder_layers", "decoder_hidden", "decoder_layers"),
            *("prior_hidden", "prior_layers", "prior_components"),
            *("picture_features", "picture_width"),
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least 1.")
        if not 0.0 <= self.prior_dropout < 1.0:
            raise ConfigError(f"prior_dropout is {self.prior_dropout}, expected 0 or more and less than 1.")


@dataclass(frozen=True)
class SkillTrainingConfig:
    """How the skill model is fitted."""

    steps: int = 6000
    """Gradient steps."""
    batch_size: int = 256
    """Windows per gradient step."""
    decoded_steps: int = 4
    """Control steps of each window that a closed-loop decoder is trained on, drawn anew each time; 0 for all H.

    The decoder sees one control step at a time, so a part of many windows tells more than all of a few.
    """
    unknown_phases: float = 0.2
    """Share of the windows in training whose phase is withheld, so that the decoder also works for callers without
    it."""
    learning_rate: float = 2e-3
    """Of AdamW at the beginning; it falls to 0 along a cosine."""
    weight_decay: float = 1e-4
    """Of AdamW."""
    gradient_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    joint_weights: str = "auto"
    """What a joint's error counts in the reconstruction: `equal` (as in the paper), `spread`, relative to how much that
    joint's actions vary in the training episodes, or `auto`: `spread` where joints have scales of their own."""
    beta: float = 2e-3
    """Weight of KL(q || N(0, I)), a mean over latent dimensions; the reconstruction is a mean over H and Da."""
    target_kl: float = 0.0
    """When above 0, beta is adjusted until KL(q || N(0, I)) is this many nats."""
    prior_loss: str = "nll"
    """`nll` of detached posterior samples (official code), or `kl` of the detached posterior (paper, equation 1)."""
    averaging: float = 0.999
    """Decay of the moving average of all weights that is evaluated and exported; 0 for the last weights."""
    validation_share: float = 0.05
    """Share of the episodes that is held out."""
    validation_every: int = 500
    """Gradient steps between two looks at the held-out episodes, each followed by a checkpoint."""
    picture_shift: int = 0
    """Pixels that pictures are moved by in training, at most, each time anew (not in the official code): their encoder
    overfits later."""
    seed: int = 0
    """Decides weights, batches, noise and the split."""
    robust: bool = False
    """Whether decoder and prior are trained on observations that err, and are as old, as in the task family's training
    disturbance, for a policy that withstands that (not in the official code)."""
    threads: int = 1
    """Of torch; another number can change the last bits of the result."""
    device: str = "cpu"
    """`cpu`, or a GPU that torch knows, such as `cuda`."""

    def __post_init__(self) -> None:
        """Check ranges."""
        for name, known in (("prior_loss", PRIOR_LOSSES), ("joint_weights", JOINT_WEIGHTS)):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} is '{getattr(self, name)}', expected one of {', '.join(known)}.")
        for name in ("steps", "batch_size", "validation_every", "threads"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least 1.")
        for name in ("learning_rate", "gradient_norm"):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected more than 0.")
        for name in ("decoded_steps", "weight_decay", "beta", "target_kl", "picture_shift"):
            if not getattr(self, name) >= 0.0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected 0 or more.")
        for name in ("averaging", "unknown_phases"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected 0 or more and less than 1.")


def official_model(decoder: str = "closed_loop") -> SkillModelConfig:
    """The official kitchen experiments' architecture (clvrai/spirl e74ad23), without their constant goal input."""
    return SkillModelConfig(
        decoder=decoder,
        encoder="lstm",
        encoder_hidden=128,
        open_loop_decoder="lstm",
        decoder_hidden=128,
        decoder_layers=6,
        prior_hidden=128,
        prior_layers=7,
        prior_dropout=0.0,
        normalisation="batch",
        standardise=False,
        phase_input=False,
    )
