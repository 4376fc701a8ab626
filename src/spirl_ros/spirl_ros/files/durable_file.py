"""A file that grows in whole pieces: each is on the disk, or not in the file at all."""

import os
from pathlib import Path


class DurableFile:
    """What the MCAP writer writes to. Bytes gather in memory until `flush`, which writes them and waits for the disk.

    A flush that fails cuts the file back to what was there before and keeps the bytes, so that it can be tried again.
    """

    def __init__(self, path: Path) -> None:
        """Create the file. Raises OSError, FileExistsError too."""
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self._pending = bytearray()
        self.durable_bytes = 0
        """How much of the file is on the disk."""

    def write(self, data: bytes) -> int:
        """Keep bytes for the next flush."""
        self._pending += data
        return len(data)

    def tell(self) -> int:
        """Size of the file once it is flushed."""
        return self.durable_bytes + len(self._pending)

    def flush(self) -> None:
        """Write what is pending and wait until it is on the disk.

        Raises:
            OSError: no space, for example. The file is as it was before.
        """
        try:
            written = 0
            while written < len(self._pending):
                written += os.write(self._descriptor, memoryview(self._pending)[written:])
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self.durable_bytes)
            os.lseek(self._descriptor, self.durable_bytes, os.SEEK_SET)
            raise
        self.durable_bytes += len(self._pending)
        self._pending = bytearray()

    def close(self) -> None:
        """Close the file; what was not flushed is dropped."""
        os.close(self._descriptor)


def synchronise_folder(folder: Path) -> None:
    """Wait until a folder's entries are on the disk: what was created or renamed in it stays after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
