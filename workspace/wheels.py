"""Makes the installed ROS 2 wheels a prefix that colcon and CMake can build on."""

import re
from pathlib import Path

_BUILDER_INCLUDE = re.compile(r"/opt/python/cp\d+-cp\d+/include/python3\.\d+")
_BUILDER_NUMPY = re.compile(r"/opt/python/cp\d+-cp\d+/lib/python3\.\d+/site-packages/numpy/_core/include")


def relocate_targets(text: str, python_include: Path, numpy_include: Path) -> str:
    """Replace the folders of the machine that built the wheels by ours in an exported CMake file."""
    text = _BUILDER_INCLUDE.sub(lambda _: str(python_include), text)
    return _BUILDER_NUMPY.sub(lambda _: str(numpy_include), text)


def make_prefix(venv: Path, site_packages: Path, python_include: Path) -> None:
    """Repair the CMake files below an environment, and mark it as a prefix. Doing it twice changes nothing more."""
    numpy_include = site_packages / "numpy" / "_core" / "include"
    for path in (venv / "share").glob("**/*.cmake"):
        text = path.read_text(encoding="utf-8")
        relocated = relocate_targets(text, python_include, numpy_include)
        if relocated != text:
            path.write_text(relocated, encoding="utf-8")
    # colcon leaves out prefixes without these.
    for name in ("local_setup.sh", "local_setup.bash"):
        (venv / name).touch()
