"""Runs `spirl` commands on a disk that is really full, and says what they leave there.

The disk is a tmpfs of a given size in a mount namespace of its own. Where that is not allowed, a limit on the size of
files stands in for it: the same calls fail, with another number.
"""

import json
import resource
import subprocess
import sys
from functools import cache
from pathlib import Path

_SCRIPT = """
import json, os, subprocess, sys
from pathlib import Path
from spirl_ros.commands.main import main
disk, runs, room = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
(disk / "mine").write_text("mine")
codes = []
for number, arguments in enumerate(runs):
    if number == 1:
        if room == "remount":
            subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        else:
            import resource
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    codes.append(main(arguments))
    print("left", json.dumps(sorted(str(path.relative_to(disk)) for path in disk.rglob("*"))))
assert (disk / "mine").read_text() == "mine"
print("codes", json.dumps(codes))
"""


@cache
def kind_of_disk() -> str:
    """`tmpfs` where a namespace can mount one, else `file size limit`."""
    trial = subprocess.run(
        ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=64k none /tmp"], capture_output=True, check=False
    )
    return "tmpfs" if trial.returncode == 0 else "file size limit"


def run_on_small_disk(disk: Path, size_kb: int, *runs: list[str]) -> tuple[list[int], list[list[str]], str]:
    """Run commands one after the other; before the second, room is made.

    Returns:
        Their exit codes, the names on the disk after each, and everything printed to the standard error.
    """
    is_mounted = kind_of_disk() == "tmpfs"
    command = [sys.executable, "-c", _SCRIPT, str(disk), json.dumps(runs), "remount" if is_mounted else "unlimited"]
    if is_mounted:
        mount = f'mount -t tmpfs -o size={size_kb}k none "$0" && exec "$@"'
        command = ["unshare", "-rm", "sh", "-c", mount, str(disk), *command]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size_kb * 1024, resource.RLIM_INFINITY))

    finished = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        preexec_fn=None if is_mounted else limit,
    )
    lines = dict(line.split(" ", 1) for line in finished.stdout.splitlines() if line.startswith("codes "))
    assert "codes" in lines, f"{finished.returncode}: {finished.stdout}{finished.stderr}"
    left = [json.loads(line.removeprefix("left ")) for line in finished.stdout.splitlines() if line.startswith("left ")]
    return json.loads(lines["codes"]), left, finished.stderr
