"""Tables and curves of a reproduction, as Markdown beside a PNG."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from spirl_ros.plotting import write_figures
from spirl_ros.rl.learning_curve import (
    LearningCurve,
    mean_and_spread,
    read_kept_curve,
    read_learning_curve,
    write_kept_curve,
)
from spirl_ros.rl.reproduction import ABLATIONS, METHODS, TASKS, Reproduction, Variant
from spirl_ros.rl.run import RlRun
from spirl_ros.training_folder import METRICS_FILE

CURVES = "learning_curves"
KEPT_FOLDER = "curves"
_THRESHOLDS = (2.5, 3.0, 3.5)
_PAPER_ROWS = (
    ("SPiRL, closed loop", "2.45 at 0.2 M, 2.6 at 0.32 M, 2.95 at 1.3 M"),
    ("SPiRL, open loop", "1.4 at 0.4 M, 2.7 at 1.3 M"),
    ("flat prior", "1.1 at 1.3 M"),
    ("skill space without prior (SSP)", "0.9 at 1.3 M"),
    ("behavioural cloning, then SAC", "0.6 at 1.3 M"),
    ("SAC", "0.2 at 1.3 M"),
)
"""Read off figure 4 of Pertsch et al. 2020, and figure 10 for the closed loop."""
_SET_UP = """In the paper a person demonstrates (D4RL's kitchen-mixed) and the observation includes the constant
goal. Here a scripted operator demonstrates; as in D4RL's data, no episode completes the four target subtasks
together. *In order* is what is rewarded: a subtask counts once all before it are done. *Any order* counts every
target subtask. An evaluation takes the mean action; training episodes sample. All methods but our recipe make one
update per 10 control steps, with or without skills. Figures are means ± standard deviations over seeds; minutes are
wall-clock time with the seeds of a row side by side.
Up to commit 8b267ab all evaluations of a run used the same ten episodes; since then each uses others. Figures depend
on the machine: torch's products in float32 differ between processors in their last bits, and after some thousand
updates so do policies. The same machine, versions and number of threads repeat a run to the last bit."""
_OFFICIAL = """The official code (clvrai/spirl e74ad23) on demonstrations of our operator, one seed, with skills
trained for 6,000 of its 500,000 steps, reached 0.05 in order at 0.2 M environment steps, 1.0 at 0.3 M, and never more
than 2."""


def write_report(reproduction: Reproduction, path: Path) -> list[Path]:
    """Write what is there so far: `path`, and the curves beside it.

    Every run's curve is kept in a small file beside the report. Runs whose folders are gone are reported from these.

    Raises:
        PlotError: the disk refuses.
        TrainingError: a kept file cannot be read.
    """
    kept = path.parent / KEPT_FOLDER
    _keep_curves(reproduction, kept)
    entries = {variant.name: _entries(reproduction, variant, kept) for variant in reproduction.variants}
    found = {name: [curve for curve, _ in ours] for name, ours in entries.items()}
    groups = (("Methods", METHODS), ("Ablations of our recipe", ABLATIONS), ("Other target tasks, same skills", TASKS))
    lines = ["# Results in the kitchen", "", f"Made by `spirl rl reproduce kitchen`. {_SET_UP}", ""]
    figures: dict[str, Callable[[], Figure]] = {}
    for title, variants in groups:
        shown = [(variant, found[variant.name]) for variant in variants if found.get(variant.name)]
        if not shown:
            continue
        lines += [f"## {title}", "", *_table(shown), ""]
        if variants is METHODS:
            figures[CURVES] = lambda shown=shown: draw_variants(shown)
            lines += [f"![learning curves]({CURVES}.png)", "", *_paper_table(), "", _OFFICIAL, ""]
    lines += ["## What was run", "", *_origins(reproduction, entries), ""]
    pictures = write_figures(figures, path.parent)
    temporary = path.with_suffix(".writing")
    temporary.write_text("\n".join(lines), encoding="utf-8")
    temporary.rename(path)
    return [path, *pictures]


def draw_variants(variants: Sequence[tuple[Variant, Sequence[LearningCurve]]]) -> Figure:
    """Subtasks completed in order over control steps, mean of 20 episodes; the band is one standard deviation."""
    figure = Figure(figsize=(8.0, 4.8), layout="constrained")
    axes = figure.subplots()
    for variant, curves in variants:
        means = [(curve.steps[len(curve.steps) - len(curve.recent()) :], curve.recent()) for curve in curves]
        means = [(steps, values) for steps, values in means if len(values)]
        if not means:
            continue
        first, last = max(steps[0] for steps, _ in means), min(steps[-1] for steps, _ in means)
        grid = np.linspace(first, last, 300)
        values = np.array([np.interp(grid, steps, recent) for steps, recent in means])
        mean, spread = values.mean(0), values.std(0, ddof=1) if len(values) > 1 else np.zeros(len(grid))
        (line,) = axes.plot(
            grid / 1000.0,
            mean,
            label=f"{variant.title} ({len(values)} {'seed' if len(values) == 1 else 'seeds'})",
            linewidth=1.4,
        )
        axes.fill_between(
            grid / 1000.0, mean - spread, mean + spread, color=line.get_color(), alpha=0.18, linewidth=0.0
        )
    axes.set(
        xlabel="thousand control steps",
        ylabel="target subtasks in order",
        ylim=(-0.05, 4.05),
        title="Learning the kitchen's target task: training episodes, mean of 20 and of seeds",
    )
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def _keep_curves(reproduction: Reproduction, folder: Path) -> None:
    for variant in reproduction.variants:
        for run in reproduction.runs(variant):
            if not (run / METRICS_FILE).is_file():
                continue
            curve, config = read_learning_curve(run / METRICS_FILE), RlRun.open(run).config
            origin = {
                "commit": config.commit[:10],
                "skills": config.skills.weights_digest[:12] if config.skills else "",
            }
            origin["steps"] = str(config.training.steps)
            if len(curve.steps):
                write_kept_curve(_kept(folder, variant, run), curve, origin)


def _entries(reproduction: Reproduction, variant: Variant, kept: Path) -> list[tuple[LearningCurve, dict[str, str]]]:
    paths = [_kept(kept, variant, run) for run in reproduction.runs(variant)]
    return [read_kept_curve(path) for path in paths if path.is_file()]


def _kept(folder: Path, variant: Variant, run: Path) -> Path:
    return folder / variant.name / f"{run.name}.csv"


def _table(shown: Sequence[tuple[Variant, Sequence[LearningCurve]]]) -> list[str]:
    thresholds = " | ".join(f"steps to {value}" for value in _THRESHOLDS)
    lines = [
        f"| | seeds | steps | in order, last 20 | any order, last 20 | best evaluation | {thresholds} | minutes to "
        "3.5 | last 50 below best 50 |",
        "|---" * (9 + len(_THRESHOLDS)) + "|",
    ]
    for variant, curves in shown:
        reached = [[curve.reaches(value)[0] / 1000.0 for curve in curves] for value in _THRESHOLDS]
        cells = [
            variant.title,
            str(len(curves)),
            _step_range([curve.steps[-1] for curve in curves]),
            mean_and_spread([curve.last()[0] for curve in curves]),
            mean_and_spread([curve.last()[1] for curve in curves]),
            mean_and_spread([curve.evaluations[:, 1].max(initial=0.0) for curve in curves]),
            *(_thousands(steps) for steps in reached),
            mean_and_spread([curve.reaches(3.5)[1] / 60.0 for curve in curves]),
            mean_and_spread([curve.drop() for curve in curves]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _step_range(last_steps: Sequence[float]) -> str:
    """How far the seeds are, which is not the same while some of them still learn."""
    shortest, longest = (f"{step / 1000.0:.0f}" for step in (min(last_steps), max(last_steps)))
    return f"{shortest} k" if shortest == longest else f"{shortest} to {longest} k"


def _thousands(values: Sequence[float]) -> str:
    text = mean_and_spread(values)
    return text if not np.isfinite(values).all() else f"{text} k"


def _paper_table() -> list[str]:
    lines = ["| in the paper (subtasks at environment steps) | |", "|---|---|"]
    return lines + [f"| {name} | {values} |" for name, values in _PAPER_ROWS]


def _origins(reproduction: Reproduction, entries: dict[str, list[tuple[LearningCurve, dict[str, str]]]]) -> list[str]:
    """What made each row."""
    lines = []
    for variant in reproduction.variants:
        if entries[variant.name]:
            of_all = [origin for _, origin in entries[variant.name]]
            text = "; ".join(
                f"{name} {', '.join(sorted({origin[name] for origin in of_all}))}"
                for name in ("steps", "commit", "skills")
            )
            lines.append(f"- {variant.title}: `spirl rl train {' '.join(variant.options)}`, {text}")
    return lines
