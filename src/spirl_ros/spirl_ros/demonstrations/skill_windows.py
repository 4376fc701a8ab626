"""Draws training windows of H control steps from episodes, many at once, never across an episode's end."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from spirl_ros.demonstrations.episode import Episode
from spirl_ros.errors import ConfigError, DatasetError


class WindowBatch(NamedTuple):
    """B windows of H control steps."""

    observations: np.ndarray
    """(B, H+1, Do): the one that each action was chosen on, and the one after the last."""
    actions: np.ndarray
    """(B, H, Da), as intended."""
    fields: Mapping[str, np.ndarray] = MappingProxyType({})
    """By name, what was observed beside the state at the first step of each window: (B, …) in its own type."""


class SkillWindows:
    """All windows of some episodes.

    States and actions are copied into one long array; fields beside the state stay where the episodes have them, so
    that no picture is in memory twice. Episodes shorter than H are left out. Draws an episode uniformly, then a start
    within it, as the official code does (Pertsch et al. 2020). Reading is safe from several threads.
    """

    def __init__(self, episodes: Sequence[Episode], horizon: int, dtype: type = np.float32) -> None:
        """Copy the episodes' states and actions.

        Args:
            episodes: what to draw from.
            horizon: control steps H of a window.
            dtype: type of the states and actions that are kept and returned.

        Raises:
            ConfigError: no horizon.
            DatasetError: no episode is long enough, or they have different fields.
        """
        if horizon < 1:
            raise ConfigError(f"horizon is {horizon}, expected at least 1 control step.")
        used = [episode for episode in episodes if episode.steps >= horizon]
        if not used:
            longest = max((episode.steps for episode in episodes), default=0)
            raise DatasetError(f"no episode has {horizon} control steps, the longest has {longest}. Lower the horizon.")
        self.horizon = horizon
        steps = np.array([episode.steps for episode in used])
        # Row r holds an observation and the action chosen on it; an episode's last observation has no action.
        self._first_row = np.cumsum([0, *(steps + 1)])[:-1]
        self._starts = steps - horizon + 1  # possible starts per episode
        self._observations = np.concatenate([episode.observations for episode in used]).astype(dtype)
        unused = np.zeros((1, used[0].actions.shape[1]))
        self._actions = np.concatenate([part for e in used for part in (e.actions, unused)]).astype(dtype)
        self._within = np.arange(horizon + 1)
        names = list(used[0].fields)
        for episode in used:
            if list(episode.fields) != names:
                found, expected = (", ".join(one) or "none" for one in (episode.fields, names))
                raise DatasetError(f"an episode has the fields {found}, another one {expected}, expected the same.")
        self._fields = {name: [episode.fields[name] for episode in used] for name in names}

    @property
    def count(self) -> int:
        """How many different windows there are."""
        return int(self._starts.sum())

    def draw(self, batch_size: int, generator: np.random.Generator) -> WindowBatch:
        """Draw `batch_size` windows with replacement."""
        episode = generator.integers(len(self._starts), size=batch_size)  # (B,)
        rows = self._first_row[episode] + generator.integers(self._starts[episode])  # (B,)
        return self._at(rows)

    def all(self, batch_size: int = 4096):
        """Every window once, in order, in batches: for validation."""
        rows = np.concatenate([first + np.arange(n) for first, n in zip(self._first_row, self._starts, strict=True)])
        for begin in range(0, len(rows), batch_size):
            yield self._at(rows[begin : begin + batch_size])

    def _at(self, rows: np.ndarray) -> WindowBatch:
        within = rows[:, None] + self._within  # (B, H+1)
        return WindowBatch(self._observations[within], self._actions[within[:, :-1]], self._fields_at(rows))

    def _fields_at(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Values of every field at some rows (B,)."""
        if not self._fields:
            return {}
        episodes = np.searchsorted(self._first_row, rows, side="right") - 1
        where = list(zip(episodes.tolist(), (rows - self._first_row[episodes]).tolist(), strict=True))
        drawn = {}
        for name, values in self._fields.items():
            drawn[name] = np.empty((len(rows), *values[0].shape[1:]), values[0].dtype)
            for index, (episode, step) in enumerate(where):
                drawn[name][index] = values[episode][step]
        return drawn


def split_episodes(
    episodes: Sequence[Episode], validation_share: float, generator: np.random.Generator
) -> tuple[list[Episode], list[Episode]]:
    """Split whole episodes at random into those for training and those for validation.

    Both parts have at least one episode, unless `validation_share` is 0.

    Raises:
        ConfigError: the share is not in [0, 1), or there are too few episodes.
    """
    if not 0.0 <= validation_share < 1.0:
        raise ConfigError(f"validation_share is {validation_share}, expected 0 or more and less than 1.")
    held_out = 0
    if validation_share > 0.0:
        if len(episodes) < 2:
            raise ConfigError(
                f"there is {len(episodes)} episode, expected at least 2 to split off some for validation."
            )
        held_out = min(max(1, round(validation_share * len(episodes))), len(episodes) - 1)
    order = generator.permutation(len(episodes))
    return [episodes[i] for i in sorted(order[held_out:])], [episodes[i] for i in sorted(order[:held_out])]
