import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import subprocess, sys
from pathlib import Path
from workspace.lock import exclusive
with exclusive(Path(sys.argv[1])) as file:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdin=file)
    print(child.pid, flush=True)
    child.wait()
"""


def is_locked(path):
    with open(path, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_lock_holds_until_the_commands_of_a_killed_setup_have_ended(tmp_path):
    path = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    try:
        assert is_locked(path)
        holder.kill()
        holder.wait()
        assert is_locked(path)
    finally:
        os.kill(child, signal.SIGKILL)
    end_s = time.monotonic() + 5
    while is_locked(path):
        assert time.monotonic() < end_s
        time.sleep(0.01)
