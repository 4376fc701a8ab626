"""Pictures of a dataset in a file without a name instead of in memory: the system holds what is being drawn of them."""

import mmap
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from spirl_ros.control.observation_fields import PICTURE
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.errors import DatasetError

IN_MEMORY_BYTES = 256 * 2**20
"""So much of a dataset's pictures stays in memory; it takes no disk, and most datasets have no more."""


class MappedPictures:
    """Takes pictures in and gives them back as arrays that are read like any other.

    What lies on the disk is there as it is drawn, not compressed: drawing at random would unpack a whole chunk of the
    dataset's file for one picture. It is gone with the last array.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing yet; what is more than IN_MEMORY_BYTES goes where the folder is, or where temporary files are."""
        self._folder = folder
        self._in_memory_bytes = IN_MEMORY_BYTES
        self._file: IO[bytes] | None = None

    def keep(self, pictures: np.ndarray) -> np.ndarray:
        """The same pictures (N, H, W, C), read-only; the caller gives his array away.

        Raises:
            DatasetError: the disk has no room for them.
        """
        if pictures.nbytes <= self._in_memory_bytes:
            self._in_memory_bytes -= pictures.nbytes
            pictures.flags.writeable = False
            return pictures
        try:
            if self._file is None:
                self._file = _without_a_name(self._folder)
            begin = -(-self._file.tell() // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
            self._file.seek(begin)
            self._file.write(np.ascontiguousarray(pictures).data)
            self._file.flush()
            mapped = np.memmap(self._file, pictures.dtype, "r", begin, pictures.shape)
        except OSError as error:
            raise DatasetError(
                f"{pictures.nbytes / 1e6:.0f} MB of pictures cannot be unpacked to the disk: {error}. Free some, or "
                "name a folder with more in TMPDIR."
            ) from error
        return np.asarray(mapped)

    def keep_all(self, episode: Episode) -> Episode:
        """An episode with its pictures kept here. Raises DatasetError as `keep`."""
        pictures = {one.name for one in episode.metadata.more_fields if one.dtype == PICTURE}
        if not pictures:
            return episode
        fields = {name: self.keep(values) if name in pictures else values for name, values in episode.fields.items()}
        return replace(episode, fields=fields)


def _without_a_name(folder: Path) -> IO[bytes]:
    """A file that nobody else sees, on the disk of the dataset where that can be written to."""
    try:
        return tempfile.TemporaryFile(dir=folder)
    except OSError:
        return tempfile.TemporaryFile()
