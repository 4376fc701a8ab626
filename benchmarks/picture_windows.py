"""How fast demonstrations with pictures are read and windows drawn from them, and how much memory that takes."""

import statistics
import time
import tracemalloc
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.figures import Figures
from benchmarks.machine import Machine
from benchmarks.random_episodes import random_episode
from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.skill_windows import SkillWindows
from spirl_ros.demonstrations.storage import DATA_FILE, read_dataset, write_dataset

BATCH_SIZE, HORIZON = 128, 10
_EPISODE = 200
"""Pictures of an episode."""
_DIFFERENT = 10
"""Episodes whose pictures are made; the others show the same, so that making them takes little memory."""
_DRAWS_A_ROUND = 20
_VIEW = Field("view", (64, 64, 3), PICTURE, source="front_camera")


@dataclass(frozen=True)
class PictureFigures(Figures):
    """The result."""

    pictures: int
    """Pictures of the dataset."""
    file_mb: float
    """Size of its file [MB]."""
    read_per_s: float
    """Pictures per second from the file to windows that can be drawn, the digest's check included."""
    drawn_per_s: float
    """Pictures per second in batches of windows, the median over the rounds."""
    memory_bytes: float
    """Memory at most while it is read, states and actions included, for each picture [bytes]."""
    machine: dict[str, object]

    def rows(self) -> list[str]:
        """A line for each figure."""
        size = " x ".join(map(str, _VIEW.shape))
        return [
            f"| {self.pictures:,} pictures of {size} | per second |",
            "|---|---|",
            f"| read, digest checked | {self.read_per_s:,.0f} |",
            f"| drawn, batches of {BATCH_SIZE} windows | {self.drawn_per_s:,.0f} |",
        ]

    def note(self) -> str:
        """What else was measured."""
        return (
            f"a file of {self.file_mb:.0f} MB; {self.memory_bytes:,.0f} bytes of memory at most for each picture of "
            f"{np.prod(_VIEW.shape):,}"
        )


def measure_pictures(rounds: int, pictures: int = 100_000) -> PictureFigures:
    """Write a dataset of so many pictures, in episodes of 200, read it, and draw windows from it."""
    machine = Machine("numpy", "h5py")
    with TemporaryDirectory(prefix="spirl_bench_") as parent:
        folder = Path(parent, "pictures")
        write_dataset(folder, Dataset(tuple(_seeing_episodes(pictures // _EPISODE)), "kitchen"))
        file_mb = (folder / DATA_FILE).stat().st_size / 1e6
        tracemalloc.start()
        began_s = time.perf_counter()
        windows = SkillWindows(read_dataset(folder).episodes, HORIZON)
        read_s = time.perf_counter() - began_s
        _, memory_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    generator, rates = np.random.default_rng(0), []
    for _ in range(rounds):
        began_s = time.perf_counter()
        drawn = sum(len(windows.draw(BATCH_SIZE, generator).fields[_VIEW.name]) for _ in range(_DRAWS_A_ROUND))
        rates.append(drawn / (time.perf_counter() - began_s))
    count = pictures // _EPISODE * _EPISODE
    return PictureFigures(
        count, file_mb, count / read_s, statistics.median(rates), memory_bytes / count, machine.as_dict()
    )


def _seeing_episodes(count: int) -> list[Episode]:
    """Random episodes of pictures as a renderer draws them: a scene of flat colours that passes by."""
    shown = []
    for seed in range(min(count, _DIFFERENT)):
        scene = np.random.default_rng(seed).integers(256, size=(8, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        pictures = np.stack([np.roll(scene, (step, step // 3), (0, 1)) for step in range(_EPISODE)])
        pictures.flags.writeable = False
        shown.append(pictures)
    plain = [random_episode(seed, _EPISODE - 1) for seed in range(count)]
    return [
        replace(
            episode,
            metadata=replace(episode.metadata, more_fields=(_VIEW,)),
            fields={_VIEW.name: shown[index % len(shown)]},
        )
        for index, episode in enumerate(plain)
    ]
