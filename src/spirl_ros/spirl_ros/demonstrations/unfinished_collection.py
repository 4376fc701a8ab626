"""Keeps what a collection has so far, so that it survives Ctrl-C, `kill -9` and a power cut, and can be continued."""

import fcntl
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

from spirl_ros.demonstrations.collection import CollectionConfig, RecordedChain
from spirl_ros.demonstrations.formats.hdf5_source import open_hdf5
from spirl_ros.demonstrations.mapped_pictures import MappedPictures
from spirl_ros.demonstrations.storage import read_episode, write_episode
from spirl_ros.errors import DatasetError
from spirl_ros.files.whole_files import hdf5_written, synchronise
from spirl_ros.tasks.families import split_task

_CONFIG_FILE = "collection.json"
CHAINS_PER_FILE = 16
"""A crash loses at most the chains since the last file; two workers make 16 in about 6 seconds."""


class UnfinishedCollection:
    """A folder of files with some chains each, in order. A file appears complete or not at all.

    One process at a time has the folder; the kernel frees it with the process. Close it, or use it as a context.
    """

    def __init__(self, folder: Path, config: CollectionConfig) -> None:
        """Begin, or go on with what is there.

        Raises:
            DatasetError: another process has it, what is there was collected with other settings, or cannot be read.
        """
        self.folder = folder
        self._more_fields = split_task(config.task)[0].robot.observation.more_fields
        self._waiting: list[RecordedChain] = []
        self._lock: int | None = None
        path = folder / _CONFIG_FILE
        settings = json.loads(json.dumps(asdict(config)))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _take(folder)
            self.was_begun = path.exists()
            """Did an earlier run begin it."""
            if not self.was_begun:
                _write_whole(path, json.dumps(settings).encode())
        except OSError as error:
            raise DatasetError(f"{path} cannot be written: {error}. Choose another folder with --out.") from error
        try:
            self._check_settings(path, settings)
        except DatasetError:
            self.close()
            raise

    def __enter__(self) -> "UnfinishedCollection":
        """Nothing to do: the constructor took the folder."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let others have the folder."""
        self.close()

    def close(self) -> None:
        """Let others have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def load(self, pictures: MappedPictures) -> list[RecordedChain]:
        """All chains stored so far, from index 0 on; their pictures go to where they are kept.

        Raises:
            DatasetError: one is missing or damaged, or other fields were observed then, or there is no room.
        """
        loaded: list[RecordedChain] = []
        for path in sorted(self.folder.glob("chains-*.hdf5")):
            with open_hdf5(path) as file:
                for index, (steps, dropped_because) in json.loads(str(file.attributes()["chains"])).items():
                    episode = None if dropped_because else read_episode(file, index, pictures)
                    loaded.append(RecordedChain(int(index), steps, episode, dropped_because))
        if [outcome.index for outcome in loaded] != list(range(len(loaded))):
            raise DatasetError(f"{self.folder} lacks chains in between. Delete it to begin again.")
        for outcome in loaded:
            if outcome.episode is not None and outcome.episode.metadata.more_fields != self._more_fields:
                then, now = (
                    ", ".join(one.name for one in fields) or "nothing"
                    for fields in (outcome.episode.metadata.more_fields, self._more_fields)
                )
                raise DatasetError(
                    f"{self.folder} holds episodes with {then} observed beside the state, but now that is {now}. "
                    "Delete it to begin again."
                )
        return loaded

    def add(self, outcome: RecordedChain) -> None:
        """Take in the next chain; written with some others, or at `flush`."""
        self._waiting.append(outcome)
        if len(self._waiting) == CHAINS_PER_FILE:
            self.flush()

    def flush(self) -> None:
        """Put everything taken in so far on the disk.

        Raises:
            DatasetError: the disk refuses. What was stored before stays; what was not is lost with the process.
        """
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        path = self.folder / f"chains-{waiting[0].index:06d}.hdf5"
        temporary = path.with_suffix(".writing")
        chains = {str(outcome.index): (outcome.steps, outcome.dropped_because) for outcome in waiting}
        try:
            with hdf5_written(temporary) as file:
                file.attrs["chains"] = json.dumps(chains)
                for outcome in waiting:
                    if outcome.episode is not None:
                        write_episode(file.create_group(str(outcome.index)), outcome.episode, outcome.index)
            synchronise(temporary)
            temporary.rename(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise DatasetError(f"{path} cannot be written: {error}. Make room, then continue with --resume.") from error

    def delete(self) -> None:
        """Remove the folder, once the dataset stands.

        Under its own name it is complete or gone, whenever this is stopped.
        """
        discarded = self.folder.with_name(f".{self.folder.name}.deleting")
        shutil.rmtree(discarded, ignore_errors=True)  # what a crash left
        self.folder.rename(discarded)
        shutil.rmtree(discarded)

    def _check_settings(self, path: Path, settings: dict) -> None:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DatasetError(f"{path} is not JSON: {error}. Delete {self.folder} to begin again.") from error
        different = [name for name in settings if found.get(name) != settings[name]]
        if different:
            raise DatasetError(
                f"{self.folder} was started with {', '.join(f'{name} {found.get(name)}' for name in different)}, not "
                f"{', '.join(f'{settings[name]}' for name in different)}. Use the same settings, or delete it."
            )


def _take(folder: Path) -> int:
    """Take the folder for this process; returns the descriptor that holds it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The other process may have finished, and removed the folder, between our opening and locking it.
        if folder.exists() and os.path.samestat(os.fstat(descriptor), folder.stat()):
            return descriptor
    except BlockingIOError:
        pass
    os.close(descriptor)
    raise DatasetError(
        f"another process is collecting into {folder} right now. Wait until it has finished, or choose another "
        "folder with --out."
    )


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".writing")
    temporary.write_bytes(content)
    synchronise(temporary)
    temporary.rename(path)
