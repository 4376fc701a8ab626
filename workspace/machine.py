"""What the machine must bring: a compiler, Python's headers and its venv module, a plain path, and disk space."""

import importlib.util
import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from workspace.problem import SetupProblem

NEEDED_GB = 2.0
"""Free disk space for the environment and the build; 0.7 GB of it stay in use."""
NEEDED_GB_TRAIN = {"cpu": 4.0, "gpu": 8.0}
"""The same with torch: its build for CPUs, or with its CUDA packages."""
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9/._+@~,=-]")


def check_platform() -> None:
    """Refuse anything but Linux: the control thread, the wheels of ROS 2 and this set-up are made for it."""
    if not sys.platform.startswith("linux"):
        raise SetupProblem(
            f"This machine runs {sys.platform}, needed is Linux (a container or virtual machine will do)."
        )


def check_build_tools(environment: Mapping[str, str]) -> None:
    """Look for the C and C++ compilers and make, which build the messages."""
    wanted = (("a C compiler", "CC", "cc"), ("a C++ compiler", "CXX", "c++"), ("make", "", "make"))
    missing = []
    for what, variable, default in wanted:
        command = (environment.get(variable, "").split() or [default])[0]
        if shutil.which(command, path=environment.get("PATH")) is None:
            missing.append(f"{what} ({command})")
    if missing:
        raise SetupProblem(
            f"Not found: {', '.join(missing)}. They build the ROS messages. "
            "Debian, Ubuntu: sudo apt install build-essential; Fedora: sudo dnf install gcc gcc-c++ make"
        )


def check_python_parts() -> None:
    """Look for what distributions package apart from Python: ensurepip (for venv) and the headers."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    missing = []
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        missing.append(("the venv module with ensurepip", f"{name}-venv"))
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.is_file():
        missing.append((f"the C headers ({header})", f"{name}-dev"))
    if missing:
        raise SetupProblem(
            f"Python {sys.version.split()[0]} ({sys.executable}) has not "
            f"{' and not '.join(what for what, _ in missing)}. "
            f"Debian, Ubuntu: sudo apt install {' '.join(package for _, package in missing)}"
        )


def check_paths(*folders: Path) -> None:
    """Refuse folders whose names CMake and make take apart: they build the ROS messages, and fail after minutes."""
    for folder in folders:
        odd = sorted(set(_NOT_PLAIN.findall(str(folder))))
        if odd:
            raise SetupProblem(
                f"The path {folder} has {', '.join(map(repr, odd))} in it, which CMake and make do not take: they "
                "build the ROS messages. Move the clone to a path of plain letters (a to z), digits and . _ - alone."
            )


def check_disk_space(folder: Path, groups: frozenset[str], torch: str, environment: Mapping[str, str]) -> None:
    """Refuse to begin what cannot end. SPIRL_SETUP_DISK_GB overrides what is needed [GB].

    Args:
        folder: on the disk in question.
        groups: the extras that are installed.
        torch: which build of it, cpu or gpu.
        environment: variables of the shell.
    """
    default_gb = NEEDED_GB_TRAIN[torch] if "train" in groups else NEEDED_GB
    needed_gb = float(environment.get("SPIRL_SETUP_DISK_GB", default_gb))
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < needed_gb:
        raise SetupProblem(
            f"{free_gb:.1f} GB of disk are free at {folder}, the set-up needs {needed_gb:.1f} GB. "
            "Free some space, or put the clone on another disk."
        )


def has_nvidia_driver(environment: Mapping[str, str], root: Path = Path("/")) -> bool:
    """True where a driver for NVIDIA GPUs is loaded, or reachable as in WSL and containers."""
    return (root / "proc/driver/nvidia/version").exists() or bool(
        shutil.which("nvidia-smi", path=environment.get("PATH", os.defpath))
    )
