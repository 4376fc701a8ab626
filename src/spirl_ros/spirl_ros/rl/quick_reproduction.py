"""What `spirl rl reproduce kitchen --quick` runs, from nothing to one policy, and what it remembers between calls."""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spirl_ros.errors import TrainingError
from spirl_ros.rl.evaluation import EvaluationSettings, evaluate_bundle
from spirl_ros.rl.policy_bundle import exported_policy
from spirl_ros.rl.reproduction import METHODS, Reproduction
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
            self.folder, METHODS[:1], seeds=(0,), skills_preset="quick", steps=self.steps, changes=self.changes
        )

    @property
    def run_folder(self) -> Path:
        """Where the task is learned."""
        return self.reproduction.runs(METHODS[0])[0]

    @property
    def is_done(self) -> bool:
        """Is the policy of a finished run evaluated."""
        has_run = (self.run_folder / METRICS_FILE).is_file()
        return has_run and EVALUATION in self.record() and RlRun.open(self.run_folder).is_finished

    def record(self) -> dict[str, Any]:
        """Seconds of each stage, all calls together, and the last evaluation, as far as they are known.

        Raises:
            TrainingError: the file cannot be read.
        """
        path = self.folder / RECORD_FILE
        try:
            record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"seconds": {}}
            return {**record, "seconds": dict(record["seconds"])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{path} cannot be used: {error!r}. Delete it to measure again.") from error

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
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        temporary.rename(path)
