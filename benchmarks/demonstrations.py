"""Demonstrations: collecting, reading and drawing windows of them, and whether more of them make a window dearer."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.interleaved import Comparison, compare
from benchmarks.machine import Machine
from benchmarks.random_episodes import random_episode
from spirl_ros.demonstrations.collection import CollectionConfig, outcomes
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.skill_windows import SkillWindows
from spirl_ros.demonstrations.storage import read_dataset, write_dataset

EPISODES = (10, 100, 1000)
"""Sizes of datasets."""
BATCH_SIZE, HORIZON = 128, 10
_STORED_EPISODES = 50
_CHAINS_PER_WORKER = 12


def compare_reading(rounds: int) -> Comparison:
    """Steps read per second from a dataset of 50 episodes: ours checks the digest, Minari only hands out the arrays.

    Raises:
        ModuleNotFoundError: minari is not installed.
    """
    from minari import MinariDataset

    machine = Machine("minari", "h5py", "numpy")
    dataset = Dataset(tuple(random_episode(seed) for seed in range(_STORED_EPISODES)), "kitchen", {})
    with TemporaryDirectory(prefix="spirl_bench_") as parent:
        folder = Path(parent, "random")
        write_dataset(folder, dataset)

        def ours() -> int:
            return read_dataset(folder).steps

        def peer() -> int:
            return sum(len(episode.actions) for episode in MinariDataset(folder).iterate_episodes())

        return compare({"minari": peer, "ours, digest checked": ours}, "minari", "steps read/s", rounds, machine)


def compare_windows(rounds: int) -> Comparison:
    """Training windows per second, drawn from 10, 100 and 1000 episodes; the peer is a DataLoader of torch over 100."""
    import torch
    from torch.utils.data import DataLoader

    torch.set_num_threads(1)
    machine = Machine("torch", "numpy", threads=1)
    episodes = [random_episode(seed) for seed in range(max(EPISODES))]
    name = f"torch DataLoader, {EPISODES[1]} episodes"
    loader = DataLoader(
        [(e.observations.astype(np.float32), e.actions.astype(np.float32)) for e in episodes[: EPISODES[1]]],  # type: ignore[arg-type]
        batch_size=BATCH_SIZE,
        collate_fn=_Windows(HORIZON),
        sampler=torch.utils.data.RandomSampler(range(EPISODES[1]), replacement=True, num_samples=10**9),
    )
    contestants: dict[str, Callable[[], int]] = {name: _batches(iter(loader), batches=5)}
    for count in EPISODES:
        contestants[f"ours, {count} episodes"] = _draws(SkillWindows(episodes[:count], HORIZON), draws=50)
    return compare(contestants, name, "windows drawn/s", rounds, machine)


def compare_collection(rounds: int, workers: list[int]) -> Comparison:
    """Control steps per second that the scripted operator collects, start and end of the worker processes included."""
    machine = Machine("mujoco", "numpy")

    def collect(count: int) -> int:
        with closing(outcomes(CollectionConfig(), 0, count)) as source:
            return sum(outcome.steps for outcome in islice(source, _CHAINS_PER_WORKER * count))

    names = {count: f"{count} worker{'s' * (count > 1)}" for count in workers}
    contestants = {name: lambda count=count: collect(count) for count, name in names.items()}
    return compare(contestants, names[workers[0]], "steps collected/s", rounds, machine)


class _Windows:
    """Cuts a window out of each episode of a batch, as a dataset of torch does that hands out one at a time."""

    def __init__(self, horizon: int) -> None:
        self._horizon, self._generator = horizon, np.random.default_rng(0)

    def __call__(self, episodes: list[tuple[np.ndarray, np.ndarray]]):
        from torch.utils.data import default_collate

        windows = []
        for observations, actions in episodes:
            begin = self._generator.integers(len(actions) - self._horizon + 1)
            windows.append((observations[begin : begin + self._horizon + 1], actions[begin : begin + self._horizon]))
        return default_collate(windows)


def _batches(source: Iterator, batches: int) -> Callable[[], int]:
    def draw() -> int:
        return sum(len(actions) for _, actions in islice(source, batches))

    return draw


def _draws(windows: SkillWindows, draws: int) -> Callable[[], int]:
    generator = np.random.default_rng(0)

    def draw() -> int:
        return sum(len(windows.draw(BATCH_SIZE, generator).actions) for _ in range(draws))

    return draw
