"""Makes the installed ROS 2 wheels a prefix that colcon and CMake can build on."""

import re
from pathlib import Path

_FOLDER = r"(?<=[;\"\s])/[^;\"\s$]*"
_PYTHON_INCLUDE = re.compile(_FOLDER + r"/include/python3\.\d+(?=[;\"\s]|$)")
_NUMPY_INCLUDE = re.compile(_FOLDER + r"/numpy/_core/include(?=[;\"\s]|$)")


def relocate_targets(text: str, python_include: Path, numpy_include: Path) -> str:
    """Replace the headers' folders of another machine or environment by ours in an exported CMake file.

    As a rule they are those of the machine that built the wheels, but a cache of packages may hold files that were
    relocated before.
    """
    text = _PYTHON_INCLUDE.sub(lambda _: str(python_include), text)
    return _NUMPY_INCLUDE.sub(lambda _: str(numpy_include), text)


def make_prefix(venv: Path, site_packages: Path, python_include: Path) -> None:
    """Repair the CMake files below an environment, and mark it as a prefix. Doing it twice changes nothing more."""
    numpy_include = site_packages / "numpy" / "_core" / "include"
    for path in (venv / "share").glob("**/*.cmake"):
        text = path.read_text(encoding="utf-8")
        relocated = relocate_targets(text, python_include, numpy_include)
        if relocated != text:
            # A new file: uv links what it installs to its cache, from which every other environment is made.
            new = path.with_name(path.name + ".new")
            new.write_text(relocated, encoding="utf-8")
            new.replace(path)
    # colcon leaves out prefixes without these.
    for name in ("local_setup.sh", "local_setup.bash"):
        (venv / name).touch()
