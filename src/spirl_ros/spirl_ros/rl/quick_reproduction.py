"""`spirl rl reproduce kitchen --quick`: from nothing to a policy, what is kept between calls, and a row about it."""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from spirl_ros.errors import TrainingError
from spirl_ros.plotting import write_figures
from spirl_ros.rl.config import GOOD_EVALUATIONS
from spirl_ros.rl.evaluation import EvaluationSettings, evaluate_bundle
from spirl_ros.rl.learning_curve import read_learning_curve
from spirl_ros.rl.policy_bundle import exported_policy
from spirl_ros.rl.reproduction import METHODS, Reproduction
from spirl_ros.rl.results_report import CURVES, draw_variants
from spirl_ros.rl.run import RlRun
from spirl_ros.training_folder import METRICS_FILE

RECORD_FILE = "quick.json"
STAGES = {"demos": "demonstrations", "skills": "skills", "rl": "task"}
"""What each command of `spirl` is for."""
EVALUATION = "evaluation"


@dataclass(frozen=True)
class QuickReproduction:
    """One seed of our recipe in a folder of its own, and what is remembered of it between calls."""

    folder: Path
    seed: int = 0
    """Of demonstrations, skills and task."""
    changes: tuple[str, ...] = ("evaluate_every=2500", "evaluation_episodes=20", "stop_at=3.9")
    """Of our recipe: it ends after two evaluations in a row that complete so many subtasks in order."""
    steps: int = 60_000
    """Control steps after which it ends in any case."""
    episodes: int = 50
    """Other episodes that the policy is evaluated in at the end."""

    @property
    def reproduction(self) -> Reproduction:
        """Demonstrations, skills and task, as commands."""
        return Reproduction(
            self.folder,
            METHODS[:1],
            seeds=(self.seed,),
            skills_preset="quick",
            steps=self.steps,
            changes=self.changes,
            foundation_seed=self.seed,
        )

    @property
    def run_folder(self) -> Path:
        """Where the task is learned."""
        return self.reproduction.runs(METHODS[0])[0]

    @property
    def is_done(self) -> bool:
        """Whether the policy of a finished run is evaluated."""
        has_run = (self.run_folder / METRICS_FILE).is_file()
        return has_run and EVALUATION in self.record() and RlRun.open(self.run_folder).is_finished

    def record(self) -> dict[str, Any]:
        """Seconds of each stage, all calls together, and the last evaluation, as far as they are known.

        Raises:
            TrainingError: the file cannot be read, or is about another seed.
        """
        path = self.folder / RECORD_FILE
        try:
            record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"seconds": {}}
            record = {"seed": 0, **record, "seconds": dict(record["seconds"])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{path} cannot be used: {error!r}. Delete it to measure again.") from error
        if path.is_file() and record["seed"] != self.seed:
            raise TrainingError(
                f"{self.folder} was begun with seed {record['seed']}, but {self.seed} is asked for. Choose another "
                f"--out, or --seeds {record['seed']}."
            )
        return record

    def add_seconds(self, stage: str, seconds: float) -> None:
        """Remember how long a stage took, also one that was interrupted."""
        record = self.record()
        record["seconds"][stage] = record["seconds"].get(stage, 0.0) + seconds
        record.pop(EVALUATION, None)  # it was of an earlier policy
        self._write(record)

    def evaluate(self, clock: Callable[[], float]) -> None:
        """Run other episodes with the best policy, as `spirl rl eval` does, and remember what came out."""
        began_s = clock()
        with tempfile.TemporaryDirectory() as folder:
            bundle = exported_policy(self.run_folder, Path(folder) / "bundle")
            figures = evaluate_bundle(bundle, EvaluationSettings(episodes=self.episodes))
        self.add_seconds(EVALUATION, clock() - began_s)
        self._write({**self.record(), EVALUATION: figures})

    def _write(self, record: Mapping[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / RECORD_FILE
        temporary = path.with_suffix(".writing")
        temporary.write_text(json.dumps({**record, "seed": self.seed}, indent=2) + "\n", encoding="utf-8")
        temporary.rename(path)


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
        figures[CURVES] = lambda: draw_variants([(METHODS[0], [curve])])
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
        f"| control steps | last {GOOD_EVALUATIONS} evaluations | {quick.episodes} other episodes, mean ± standard "
        "error | minutes: demonstrations + skills + task + evaluation |",
        "|---|---|---|---|",
        f"| {' | '.join(cells)} |",
    ]


def _explanation(quick: QuickReproduction) -> str:
    return (
        f"Made by `spirl rl reproduce kitchen --quick --seeds {quick.seed}`: our recipe with "
        f"{', '.join(quick.changes)}. It "
        f"ends after {GOOD_EVALUATIONS} evaluations in a row that reach stop_at, each of other episodes, or after "
        f"{quick.steps:,} control "
        "steps. Figures are target subtasks completed in order with the mean action. Minutes are wall-clock time "
        "on this machine, interrupted calls included."
    )
