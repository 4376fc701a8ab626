"""Collects a dataset from beginning to end: chains until there are enough, progress, interruption, storage."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from spirl_ros.demonstrations.collection import CollectionConfig, RecordedChain, outcomes
from spirl_ros.demonstrations.dataset import Dataset, dataset_digest
from spirl_ros.demonstrations.mapped_pictures import MappedPictures
from spirl_ros.demonstrations.storage import read_dataset, stored_digest, write_dataset
from spirl_ros.demonstrations.unfinished_collection import UnfinishedCollection
from spirl_ros.errors import DatasetError

_ENOUGH_TO_JUDGE = 50
_SMALLEST_KEPT_SHARE = 0.05


@dataclass(frozen=True)
class Amount:
    """How much is enough."""

    episodes: int = 640
    """At least so many episodes…"""
    steps: int = 130_000
    """…and at least so many control steps."""


@dataclass
class CollectionProgress:
    """What is there so far."""

    kept: list
    dropped: Counter
    simulated_steps: int = 0
    """Control steps, those of dropped chains included."""
    kept_steps: int = 0

    def take(self, outcome: RecordedChain) -> None:
        """Count one chain."""
        self.simulated_steps += outcome.steps
        if outcome.episode is None:
            self.dropped[outcome.dropped_because] += 1
        else:
            self.kept.append(outcome.episode)
            self.kept_steps += outcome.episode.steps

    def is_enough(self, amount: Amount) -> bool:
        """Whether there are as many episodes and steps as asked."""
        return len(self.kept) >= amount.episodes and self.kept_steps >= amount.steps


@dataclass(frozen=True)
class CollectionResult:
    """A dataset that was collected."""

    dataset: Dataset
    digest: str
    new_steps: int
    """Control steps that this run simulated, those of dropped chains included."""
    duration_s: float
    """Wall-clock time from the first of them to the last, the start of the workers included."""


def collect(
    folder: Path,
    config: CollectionConfig,
    amount: Amount,
    *,
    workers: int = 1,
    resume: bool = False,
    on_progress: Callable[[CollectionProgress], None] = lambda progress: None,
) -> CollectionResult:
    """Collect a dataset into `folder`. On KeyboardInterrupt, what is done waits beside it for `resume`.

    Args:
        folder: where the dataset appears when it is complete.
        config: what to collect.
        amount: how much.
        workers: processes.
        resume: go on with what an interrupted collection left; the result is the same as without interruption.
        on_progress: called after each chain.

    Raises:
        DatasetError: something is in the way, another process collects into the folder, or too few chains are of use.
    """
    unfinished_folder = folder.with_name(f"{folder.name}.unfinished")
    if folder.exists() and not unfinished_folder.exists():
        raise DatasetError(f"{folder} exists already. Choose another folder, or delete it first.")
    with UnfinishedCollection(unfinished_folder, config) as unfinished:
        if folder.exists() and not unfinished.was_begun:  # by another process, which has just finished it
            unfinished.delete()
            raise DatasetError(f"{folder} exists already. Choose another folder, or delete it first.")
        if unfinished.was_begun and not resume:
            raise DatasetError(f"{unfinished_folder} holds an interrupted collection. Add --resume, or delete it.")
        progress, pictures = CollectionProgress([], Counter()), MappedPictures(unfinished_folder)
        stored = unfinished.load(pictures)
        _take_until_enough(progress, amount, iter(stored), lambda outcome: None)
        if folder.exists():
            return _clean_up(folder, unfinished, progress)
        on_progress(progress)
        simulated_before, began_s = progress.simulated_steps, time.monotonic()

        def take_new(outcome: RecordedChain) -> None:
            unfinished.add(outcome)
            on_progress(progress)

        if not progress.is_enough(amount):
            try:
                with closing(outcomes(config, len(stored), workers)) as new:
                    kept = (_keep_pictures(outcome, pictures) for outcome in new)
                    _take_until_enough(progress, amount, kept, take_new)
            finally:
                unfinished.flush()
        duration_s = time.monotonic() - began_s
        origin = {**asdict(config), "chains": sum(progress.dropped.values()) + len(progress.kept)}
        origin |= {"dropped": dict(sorted(progress.dropped.items()))}
        dataset = Dataset(tuple(progress.kept), config.task, origin)
        digest = write_dataset(folder, dataset)
        unfinished.delete()
    return CollectionResult(dataset, digest, progress.simulated_steps - simulated_before, duration_s)


def _clean_up(folder: Path, unfinished: UnfinishedCollection, progress: CollectionProgress) -> CollectionResult:
    """A crash came after the dataset was complete and before what it was made from was removed: do that now."""
    digest = stored_digest(folder)
    if digest != dataset_digest(progress.kept):
        raise DatasetError(
            f"{folder} exists already, and it is not what {unfinished.folder} makes. Delete the one that you do "
            "not need."
        )
    unfinished.delete()
    return CollectionResult(read_dataset(folder), digest, new_steps=0, duration_s=0.0)


def _keep_pictures(outcome: RecordedChain, pictures: MappedPictures) -> RecordedChain:
    episode = outcome.episode
    return outcome if episode is None else replace(outcome, episode=pictures.keep_all(episode))


def _take_until_enough(
    progress: CollectionProgress,
    amount: Amount,
    source: Iterator[RecordedChain],
    on_outcome: Callable[[RecordedChain], None],
) -> None:
    """Take chains in order, and not one more than needed: how many were begun by then must not matter."""
    while not progress.is_enough(amount):
        outcome = next(source, None)
        if outcome is None:
            return
        progress.take(outcome)
        on_outcome(outcome)
        tried = len(progress.kept) + sum(progress.dropped.values())
        if tried >= _ENOUGH_TO_JUDGE and len(progress.kept) < _SMALLEST_KEPT_SHARE * tried:
            raise DatasetError(
                f"only {len(progress.kept)} of {tried} chains are of use (dropped: {dict(progress.dropped)}). "
                "Collect with less noise."
            )
