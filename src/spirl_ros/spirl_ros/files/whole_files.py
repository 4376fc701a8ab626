"""Writes files and folders that appear complete or not at all, also when the disk is full."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from spirl_ros.errors import DatasetError


@contextmanager
def appearing_whole(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; what was written there is put on the disk and renamed to `path` at the end.

    The temporary name does not exist yet; the caller makes a file or a folder of it. Whatever goes wrong, it is
    removed.

    Raises:
        DatasetError: something is there already, or the disk refuses.
    """
    if path.exists():
        raise DatasetError(f"{path} exists already. Choose another name, or delete it first.")
    temporary = path.with_name(f".{path.name}.writing")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(temporary)  # what a crash left
        yield temporary
        for part in (temporary, *temporary.rglob("*")):
            synchronise(part)
        temporary.rename(path)
        synchronise(path.parent)
    except OSError as error:
        _remove(temporary)
        raise DatasetError(
            f"{path} cannot be written: {error}. Nothing was left there; make room or choose another place."
        ) from error
    except BaseException:
        _remove(temporary)
        raise


@contextmanager
def hdf5_written(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file that is filled in memory and written in one go when it is complete.

    A disk that is full while HDF5 writes by itself ends the process: HDF5 cannot close the file then, and h5py 3.16
    crashes on it. A plain write fails with an OSError that can be told to the user.
    """
    with h5py.File(
        path.name, "w", driver="core", backing_store=False, track_order=True, libver=("v110", "v110")
    ) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    path.write_bytes(image)


def synchronise(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    elif path.exists():
        path.unlink()
