import subprocess
import sys

import pytest

from spirl_ros.control.realtime_priority import ask_for_realtime_priority

PROCESS = """
import os, threading
from pathlib import Path
from spirl_ros.control.realtime_priority import ask_for_process
done = threading.Event()
threading.Thread(target=done.wait).start()
def policies():
    return {os.sched_getscheduler(int(task.name)) for task in Path("/proc/self/task").glob("*")}
ask_for_process(10)
under_fifo = policies()
ask_for_process(0)
put_back = policies()
done.set()
print(under_fifo == {os.SCHED_FIFO}, put_back == {os.SCHED_OTHER})
"""


def test_refusal_is_told_with_the_next_step() -> None:
    assert "ulimit -r" in ask_for_realtime_priority(1000)  # There is no such priority.


def test_every_thread_of_a_process_is_raised_and_put_back() -> None:
    permitted = "from spirl_ros.control.realtime_priority import ask_for_realtime_priority as ask; print(ask(10))"
    run = [sys.executable, "-c"]
    if "no" in subprocess.run([*run, permitted], capture_output=True, text=True, check=True).stdout:
        pytest.skip("SCHED_FIFO is not permitted here")
    done = subprocess.run([*run, PROCESS], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.split() == ["True", "True"]
