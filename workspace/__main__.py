"""Command line of the set-up. `workspace/run` starts it with a Python that fits."""

import argparse
import errno
import os
import subprocess
import sys
from pathlib import Path

from workspace.distribution import Distribution, sourced_distribution
from workspace.lock import exclusive
from workspace.plan import make_plan
from workspace.problem import SetupProblem, explain_failure
from workspace.progress import Progress
from workspace.requirements import EXTRAS
from workspace.stages import Setup, check_machine, is_broken, is_current
from workspace.state import load_state, remove_environment


def main() -> int:
    """Bring the clone's environment up to date.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="workspace/run", description="Sets up this clone; does what is left to do.")
    parser.add_argument("--venv", default=".venv", help="folder of the Python environment (default: %(default)s)")
    parser.add_argument("--extras", nargs="*", default=["sim"], help=f"some of {', '.join(EXTRAS)} (default: sim)")
    parser.add_argument("--mujoco", default="", help="version of mujoco to take instead of the pinned one")
    parser.add_argument("--onnxruntime", default="", help="cpu or gpu (default: gpu where an NVIDIA driver is found)")
    parser.add_argument("--python-given", action="store_true", help="insist on the interpreter that runs this")
    parser.add_argument("--quiet", action="store_true", help="print nothing when nothing is left to do")
    arguments = parser.parse_args()
    try:
        set_up(arguments)
    except SetupProblem as problem:
        print(f"set-up: {problem}", file=sys.stderr)
        return 1
    except OSError as error:
        cause = explain_failure(os.strerror(error.errno)) if error.errno in (errno.ENOSPC, errno.EDQUOT) else None
        print(f"set-up: {cause or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("set-up: interrupted; the next run repairs what is half done", file=sys.stderr)
        return 130
    return 0


def set_up(arguments: argparse.Namespace) -> None:
    """Do what is left to do."""
    root = Path(__file__).resolve().parents[1]
    venv = (root / arguments.venv).absolute()
    take_interpreter(venv, arguments.python_given)
    with exclusive(root / ".setup.lock") as lock_file:
        state = load_state(venv)
        extras = frozenset(arguments.extras) | frozenset(state.extras if state else [])
        plan = make_plan(root, venv, extras, arguments.mujoco, arguments.onnxruntime, os.environ)
        ros = f"ROS 2 {plan.distribution.name}" if plan.distribution else "ROS 2 Jazzy from wheels"
        summary = f"{venv.name}, Python {plan.python_version}, {ros}"
        if is_current(plan, state):
            if not arguments.quiet:
                print(f"set-up: nothing left to do ({summary})")
            return
        if state and is_broken(state):
            remove_environment(venv)
        check_machine(plan, os.environ)
        log_path = root / ".setup.log"
        print(f"set-up: {summary} (log: {log_path.name})", flush=True)
        Setup(plan, Progress(log_path, lock_file), os.environ).run()


def take_interpreter(venv: Path, is_given: bool) -> None:
    """Go on with the right interpreter; where that is another one, this does not return.

    The right one is a base interpreter, never that of an environment, which may be the one to replace: the one that the
    sourced distribution was built for, or the one that was given, or the one the environment was made with.
    """
    base = Path(getattr(sys, "_base_executable", sys.executable))
    wanted = base
    distribution = sourced_distribution(os.environ, venv)
    state = load_state(venv)
    if distribution:
        wanted = _interpreter_of(distribution, base, is_given)
    elif not is_given and state and state.python:
        wanted = _interpreter(state.python)[1] or base
    is_in_environment = sys.prefix != sys.base_prefix
    if is_in_environment or os.path.realpath(wanted) != os.path.realpath(base):
        os.execv(wanted, [str(wanted), "-m", "workspace", *sys.argv[1:]])


def _interpreter_of(distribution: Distribution, base: Path, is_given: bool) -> Path:
    """The interpreter that a distribution was built for."""
    candidates = [str(base)]
    if not is_given:
        candidates += ["/usr/bin/python3", f"python{distribution.python_version}"]
    for candidate in candidates:
        version, path = _interpreter(candidate)
        if path and version == distribution.python_version:
            return path
    raise SetupProblem(
        f"ROS 2 {distribution.name} is sourced and was built for Python {distribution.python_version}, "
        f"but {base} is {_interpreter(str(base))[0]}. Take the right one: "
        f"make PYTHON=/usr/bin/python{distribution.python_version}"
    )


def _interpreter(python: str) -> tuple[str, Path | None]:
    """Major and minor version of an interpreter, and where it really is; empty and None where it does not run."""
    snippet = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
    try:
        output = subprocess.run([python, "-c", snippet], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "", None
    version, _, path = output.strip().partition(" ")
    return version, Path(path)


if __name__ == "__main__":
    sys.exit(main())
