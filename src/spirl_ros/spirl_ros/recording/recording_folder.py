"""A folder of recorded episodes: who may write there, and what the next one is called."""

import fcntl
import os
import re
from pathlib import Path

from spirl_ros.errors import RecordingError
from spirl_ros.recording.bag_metadata import METADATA_FILE

_NUMBER = re.compile(r"\.?episode_(\d+)")


class RecordingFolder:
    """Held by one recorder at a time; the kernel frees it with the process, however that ends."""

    def __init__(self, path: Path) -> None:
        """Create the folder where it is missing, and take it.

        Raises:
            RecordingError: it cannot be written, or another recorder has it.
        """
        self.path = path.expanduser().absolute()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.path / ".lock", "a+")  # noqa: SIM115 - open as long as held
        except OSError as error:
            raise RecordingError(f"recordings cannot be written to {self.path}: {error}.") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "unknown"
            self._lock.close()
            raise RecordingError(
                f"another recorder (process {holder}) writes to {self.path}. Stop it, or choose another folder."
            ) from error
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def release(self) -> None:
        """Let another recorder have the folder."""
        self._lock.close()

    def next_number(self) -> int:
        """Of the next episode: one more than the highest there is, repaired or damaged."""
        numbers = [int(match[1]) for entry in self.path.iterdir() if (match := _NUMBER.match(entry.name))]
        return max(numbers, default=0) + 1

    def episode(self, number: int) -> Path:
        """The folder of an episode."""
        return self.path / f"episode_{number:06d}"

    def finished_episodes(self) -> int:
        """Complete bags in the folder."""
        return sum((entry / METADATA_FILE).is_file() for entry in self.path.glob("episode_*"))
