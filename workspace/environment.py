"""Environment variables that commands of the workspace need, for the set-up's own commands and as a file to source."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from workspace.plan import Plan

ASTRAY = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV")
"""Variables that would lead make, Python and pip astray."""


def search_paths(plan: Plan) -> dict[str, list[str]]:
    """Folders to put in front of the variables that list folders."""
    messages = plan.install_space / "spirl_msgs"
    modules = [*messages.glob("lib/python3*/*-packages"), *messages.glob("local/lib/python3*/*-packages")]
    # The installed copy of spirl_ros's modules is not listed: they are imported from src, so that an edit counts at
    # once.
    if plan.distribution is not None:
        modules.insert(0, plan.linked_modules)
    prefixes = [plan.install_space / "spirl_ros", messages]
    libraries = [messages / "lib"]
    if plan.distribution is None:
        prefixes.append(plan.venv)
        libraries += [plan.venv / "lib", *sorted(plan.site_packages.glob("ros_*.libs"))]
    return {
        "PATH": [str(plan.venv / "bin")],
        "AMENT_PREFIX_PATH": [str(path) for path in prefixes],
        "PYTHONPATH": [str(path) for path in modules],
        "LD_LIBRARY_PATH": [str(path) for path in libraries],
    }


def settings(plan: Plan) -> dict[str, str]:
    """Variables with one value. SPIRL_ENVIRONMENT says that this environment is in effect."""
    if plan.distribution is not None:
        return {"SPIRL_ENVIRONMENT": str(plan.venv)}
    return {
        "SPIRL_ENVIRONMENT": str(plan.venv),
        # The only one that the wheels bring.
        "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
        # The wheels start Python a second time to set LD_LIBRARY_PATH, unless this says that it is set.
        "_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1",
    }


def build_environment(plan: Plan, environment: Mapping[str, str]) -> dict[str, str]:
    """Environment for pip and colcon."""
    kept = {name: value for name, value in environment.items() if name not in ASTRAY}
    path = f"{plan.venv / 'bin'}:{environment.get('PATH', os.defpath)}"
    kept.update({"PATH": path, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"})
    # Without this colcon lets make wait whenever the machine is busy with something else.
    kept["MAKEFLAGS"] = f"-j{os.cpu_count() or 1}"
    if plan.distribution is None:
        for name in ("PYTHONPATH", "LD_LIBRARY_PATH", "COLCON_PREFIX_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE"):
            kept.pop(name, None)
        kept.update({"AMENT_PREFIX_PATH": str(plan.venv), "CMAKE_PREFIX_PATH": str(plan.venv)})
    return kept


def write_environment(plan: Plan) -> None:
    """Write `env.sh`, to be sourced by a shell, and `bin/spirl-env`, which runs one command in the same environment."""
    lines = [
        "# Written by the set-up. Source it to use this workspace in a shell: . "
        + shlex.quote(str(plan.venv / "env.sh")),
        f'if [ "${{SPIRL_ENVIRONMENT:-}}" != {shlex.quote(str(plan.venv))} ]; then',
    ]
    for name, folders in search_paths(plan).items():
        lines.append(f'  export {name}={shlex.quote(":".join(folders))}"${{{name}:+:${name}}}"')
    lines += [f"  export {name}={shlex.quote(value)}" for name, value in settings(plan).items()]
    lines.append("fi")
    _replace(plan.venv / "env.sh", "\n".join(lines) + "\n", 0o644)
    command = (
        "#!/bin/sh\n"
        "# Written by the set-up. Runs a command in the environment of this workspace.\n"
        f". {shlex.quote(str(plan.venv / 'env.sh'))}\n"
        'exec "$@"\n'
    )
    _replace(plan.venv / "bin" / "spirl-env", command, 0o755)


def _replace(path: Path, text: str, mode: int) -> None:
    """Write a file so that it is there as a whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8")
    new.chmod(mode)
    new.replace(path)
