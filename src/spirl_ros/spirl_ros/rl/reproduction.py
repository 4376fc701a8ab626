"""What `spirl rl reproduce` runs: demonstrations, skills, every method and ablation on the kitchen's task."""

from dataclasses import dataclass
from pathlib import Path

from spirl_ros.errors import ConfigError


@dataclass(frozen=True)
class Variant:
    """One way to learn the task, the same for every seed."""

    name: str
    """Of its folder."""
    title: str
    """For people."""
    options: tuple[str, ...]
    """Of `spirl rl train`."""
    has_open_loop_skills: bool = False


ABLATION_STEPS = 20_000
"""Control steps of an ablation. Our recipe reaches its best within half of that."""


def _changed(*changes: str, method: str = "spirl") -> tuple[str, ...]:
    """Our recipe with some settings changed."""
    settings = (*changes, f"steps={ABLATION_STEPS}")
    return ("--preset", "best", "--method", method, *(part for change in settings for part in ("--set", change)))


_PAPER = ("--preset", "paper")
_FLAT = (*_PAPER, "--set", "updates_per_decision=0.1", "--set", "warm_up_decisions=1000")
"""Ten times as many decisions as with skills; as many updates per control step."""

METHODS = (
    Variant(
        "best", "our recipe: SPiRL with the demonstrations in the replay", ("--preset", "best", "--set", "steps=250000")
    ),
    Variant("spirl", "SPiRL, closed loop", _PAPER),
    Variant("spirl-open-loop", "SPiRL, open loop", _PAPER, has_open_loop_skills=True),
    Variant("ssp", "skill space without prior (SSP)", (*_PAPER, "--method", "ssp")),
    Variant("flat-prior", "flat prior", (*_FLAT, "--method", "flat-prior")),
    Variant("bc-sac", "behavioural cloning, then SAC", (*_FLAT, "--method", "bc-sac")),
    Variant("sac", "SAC", (*_FLAT, "--method", "sac")),
)
"""The paper's comparison, section 4.2, and ours first."""

ABLATIONS = (
    Variant("unchanged", "our recipe for as many steps", _changed()),
    Variant("divergence-10", "target divergence 10", _changed("target_divergence=10")),
    Variant("divergence-20", "target divergence 20", _changed("target_divergence=20")),
    Variant("random-start", "policy does not start from the prior", _changed(method="random-start")),
    Variant("warm-up-2000", "2,000 skills before the first update", _changed("warm_up_decisions=2000")),
    Variant("one-update", "1 update per skill", _changed("updates_per_decision=1")),
    Variant("four-updates", "4 updates per skill", _changed("updates_per_decision=4")),
    Variant("no-demonstrations", "no demonstrations in the replay", _changed("demos_in_replay=false")),
    Variant("no-progress", "policy does not see the progress", _changed("progress_input=false")),
    Variant("no-bounds", "critics without bounds", _changed("clamp_targets=false", "critic_layer_norm=false")),
    Variant("temperature-1", "temperature from 1", _changed("initial_temperature=1")),
    Variant("offline-1500", "1,500 updates before the first episode", _changed("offline_updates=1500")),
    Variant("tau-0.005", "target critics follow half as fast", _changed("tau=0.005")),
    Variant("float32", "critics in float32", _changed("critic_precision=float32")),
)
"""Our recipe with one thing changed, and for comparison without."""

TASKS = (
    Variant(
        "task-cabinets",
        "kettle, microwave, slide cabinet, hinge cabinet",
        ("--preset", "best", "--task", "kettle,microwave,slide_cabinet,hinge_cabinet", "--set", "steps=60000"),
    ),
    Variant(
        "task-burners",
        "microwave, top burner, bottom burner, slide cabinet",
        ("--preset", "best", "--task", "microwave,top_burner,bottom_burner,slide_cabinet", "--set", "steps=60000"),
    ),
)
"""Other target tasks from the same skills, without new demonstrations."""

VARIANTS = {variant.name: variant for variant in (*METHODS, *ABLATIONS, *TASKS)}


@dataclass(frozen=True)
class Reproduction:
    """A folder in which all of it is made."""

    folder: Path
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    jobs: int = 1
    """Seeds that learn side by side."""
    skills_preset: str = "full"
    steps: int | None = None
    """Control steps of each run; None for its preset's."""
    changes: tuple[str, ...] = ()
    """Settings changed in every run."""
    foundation_seed: int = 0
    """Of demonstrations and skills, which all seeds share."""

    @property
    def data(self) -> Path:
        """The demonstrations."""
        return self.folder / "data"

    def skills(self, is_open_loop: bool = False) -> Path:
        """A skill training."""
        return self.folder / ("skills_open_loop" if is_open_loop else "skills")

    def runs(self, variant: Variant) -> list[Path]:
        """The variant's runs, one for each seed."""
        return [self.folder / "rl" / variant.name / f"seed_{seed}" for seed in self.seeds]

    def commands(self) -> list[list[str]]:
        """Arguments of `spirl`, in order. What is there already goes on, and what is finished ends at once."""
        commands: list[list[str]] = []
        seed = ["--seed", str(self.foundation_seed)]
        if not self.data.exists():
            collect = ["demos", "collect", "--task", "kitchen", "--split", "mixed", "--out", str(self.data)]
            commands.append([*collect, *seed, "--workers", "2", "--resume"])
        for is_open_loop in sorted({variant.has_open_loop_skills for variant in self.variants}):
            train = ["skills", "train", "--out", str(self.skills(is_open_loop))]
            if self.skills(is_open_loop).exists():
                commands.append([*train, "--resume"])
                continue
            decoder = "open_loop" if is_open_loop else "closed_loop"
            preset = ["--preset", self.skills_preset, "--decoder", decoder]
            commands.append([*train, "--data", str(self.data), *preset, *seed])
        return commands + [self._learn(variant) for variant in self.variants]

    def _learn(self, variant: Variant) -> list[str]:
        folder = self.folder / "rl" / variant.name
        options = ["--skills", str(self.skills(variant.has_open_loop_skills)), "--data", str(self.data)]
        options += [*variant.options, "--out", str(folder), "--jobs", str(self.jobs)]
        options += ["--seeds", ",".join(str(seed) for seed in self.seeds)]
        options += [] if self.steps is None else ["--steps", str(self.steps)]
        options += [part for change in self.changes for part in ("--set", change)]
        return ["rl", "train", *options, *(["--resume"] if folder.exists() else [])]


def chosen_variants(names: str | None) -> tuple[Variant, ...]:
    """Variants by name, separated by commas; None for all. Raises ConfigError."""
    if names is None:
        return tuple(VARIANTS.values())
    for name in names.split(","):
        if name not in VARIANTS:
            raise ConfigError(f"there is no '{name}', expected some of {', '.join(VARIANTS)}.")
    return tuple(VARIANTS[name] for name in names.split(","))
