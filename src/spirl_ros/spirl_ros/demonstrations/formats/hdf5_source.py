"""Reads HDF5 files of others: only what lies in the file itself, and no more than it can be meant to hold.

HDF5 lets a file name other files, and then hands out their bytes as if they were its own: external storage, links to
other files, virtual datasets. It also lets a few kilobytes unpack to terabytes. Every way into a file leads through
`open_hdf5` here, which follows hard links only. Groups are opened one by one: HDF5's own walk over a file is a
recursion that ends the process in a file of deeply nested groups.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5l, h5o  # pyright: ignore[reportAttributeAccessIssue]  # they have no stubs

from spirl_ros.errors import DatasetError

_ALWAYS_ALLOWED_BYTES = 256 * 2**20
_LARGEST_RATIO = 20
"""Memory that the arrays of a file may take, relative to its size. Compression makes demonstrations 2 to 10 times
smaller; what is 1,000 times smaller was made to fill the memory."""
_LARGEST_RATIO_OF_PICTURES = 200
"""The same of pictures: drawn ones become 30 times smaller, black ones 1,000 times, but states lie beside them."""
_MOST_TEXTS = 10_000
"""Entries of an attribute of text; each of them may be the same megabytes of the file again."""
_DEEPEST = 16
"""Groups within groups."""
_NUMBERS = "biuf"
"""Kinds of numpy's types that are numbers."""


class Hdf5Group:
    """A group of an open file. Names may be paths, `infos/executed_actions`."""

    def __init__(self, group: Any, name: str, budget: "_Budget") -> None:
        """Called by `open_hdf5` and by `group`."""
        self._group = group
        self._budget = budget
        self.name = name
        """For messages; empty for the file itself."""

    def names(self) -> list[str]:
        """Names of what is in it, in the file's order."""
        return list(h5py.Group(self._group))

    def has(self, name: str) -> bool:
        """Whether there is something of this name in the file itself.

        Raises:
            DatasetError: what is there is a link to elsewhere.
        """
        return self._find(name) is not None

    def is_array(self, name: str) -> bool:
        """Whether there is an array of this name."""
        return isinstance(self._find(name), h5py.h5d.DatasetID)

    def is_group(self, name: str) -> bool:
        """Whether there is a group of this name."""
        return isinstance(self._find(name), h5py.h5g.GroupID)

    def group(self, name: str) -> "Hdf5Group":
        """A group within it.

        Raises:
            DatasetError: there is none.
        """
        found = self._find(name)
        if not isinstance(found, h5py.h5g.GroupID):
            raise DatasetError(f"{self._path(name)} is {_kind(found)}, expected a group.")
        return Hdf5Group(found, self._path(name), self._budget)

    def array(self, name: str, *, of_pictures: bool = False) -> np.ndarray:
        """All numbers of an array.

        Args:
            name: of the array.
            of_pictures: they may be compressed further than other numbers, and the caller keeps them in their type.

        Raises:
            DatasetError: there is none, its values lie outside the file or are not numbers, or it is far too large.
        """
        found = self._checked_array(name, of_pictures)
        if found.dtype.kind not in _NUMBERS:
            raise DatasetError(f"{self._path(name)} is of type {found.dtype}, expected numbers.")
        values = np.empty(found.shape, found.dtype)
        if values.size:
            found.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
        return values

    def texts(self, name: str) -> list[str]:
        """All texts of an array of texts of a fixed length; errors as `array`."""
        found = self._checked_array(name)
        if found.dtype.kind != "S":
            raise DatasetError(f"{self._path(name)} is of type {found.dtype}, expected text of a fixed length.")
        values = np.empty(found.shape, found.dtype)
        if values.size:
            found.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
        return [value.decode() for value in values.ravel().tolist()]

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Sizes of an array, None for anything else."""
        found = self._find(name)
        return found.shape if isinstance(found, h5py.h5d.DatasetID) else None

    def attributes(self) -> dict[str, Any]:
        """What is noted beside the group.

        Raises:
            DatasetError: an attribute is a list of more texts than anyone can have written.
        """
        attributes: dict[str, Any] = {}
        for index in range(h5py.h5a.get_num_attrs(self._group)):
            found = h5py.h5a.open(self._group, index=index)
            name, dtype, entries = found.name.decode(), found.dtype, math.prod(found.shape or ())
            if dtype.kind == "O" or found.get_space().get_simple_extent_type() == h5py.h5s.NULL:
                if entries > _MOST_TEXTS:
                    where = f"attribute {name} of {self.name or 'the file'}"
                    raise DatasetError(f"{where} has {entries} entries, expected at most {_MOST_TEXTS}.")
                attributes[name] = h5py.Group(self._group).attrs[name]
            else:
                values = np.empty(found.shape, dtype)
                if entries:
                    found.read(values)
                attributes[name] = values[()]
        return attributes

    def require_self_contained(self, depth: int = 0) -> None:
        """Check everything in it as `array` does, for programs of others that read the file by themselves.

        Raises:
            DatasetError: something in it lies outside the file, or is far too large.
        """
        if depth > _DEEPEST:
            raise DatasetError(
                f"{self.name} is nested deeper than {_DEEPEST} groups, expected a file of demonstrations."
            )
        for name in self.names():
            if self.is_group(name):
                self.group(name).require_self_contained(depth + 1)
            elif self.is_array(name):
                self._checked_array(name)

    def _checked_array(self, name: str, of_pictures: bool = False) -> Any:
        """An array whose values may be read."""
        found, path = self._find(name), self._path(name)
        if not isinstance(found, h5py.h5d.DatasetID):
            raise DatasetError(f"{path} is {_kind(found)}, expected an array.")
        created = found.get_create_plist()
        if created.get_external_count():
            raise _outside(path, f"the values in the file {created.get_external(0)[0]!r}")
        if created.get_layout() == h5py.h5d.VIRTUAL:
            raise _outside(path, "a virtual dataset, values of other datasets")
        space = found.get_space()
        if space.get_simple_extent_type() == h5py.h5s.NULL:
            raise DatasetError(f"{path} is empty, expected an array.")
        value_size = found.get_type().get_size() if of_pictures else max(8, found.get_type().get_size())
        self._budget.take(path, found.shape, space.get_simple_extent_npoints() * value_size, of_pictures)
        return found

    def _find(self, name: str) -> Any:
        """What has a name, opened; None when nothing has."""
        found = self._group
        for part in name.encode().split(b"/"):
            if not isinstance(found, h5py.h5g.GroupID) or not found.links.exists(part):
                return None
            kind = found.links.get_info(part).type
            if kind != h5l.TYPE_HARD:
                other = "in another file" if kind == h5l.TYPE_EXTERNAL else "of another name"
                raise _outside(self._path(name), f"a link to something {other}")
            found = h5o.open(found, part)
        return found

    def _path(self, name: str) -> str:
        return f"{self.name}/{name}" if self.name else name


class _Budget:
    """How much memory the arrays of a file may still take.

    An array that has several names counts each time it is read.
    """

    def __init__(self, path: Path) -> None:
        self._ratios = {False: _LARGEST_RATIO, True: _LARGEST_RATIO_OF_PICTURES}  # by whether it is of pictures
        size = path.stat().st_size
        self._allowed = {of: max(_ALWAYS_ALLOWED_BYTES, ratio * size) for of, ratio in self._ratios.items()}
        self._left = dict(self._allowed)

    def take(self, name: str, shape: tuple[int, ...], size: int, of_pictures: bool) -> None:
        if size > self._left[of_pictures]:
            raise DatasetError(
                f"with {name} {shape} its {'pictures' if of_pictures else 'arrays'} take more than "
                f"{self._allowed[of_pictures] / 2**20:.0f} MB, which is the most that is read from a file of this size "
                f"({self._ratios[of_pictures]} times as much). Split it, or store it without compression."
            )
        self._left[of_pictures] -= size


@contextmanager
def open_hdf5(path: Path) -> Iterator[Hdf5Group]:
    """Open an HDF5 file for reading; whatever HDF5 does not like while it is open becomes a DatasetError."""
    if not path.is_file():
        raise DatasetError(f"there is no file {path}.")
    try:
        with h5py.File(path, "r") as file:
            yield Hdf5Group(file["/"].id, "", _Budget(path))
    except DatasetError as error:
        raise error if str(path) in str(error) else DatasetError(f"{path}: {error}") from error
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, MemoryError) as error:
        if not h5py.is_hdf5(path):
            raise DatasetError(
                f"{path} is not an HDF5 file. Expected one that starts with HDF5's signature."
            ) from error
        raise DatasetError(
            f"{path} cannot be read: {error}. Expected a complete HDF5 file of this kind; it may be truncated."
        ) from error


def _kind(found: Any) -> str:
    if found is None:
        return "missing"
    return "an array" if isinstance(found, h5py.h5d.DatasetID) else "a group"


def _outside(name: str, what: str) -> DatasetError:
    return DatasetError(
        f"{name} is {what}, which is not read: another program's dataset must not expose files of this computer. "
        "Copy the values into the file, for example with h5repack."
    )
