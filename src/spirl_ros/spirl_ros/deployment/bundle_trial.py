"""Tries a bundle that this machine has never run in a process with limits, so that a bad one harms nobody.

Reading its graphs can take all memory, what a graph costs cannot be told from its file, and ONNX Runtime may crash on
one. A bundle
that passed is remembered by its digest, which holds those of all its files, and so is what was exported here: starting
again costs nothing.
"""

import os
import resource
import signal
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from spirl_ros.errors import BundleError, SpirlError
from spirl_ros.files.plain_yaml import printable

MOST_PROCESSOR_S = 3
"""Of one core. Ours take 0.4 s, nearly all of it for importing ONNX Runtime."""
MOST_MEMORY_BYTES = 400_000_000
"""Of data. Ours take 130 MB."""
CACHE_VARIABLE = "SPIRL_CACHE"
"""Environment variable with the folder that bundles are remembered in; ~/.cache/spirl_ros without it."""
PATIENCE_S = 8.0
"""Of the steady clock, for a machine that is busy or a file that does not come."""


def try_first(folder: Path, digest: str) -> None:
    """Load a bundle in a process of its own, unless one of this digest is known to be good.

    Raises:
        BundleError: what that process said, or that it needed too much.
    """
    memory = _memory(digest)
    if memory.exists():
        return
    command = [sys.executable, "-m", "spirl_ros.deployment.bundle_trial", str(folder.absolute())]
    try:
        done = subprocess.run(
            command,
            cwd="/",  # python -m would import what lies in the present folder, which may be the bundle's
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_S,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise BundleError(f"trying its graphs took more than {PATIENCE_S:g} s. Use another bundle.") from None
    told = done.stderr.decode(errors="replace").strip().rsplit("\n", 1)[-1]
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise BundleError(f"its graphs need more than {MOST_PROCESSOR_S} s of processor time. Use another bundle.")
    if done.returncode < 0:
        raise BundleError(
            f"ONNX Runtime crashes on its graphs ({signal.Signals(-done.returncode).name}). Export again."
        )
    if done.returncode != 0:
        raise BundleError(printable(told.removeprefix("error: ").removeprefix(f"{folder.absolute()}: "), limit=400))
    if done.stdout.decode(errors="replace").strip() != digest:
        raise BundleError("it was changed while it was read. Load it again.")
    remember(digest)


def remember(digest: str) -> None:
    """Note that the bundle of this digest is good; where the home cannot be written, it is tried again."""
    memory = _memory(digest)
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.touch()
    except OSError:
        pass


def _memory(digest: str) -> Path:
    try:
        cache = Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "spirl_ros")
    except RuntimeError:  # nobody's home
        cache = Path("/nonexistent")
    try:
        runtime = version("onnxruntime")
    except PackageNotFoundError:  # under another name, such as onnxruntime-gpu
        runtime = "other"
    return cache / "bundles_that_ran" / f"{digest}.onnxruntime-{runtime}"


def main() -> None:
    """Load the bundle of the first argument and print its digest."""
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_PROCESSOR_S, MOST_PROCESSOR_S + 1))
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A real-time priority of whoever loads must not go to a graph that nobody knows.
    if hasattr(os, "sched_setscheduler"):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))

    from spirl_ros.deployment.bundle import load_bundle

    try:
        print(load_bundle(sys.argv[1], "cpu", tries_first=False).digest)
    except SpirlError as error:
        sys.exit(f"error: {error}")
    except Exception as error:  # ONNX Runtime has one of its own for everything
        reason = printable(str(error).splitlines()[0] if str(error) else type(error).__name__, limit=200)
        sys.exit(f"error: running its graphs fails: {reason}. Use another bundle.")


if __name__ == "__main__":
    main()
