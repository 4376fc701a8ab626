"""Decisions and what came of them, and the replay: the newest of them, drawn uniformly. Needs no torch."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from spirl_ros.control.observation_fields import STATE, Observation
from spirl_ros.errors import TrainingError
from spirl_ros.rl.picture_store import PictureStore

_OBSERVATIONS = ("observation", "next_observation")
_PICTURES = "pictures"
"""Of a field, in what is saved: the transitions have their slots."""


class SkillTransition(NamedTuple):
    """A skill, or a batch of B of them: then every value has a leading B. Arrays or tensors."""

    observation: Any
    """By field: exactly what the skill was chosen on."""
    progress: Any
    """Target subtasks completed in order then, 0 to K."""
    latent: Any
    """(Dz,) as executed, within the latent limit."""
    reward: Any
    """Undiscounted sum over the skill's control steps (Pertsch et al. 2020, section 3.3)."""
    next_observation: Any
    """By field, after the last control step."""
    next_progress: Any
    """Target subtasks completed in order after it."""
    terminated: Any
    """The task ended within the skill: nothing more is to be had."""
    truncated: Any
    """Time ran out within the skill: what would have followed still counts."""
    steps: Any
    """Control steps that it took: H, or fewer where the episode ended within it. What follows is discounted by them."""


def flat(transition: SkillTransition) -> dict[str, Any]:
    """Its values by name, each field of an observation by itself: `observation.state`, for example."""
    values = transition._asdict()
    for part in _OBSERVATIONS:
        values |= {f"{part}.{name}": value for name, value in values.pop(part).items()}
    return values


def unflattened(values: Mapping[str, Any]) -> SkillTransition:
    """What `flat` gave, as it was."""
    whole: dict[str, Any] = {part: {} for part in _OBSERVATIONS}
    for name, value in values.items():
        part, dot, field = name.partition(".")
        if dot:
            whole[part][field] = value
        else:
            whole[name] = value
    return SkillTransition(**whole)


class Replay:
    """A ring of transitions in preallocated arrays, and their pictures, each once. Not thread-safe."""

    def __init__(self, capacity: int, example: Observation, latent_size: int) -> None:
        """Reserve room; memory is taken as rows are written.

        Args:
            capacity: transitions; the oldest is overwritten when there are more.
            example: an observation; its fields, shapes and types are those of all.
            latent_size: Dz.
        """
        assert capacity >= 1
        self.capacity, self.added = capacity, 0
        # The picture before a decision and that after it, if no other decision has one of them.
        self._pictures = {
            name: PictureStore(2 * capacity, values.shape) for name, values in example.items() if values.ndim == 3
        }
        observation = {
            name: np.zeros(1, np.int64) if name in self._pictures else values[None] for name, values in example.items()
        }
        row = SkillTransition(
            observation=observation,
            progress=np.zeros(1, np.int64),
            latent=np.zeros((1, latent_size), np.float32),
            reward=np.zeros(1, np.float32),
            next_observation=observation,
            next_progress=np.zeros(1, np.int64),
            terminated=np.zeros(1, np.bool_),
            truncated=np.zeros(1, np.bool_),
            steps=np.zeros(1, np.int64),
        )
        self._columns = {name: np.zeros((capacity, *of.shape[1:]), of.dtype) for name, of in flat(row).items()}

    def __len__(self) -> int:
        """Transitions that can be drawn."""
        return min(self.added, self.capacity)

    @property
    def oldest(self) -> int:
        """Number of the oldest transition that is kept still, counted from the first added."""
        return self.added - len(self)

    def add(self, transition: SkillTransition) -> None:
        """Keep one transition; of its observations those fields that the example had."""
        row = self.added % self.capacity
        values = flat(transition)
        for name, store in self._picture_columns():
            if self.added >= self.capacity:
                store.drop(int(self._columns[name][row]))
        for name, store in self._picture_columns():
            values[name] = store.keep(values[name])
        for name, column in self._columns.items():
            column[row] = values[name]
        self.added += 1

    def draw(self, count: int, generator: np.random.Generator, among: np.ndarray | None = None) -> SkillTransition:
        """A batch (B, …) of arrays, drawn with replacement; there must be something to draw.

        Args:
            count: B.
            generator: draws.
            among: numbers of transitions that are kept still, counted from the first added; None for all.
        """
        if among is None:
            rows = generator.integers(len(self), size=count)
        else:
            rows = generator.choice(among, count) % self.capacity
        drawn = {name: column.take(rows, axis=0) for name, column in self._columns.items()}
        for name, store in self._picture_columns():
            drawn[name] = store.take(drawn[name])
        return unflattened(drawn)

    def state(self) -> dict[str, Any]:
        """A copy of what is filled."""
        columns = {name: column[: len(self)].copy() for name, column in self._columns.items()}
        columns |= {f"{_PICTURES}.{name}": store.state() for name, store in self._pictures.items()}
        return {"added": self.added, "columns": columns}

    def restore(self, state: dict[str, Any], decision_steps: int) -> None:
        """Take the contents of a buffer of the same sizes.

        One of an earlier version may have no steps, when every decision took so many, the state alone as its
        observation, and each picture twice.
        """
        filled = min(state["added"], self.capacity)
        columns = {"steps": np.full(filled, decision_steps), **state["columns"]}
        for part in _OBSERVATIONS:
            if part in columns:
                columns[f"{part}.{STATE}"] = columns.pop(part)
        for name, store in self._pictures.items():
            self._restore_pictures(name, store, columns)
        for name, column in self._columns.items():
            values = columns.get(name)
            if values is None or values.shape != (filled, *column.shape[1:]):
                found = "nothing" if values is None else values.shape
                raise TrainingError(
                    f"the checkpoint's replay has {name} {found}, expected {(filled, *column.shape[1:])}. "
                    "It belongs to another configuration."
                )
            column[:filled] = values
        self.added = state["added"]

    def _picture_columns(self) -> list[tuple[str, PictureStore]]:
        return [(f"{part}.{name}", store) for name, store in self._pictures.items() for part in _OBSERVATIONS]

    def _restore_pictures(self, name: str, store: PictureStore, columns: dict[str, Any]) -> None:
        """Fill a field's store, and put slots in the place of the pictures of an earlier version."""
        parts, pictures = [f"{part}.{name}" for part in _OBSERVATIONS], columns.pop(f"{_PICTURES}.{name}", None)
        if pictures is None:
            for part in parts:
                if part in columns and columns[part].shape[1:] == store.shape:
                    columns[part] = np.array([store.keep(picture) for picture in columns[part]], np.int64)
        elif pictures.shape[1:] == store.shape:
            store.restore(pictures, np.concatenate([columns[part] for part in parts]))
        else:
            raise TrainingError(
                f"the checkpoint's replay has pictures {name} {pictures.shape[1:]}, expected {store.shape}. "
                "It belongs to another configuration."
            )
