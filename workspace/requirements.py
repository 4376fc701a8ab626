"""Which pinned packages are installed: requirement files, and the few lines of them that depend on the machine."""

import re
from pathlib import Path

from workspace.problem import SetupProblem

EXTRAS = ("sim", "dev", "train", "video", "bench")
"""What can be added to the robot's packages, each a file in requirements/."""


def check_choices(extras: frozenset[str], onnxruntime: str) -> None:
    """Refuse an extra or an ONNX Runtime that does not exist."""
    unknown = sorted(extras.difference(EXTRAS))
    if unknown:
        raise SetupProblem(f"Unknown extra: {', '.join(unknown)}. There are {', '.join(EXTRAS)}.")
    if onnxruntime not in ("cpu", "gpu"):
        raise SetupProblem(f"ONNXRUNTIME is '{onnxruntime}', expected cpu or gpu.")


def requirement_files(
    folder: Path, extras: frozenset[str], onnxruntime: str, with_ros: bool, with_colcon: bool
) -> list[Path]:
    """Name the requirement files for what is asked, in a fixed order.

    Args:
        folder: requirements/ of the clone.
        extras: some of EXTRAS.
        onnxruntime: cpu or gpu.
        with_ros: ROS 2 comes from wheels.
        with_colcon: colcon comes from wheels.
    """
    names = ["robot", f"onnxruntime-{onnxruntime}", *(extra for extra in EXTRAS if extra in extras)]
    names += ["ros"] * with_ros + ["colcon"] * with_colcon
    return [folder / f"{name}.txt" for name in names]


def package_name(line: str) -> str | None:
    """Name of the package that a requirement line pins, as an index spells it; None for comments and empty lines."""
    match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line)
    return re.sub(r"[-_.]+", "-", match.group()).lower() if match else None


def combined_requirements(files: list[Path], mujoco: str, provided: frozenset[str]) -> str:
    """Join requirement files into one.

    Args:
        files: the files to join.
        mujoco: a version of mujoco to take instead of the pinned one, or an empty string.
        provided: packages left out because the ROS distribution brings its own, which its libraries were built against.
    """
    lines = []
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            name = package_name(line)
            if name is None or name in provided:
                continue
            if name == "mujoco" and mujoco:
                line = f"mujoco=={mujoco}"
            if line not in lines:
                lines.append(line)
    return "\n".join(lines) + "\n"
