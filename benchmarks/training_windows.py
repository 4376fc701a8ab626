"""How fast a dataset is loaded and training windows are drawn from it, and how much memory that takes."""

import resource
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.figures import Figures
from benchmarks.machine import Machine
from spirl_ros.demonstrations.skill_windows import SkillWindows
from spirl_ros.demonstrations.storage import read_dataset

BATCHES = (128, 256, 1024)
HORIZON = 10
_WINDOWS_A_ROUND = 20_000


@dataclass(frozen=True)
class WindowFigures(Figures):
    """The result."""

    steps: int
    """Control steps of the dataset."""
    load_s: float
    """From the folder to windows that can be drawn, the digest's check included [s]."""
    peak_mb: float
    """Largest memory of this process, the loaded Python packages included [MB]."""
    windows_per_s: dict[int, float]
    """By batch size, the median over the rounds."""
    machine: dict[str, object]

    def rows(self) -> list[str]:
        """A line for each size of a batch."""
        lines = [f"| windows of {HORIZON} control steps | per second |", "|---|---|"]
        return lines + [f"| batches of {batch} | {rate:,.0f} |" for batch, rate in self.windows_per_s.items()]

    def note(self) -> str:
        """What else was measured."""
        return f"{self.steps} control steps loaded in {self.load_s:.1f} s; {self.peak_mb:.0f} MB at most"


def measure_windows(folder: Path, rounds: int) -> WindowFigures:
    """Load a dataset, and draw windows of each batch size in turn.

    Raises:
        DatasetError: no dataset of ours.
    """
    machine, began_s = Machine("numpy", "h5py"), time.monotonic()
    dataset = read_dataset(folder)
    windows = SkillWindows(dataset.episodes, HORIZON)
    load_s = time.monotonic() - began_s
    generator = np.random.default_rng(0)
    rates: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    for _ in range(rounds):
        for batch, measured in rates.items():
            draws = _WINDOWS_A_ROUND // batch
            began_s = time.perf_counter()
            for _ in range(draws):
                windows.draw(batch, generator)
            measured.append(draws * batch / (time.perf_counter() - began_s))
    return WindowFigures(
        dataset.steps,
        load_s,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        {batch: statistics.median(measured) for batch, measured in rates.items()},
        machine.as_dict(),
    )
