"""What one set-up is to reach, decided before anything is written."""

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workspace.distribution import Distribution, sourced_distribution
from workspace.fingerprint import fingerprint, message_files, package_files
from workspace.machine import has_nvidia_driver
from workspace.requirements import check_choices, combined_requirements, requirement_files

RECIPE = "1"
"""To be changed when the stages do something else, so that environments of before are made anew."""

PROVIDED_BY_DISTRIBUTION = frozenset({"numpy", "pyyaml"})
"""Packages that a ROS 2 distribution brings, and that its own libraries were built against."""


@dataclass(frozen=True)
class Plan:
    """The result that a set-up is to reach."""

    root: Path
    """The clone."""
    venv: Path
    """The Python environment; everything that is built stands below it as well."""
    python: Path
    """The interpreter the environment is made with."""
    python_version: str
    """Its full version."""
    distribution: Distribution | None
    """The ROS 2 distribution used; None for wheels."""
    has_colcon: bool
    """The distribution brings colcon for this interpreter."""
    extras: frozenset[str]
    """Names from requirements.EXTRAS."""
    onnxruntime: str
    """cpu or gpu."""
    mujoco: str
    """Version of mujoco instead of the pinned one; empty for that."""
    torch: str = "cpu"
    """Which build of torch: cpu, or gpu where an NVIDIA driver is found."""

    @property
    def install_space(self) -> Path:
        """Where colcon installs the workspace's packages, each into a folder of its own."""
        return self.venv / "colcon" / "install"

    @property
    def linked_modules(self) -> Path:
        """Folder with a link to spirl_ros's modules, for the interpreter of a distribution's own `ros2` command."""
        return self.venv / "colcon" / "modules"

    @property
    def venv_python(self) -> Path:
        """The environment's interpreter."""
        return self.venv / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        """Where the environment's packages stand."""
        return self.venv / "lib" / f"python{self.python_version.rpartition('.')[0]}" / "site-packages"

    def requirements(self) -> str:
        """All packages to install, as the text of one requirement file."""
        files = requirement_files(
            self.root / "requirements",
            self.extras,
            self.onnxruntime,
            with_ros=self.distribution is None,
            with_colcon=not self.has_colcon,
        )
        provided = PROVIDED_BY_DISTRIBUTION if self.distribution else frozenset()
        return combined_requirements(files, self.mujoco, provided)

    def fingerprints(self) -> dict[str, str]:
        """For every stage a text that changes when the stage has to run again.

        The environment's concerns all stages.
        """
        ros = f"{self.distribution.name} in {self.distribution.prefix}" if self.distribution else "wheels"
        environment = fingerprint(RECIPE, str(self.venv), self.python_version, ros)
        build_tools = [self.root / "requirements" / name for name in ("ros.txt", "colcon.txt")]
        build_tools.append(self.root / "colcon.meta")
        return {
            "environment": environment,
            "packages": fingerprint(environment, self.requirements()),
            "messages": fingerprint(environment, files=[*build_tools, *message_files(self.root)]),
            "package": fingerprint(environment, files=[*build_tools, *package_files(self.root)]),
        }


def make_plan(
    root: Path, venv: Path, extras: frozenset[str], mujoco: str, onnxruntime: str, environment: Mapping[str, str]
) -> Plan:
    """Decide what to reach with the running interpreter, from what is asked and what shell and machine have."""
    distribution = sourced_distribution(environment, venv)
    torch = "gpu" if has_nvidia_driver(environment) else "cpu"
    onnxruntime = onnxruntime or torch
    check_choices(extras, onnxruntime)
    return Plan(
        root=root,
        venv=venv,
        python=Path(sys.executable),
        python_version=".".join(str(number) for number in sys.version_info[:3]),
        distribution=distribution,
        has_colcon=distribution is not None and importlib.util.find_spec("colcon_ros") is not None,
        extras=extras,
        onnxruntime=onnxruntime,
        mujoco=mujoco,
        torch=torch,
    )
