"""One row about a policy that was made from nothing: how good it is in other episodes, and how long it took."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from spirl_ros.errors import TrainingError
from spirl_ros.plotting import write_figures
from spirl_ros.rl.learning_curve import read_learning_curve
from spirl_ros.rl.quick_reproduction import EVALUATION, STAGES, QuickReproduction
from spirl_ros.rl.reproduction import METHODS
from spirl_ros.rl.results_report import CURVES, draw_learning_curves
from spirl_ros.rl.run import RlRun
from spirl_ros.rl.training import GOOD_EVALUATIONS
from spirl_ros.training_folder import METRICS_FILE


def write_quick_report(quick: QuickReproduction, path: Path) -> list[Path]:
    """Write the row to `path`, and the learning curve beside it.

    Raises:
        PlotError: the disk refuses.
        TrainingError: nothing was learned yet.
    """
    if not (quick.run_folder / METRICS_FILE).is_file():
        raise TrainingError(f"{quick.run_folder} is not there yet. Leave --report-only out to make it.")
    curve = read_learning_curve(quick.run_folder / METRICS_FILE)
    text = "\n".join(["# From nothing to a policy", "", _explanation(quick), "", *quick_table(quick), ""])
    figures: dict[str, Callable[[], Figure]] = {}
    if len(curve.steps):
        figures[CURVES] = lambda: draw_learning_curves([(METHODS[0], [curve])])
        text += f"\n![learning curve]({CURVES}.png)\n"
    pictures = write_figures(figures, path.parent)
    temporary = path.with_suffix(".writing")
    temporary.write_text(text, encoding="utf-8")
    temporary.rename(path)
    return [path, *pictures]


def quick_table(quick: QuickReproduction) -> list[str]:
    """The row, below what its columns are."""
    evaluations = [row for row in RlRun.open(quick.run_folder).metrics() if row["part"] == "evaluation"]
    record = quick.record()
    figures: Mapping[str, Any] | None = record.get(EVALUATION)
    minutes = [record["seconds"].get(stage, 0.0) / 60.0 for stage in (*STAGES.values(), EVALUATION)]
    last = ", ".join(f"{row['ordered']:.2f}" for row in evaluations[-GOOD_EVALUATIONS:])
    cells = [
        f"{evaluations[-1]['step']:,}" if evaluations else "0",
        last or "none yet",
        "not yet" if figures is None else f"{figures['ordered_mean']:.2f} ± {figures['ordered_sem']:.2f}",
        " + ".join(f"{value:.1f}" for value in minutes) + f" = {sum(minutes):.1f}",
    ]
    return [
        f"| control steps | last {GOOD_EVALUATIONS} evaluations | {quick.episodes} other episodes, mean ± standard error | "
        "minutes: demonstrations + skills + task + evaluation |",
        "|---|---|---|---|",
        f"| {' | '.join(cells)} |",
    ]


def _explanation(quick: QuickReproduction) -> str:
    return (
        f"Made by `spirl rl reproduce kitchen --quick`: one seed of our recipe with {', '.join(quick.changes)}. It ends after "
        f"{GOOD_EVALUATIONS} evaluations in a row that reach stop_at, each of other episodes, or after {quick.steps:,} control "
        "steps. Figures are target subtasks completed in order with the mean action. Minutes are wall-clock time on this machine, "
        "interrupted calls included."
    )
