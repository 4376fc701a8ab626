"""Recordings that were made to do harm: each is refused in one line, in bounded time and memory."""

import json
import re
import subprocess
import sys

import pytest

pytest.importorskip("spirl_msgs", reason="definitions of our messages come from the workspace: make setup")

from tests.recording.hostile_bags import make_hostile_bags

_IMPORT_EACH = """
import contextlib, io, json, sys, time
from spirl_ros.commands.main import main

def peak_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

for path in sys.argv[1:]:
    told, begin_s = io.StringIO(), time.process_time()
    with contextlib.redirect_stderr(told):
        code = main(["demos", "import", path, "--robot", "ur5e", "--out", "/nonexistent/out"])
    print(json.dumps([path, code, told.getvalue(), time.process_time() - begin_s, peak_mb()]), flush=True)
"""


@pytest.mark.slow
def test_hostile_recordings_are_refused_in_one_line_5_s_and_500_mb(tmp_path) -> None:
    """244 kB took 7.7 GB, recursive definitions ended in a traceback, and aliases hung.

    Time is that of the processor: nine others may share it. Memory is the largest of the whole process so far.
    """
    patterns = make_hostile_bags(tmp_path)
    ended = subprocess.run([sys.executable, "-c", _IMPORT_EACH, *patterns], capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr[-2000:]
    results = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [path for path, *_ in results] == list(patterns)
    for path, code, told, seconds, peak_mb in results:
        assert code == 2 and told.startswith("error: ") and told.count("\n") == 1 and told[:-1].isprintable(), told
        assert re.search(patterns[path], told), f"{told} instead of {patterns[path]}"
        assert len(told) < 1500
        assert seconds < 5.0 and peak_mb < 500.0, (path, seconds, peak_mb)
