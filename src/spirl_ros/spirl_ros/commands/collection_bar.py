"""Progress bar of a collection."""

import sys

from tqdm import tqdm

from spirl_ros.demonstrations.collect import Amount, CollectionProgress


class CollectionBar:
    """Shows episodes kept, rate and time left. What an earlier run stored is no part of the rate."""

    def __init__(self, amount: Amount) -> None:
        """Wait for the first progress: only then it is known how much was stored."""
        self._amount = amount
        self._bar: tqdm | None = None
        self.episodes = 0
        """Episodes kept so far."""

    def __enter__(self) -> "CollectionBar":
        """Nothing is drawn yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Draw the last state."""
        self.close()

    def show(self, progress: CollectionProgress) -> None:
        """Draw; called after each chain, and once before the first."""
        self.episodes = len(progress.kept)
        if self._bar is None:
            seconds_between_prints = 0.2 if sys.stderr.isatty() else 10.0
            self._bar = tqdm(
                total=self._amount.episodes,
                initial=self.episodes,
                unit="episode",
                mininterval=seconds_between_prints,
            )
        if progress.kept:
            needed_for_steps = -(-self._amount.steps * self.episodes // progress.kept_steps)
            self._bar.total = max(self._amount.episodes, needed_for_steps)
        self._bar.set_postfix(steps=progress.kept_steps, dropped=sum(progress.dropped.values()), refresh=False)
        self._bar.update(self.episodes - self._bar.n)

    def close(self) -> None:
        """Draw the last state and end the line."""
        if self._bar is not None:
            self._bar.close()
