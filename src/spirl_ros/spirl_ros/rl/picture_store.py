"""Pictures of the replay's transitions, each once: that after a decision is the one that the next is chosen on."""

import hashlib

import numpy as np


class PictureStore:
    """Equal pictures share a slot, until the last transition that has one is overwritten. Not thread-safe."""

    def __init__(self, capacity: int, shape: tuple[int, ...]) -> None:
        """Reserve room; memory is taken as slots are used, the lowest first.

        Args:
            capacity: pictures, at most.
            shape: (H, W, C) of all.
        """
        self._pictures = np.zeros((capacity, *shape), np.uint8)
        self._uses = np.zeros(capacity, np.int64)
        self._keys: dict[int, bytes] = {}
        self._slots: dict[bytes, int] = {}
        self._freed: list[int] = []
        self._end = 0
        """No slot from here on was ever used."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a picture (H, W, C)."""
        return self._pictures.shape[1:]

    def __len__(self) -> int:
        """Pictures that are kept."""
        return len(self._keys)

    def keep(self, picture: np.ndarray) -> int:
        """Keep a picture (H, W, C) for one more use; returns its slot."""
        key = _key(picture)
        slot = self._slots.get(key)
        if slot is None:
            if self._freed:
                slot = self._freed.pop()
            else:
                slot, self._end = self._end, self._end + 1
            self._pictures[slot] = picture
            self._slots[key], self._keys[slot] = slot, key
        self._uses[slot] += 1
        return slot

    def drop(self, slot: int) -> None:
        """One use of a slot has ended."""
        self._uses[slot] -= 1
        if self._uses[slot] == 0:
            del self._slots[self._keys.pop(slot)]
            self._freed.append(slot)

    def take(self, slots: np.ndarray) -> np.ndarray:
        """The pictures (B, H, W, C) of slots (B,)."""
        return self._pictures.take(slots, axis=0)

    def state(self) -> np.ndarray:
        """A copy of the slots that were ever used (N, H, W, C)."""
        return self._pictures[: self._end].copy()

    def restore(self, pictures: np.ndarray, slots: np.ndarray) -> None:
        """Take what `state` gave, where those slots (M,) are in use, each as often as it occurs."""
        self._end = len(pictures)
        self._pictures[: self._end] = pictures
        self._uses[:] = np.bincount(slots, minlength=len(self._uses))
        used = np.flatnonzero(self._uses)
        self._keys = {int(slot): _key(self._pictures[slot]) for slot in used}
        self._slots = {key: slot for slot, key in self._keys.items()}
        self._freed = sorted(set(range(self._end)).difference(self._keys), reverse=True)


def _key(picture: np.ndarray) -> bytes:
    return hashlib.blake2b(picture.tobytes(), digest_size=16).digest()
