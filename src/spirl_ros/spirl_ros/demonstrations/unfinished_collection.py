"""Keeps what a collection has so far, so that it survives Ctrl-C, `kill -9` and a power cut, and can be continued."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import h5py

from spirl_ros.demonstrations.collection import CollectionConfig, Outcome
from spirl_ros.demonstrations.storage import open_hdf5, read_episode, synchronise, write_episode
from spirl_ros.errors import DatasetError

_CONFIG_FILE = "collection.json"
CHAINS_PER_FILE = 16
"""A crash loses at most the chains since the last file; two workers make 16 in about 6 seconds."""


class UnfinishedCollection:
    """A folder of files with some chains each, in order. A file appears complete or not at all."""

    def __init__(self, folder: Path, config: CollectionConfig) -> None:
        """Begin, or go on with what is there.

        Raises:
            DatasetError: what is there was collected with other settings, or cannot be read.
        """
        self.folder = folder
        self._waiting: list[Outcome] = []
        path = folder / _CONFIG_FILE
        settings = json.loads(json.dumps(asdict(config)))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                temporary = path.with_suffix(".writing")
                temporary.write_text(json.dumps(settings), encoding="utf-8")
                temporary.rename(path)
        except OSError as error:
            raise DatasetError(f"{path} cannot be written: {error}. Choose another folder with --out.") from error
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DatasetError(f"{path} is not JSON: {error}. Delete {folder} to begin again.") from error
        different = [name for name in settings if found.get(name) != settings[name]]
        if different:
            raise DatasetError(
                f"{folder} was begun with {', '.join(f'{name} {found.get(name)}' for name in different)}, not "
                f"{', '.join(f'{settings[name]}' for name in different)}. Use the same settings, or delete it."
            )

    def load(self) -> list[Outcome]:
        """All chains stored so far, from index 0 on."""
        loaded: list[Outcome] = []
        for path in sorted(self.folder.glob("chains-*.hdf5")):
            with open_hdf5(path) as file:
                for index, (steps, dropped_because) in json.loads(str(file.attrs["chains"])).items():
                    episode = None if dropped_because else read_episode(file, index)
                    loaded.append(Outcome(int(index), steps, episode, dropped_because))
        if [outcome.index for outcome in loaded] != list(range(len(loaded))):
            raise DatasetError(f"{self.folder} lacks chains in between. Delete it to begin again.")
        return loaded

    def add(self, outcome: Outcome) -> None:
        """Take in the next chain; written with some others, or at `flush`."""
        self._waiting.append(outcome)
        if len(self._waiting) == CHAINS_PER_FILE:
            self.flush()

    def flush(self) -> None:
        """Put everything taken in so far on the disk."""
        if not self._waiting:
            return
        path = self.folder / f"chains-{self._waiting[0].index:06d}.hdf5"
        temporary = path.with_suffix(".writing")
        chains = {str(outcome.index): (outcome.steps, outcome.dropped_because) for outcome in self._waiting}
        try:
            with h5py.File(temporary, "w", track_order=True) as file:
                file.attrs["chains"] = json.dumps(chains)
                for outcome in self._waiting:
                    if outcome.episode is not None:
                        write_episode(file.create_group(str(outcome.index)), outcome.episode, outcome.index)
            synchronise(temporary)
            temporary.rename(path)
        except OSError as error:
            raise DatasetError(f"{path} cannot be written: {error}. Make room, then continue with --resume.") from error
        self._waiting.clear()

    def delete(self) -> None:
        """Remove the folder, once the dataset stands."""
        shutil.rmtree(self.folder)
