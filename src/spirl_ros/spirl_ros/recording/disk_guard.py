"""Keeps a recording from running into a full disk, and some space for ending it properly when it does."""

import os
import shutil
from pathlib import Path

from spirl_ros.errors import RecordingError

RESERVE_BYTES = 2 * 1024 * 1024
"""Space kept for the last messages, the file's index and metadata.yaml; enough for an hour's index."""


def free_bytes(folder: Path) -> int:
    """Space that is free for this user on the disk of a folder [byte]."""
    return shutil.disk_usage(folder).free


def require_free(folder: Path, min_free_bytes: int) -> None:
    """Raise RecordingError when less than `min_free_bytes` would be free once an episode has taken its reserve."""
    free, needed = free_bytes(folder), min_free_bytes + RESERVE_BYTES
    if free < needed:
        raise RecordingError(
            f"the disk of {folder} has {free / 1e6:.1f} MB free, expected at least {needed / 1e6:.1f} MB. "
            "Free some space, choose another folder, or lower min_free_mb."
        )


class Reserve:
    """A file that holds space, to be given free when the disk is full."""

    def __init__(self, path: Path) -> None:
        """Take the space. Raises OSError when it is not there."""
        self._path = path
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Give the space free; a second time does nothing."""
        self._path.unlink(missing_ok=True)
