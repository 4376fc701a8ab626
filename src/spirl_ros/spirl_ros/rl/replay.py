"""The replay buffer: the newest transitions, drawn uniformly."""

from typing import Any

import numpy as np
import torch

from spirl_ros.errors import TrainingError
from spirl_ros.rl.transition import SkillTransition


class Replay:
    """A ring of transitions in preallocated arrays. Not thread-safe."""

    def __init__(self, capacity: int, observation_size: int, latent_size: int) -> None:
        """Reserve room; memory is taken as rows are written.

        Args:
            capacity: transitions; the oldest is overwritten when there are more.
            observation_size: Do.
            latent_size: Dz.
        """
        assert capacity >= 1
        self.capacity, self.added = capacity, 0
        self._columns = SkillTransition(
            observation=np.zeros((capacity, observation_size), np.float32),
            progress=np.zeros(capacity, np.int64),
            latent=np.zeros((capacity, latent_size), np.float32),
            reward=np.zeros(capacity, np.float32),
            next_observation=np.zeros((capacity, observation_size), np.float32),
            next_progress=np.zeros(capacity, np.int64),
            terminated=np.zeros(capacity, np.bool_),
            truncated=np.zeros(capacity, np.bool_),
        )

    def __len__(self) -> int:
        """Transitions that can be drawn."""
        return min(self.added, self.capacity)

    def add(self, transition: SkillTransition) -> None:
        """Keep one transition."""
        row = self.added % self.capacity
        for column, value in zip(self._columns, transition, strict=True):
            column[row] = value
        self.added += 1

    def draw(self, count: int, generator: np.random.Generator) -> SkillTransition:
        """A batch (B, …) of arrays, drawn with replacement; there must be something to draw."""
        rows = generator.integers(len(self), size=count)
        return SkillTransition(*(column[rows] for column in self._columns))

    def state(self) -> dict[str, Any]:
        """What is filled, in types that `torch.load(weights_only=True)` accepts."""
        columns = {
            name: torch.from_numpy(column[: len(self)].copy()) for name, column in self._columns._asdict().items()
        }
        return {"added": self.added, "columns": columns}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the contents of a buffer of the same sizes."""
        filled = min(state["added"], self.capacity)
        for name, column in self._columns._asdict().items():
            values = state["columns"][name].numpy()
            if values.shape != (filled, *column.shape[1:]):
                raise TrainingError(
                    f"the checkpoint's replay has {name} {values.shape}, expected {(filled, *column.shape[1:])}. "
                    "It belongs to another configuration."
                )
            column[:filled] = values
        self.added = state["added"]


def to_tensors(*batches: SkillTransition) -> SkillTransition:
    """One batch of tensors from one or more batches of arrays, in their order."""
    columns = zip(*batches, strict=True)
    return SkillTransition(*(torch.from_numpy(np.concatenate(column)) for column in columns))
