"""The machine that figures come from: what it runs, and how busy it was before and after."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

_OTHER_NAMES = {"onnxruntime": ("onnxruntime-gpu",)}
"""Distributions that bring the same package."""


class Machine:
    """Notes versions and load at once, and the load again when it is asked for what was noted."""

    def __init__(self, *packages: str, threads: int | None = None) -> None:
        """Begin.

        Args:
            packages: whose versions matter; those that are not installed are left out.
            threads: that torch may use; None where torch does not matter.
        """
        self._noted: dict[str, object] = {}
        for package in packages:
            if (found := _version(package)) is not None:
                self._noted[package] = found
        self._noted |= {"python": platform.python_version(), "cores": os.cpu_count()}
        if threads is not None:
            self._noted["threads"] = threads
        self._noted["load before"] = _load()

    def so_far(self) -> dict[str, object]:
        """What is known before anything was measured."""
        return dict(self._noted)

    def as_dict(self) -> dict[str, object]:
        """What was noted, and the load now."""
        return {**self._noted, "load after": _load()}


def machine_line(machine: dict[str, object]) -> str:
    """For people, in one line."""
    return ", ".join(f"{key} {value}" for key, value in machine.items())


def _load() -> float:
    return round(os.getloadavg()[0], 2)


def _version(package: str) -> str | None:
    for name in (package, *_OTHER_NAMES.get(package, ())):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None
