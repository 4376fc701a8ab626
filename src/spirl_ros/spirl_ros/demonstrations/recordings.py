"""Looks at every recording that was given, before it says which of them cannot be used."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from spirl_ros.errors import DatasetError, RecordingsError
from spirl_ros.recording.bag_metadata import find_bags

T = TypeVar("T")


@dataclass(frozen=True)
class Recordings(Generic[T]):
    """What became of each."""

    read: Mapping[Path, T]
    """What was read, by bag."""
    bad: Sequence[str]
    """Why others could not be used; each names the bag."""

    def origin(self, dropped: Mapping[str, int]) -> dict[str, Any]:
        """How a dataset of these was made; `dropped` are episodes or recordings that were left out, by the reason."""
        origin = {"imported_from": [bag.name for bag in self.read], "dropped": dict(dropped)}
        return {**origin, "left_out": list(self.bad)} if self.bad else origin


def look_at_all(paths: Sequence[Path], read: Callable[[Path], T], skip_bad: bool) -> Recordings[T]:
    """Read every bag.

    Args:
        paths: each a bag's folder, an .mcap file, or a folder in which bags are.
        read: reads one, or raises DatasetError.
        skip_bad: go on without those that cannot be used.

    Raises:
        DatasetError: some cannot be used, without `skip_bad`, or none can.
    """
    bags = dict.fromkeys(bag for path in paths for bag in (find_bags(path) or [path]))
    found: dict[Path, T] = {}
    bad: list[str] = []
    for bag in bags:
        try:
            found[bag] = read(bag)
        except DatasetError as error:
            bad.append(str(error))
    if bad and not (skip_bad and found):
        advice = " Import the rest with --skip-bad." if found else ""
        if len(bad) == 1:
            raise DatasetError(f"{bad[0]}{advice}")
        raise RecordingsError(f"{len(bad)} of {len(bags)} recordings cannot be used.{advice}", bad)
    return Recordings(found, bad)
