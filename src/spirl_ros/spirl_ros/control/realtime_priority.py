"""Asks the kernel for real-time priorities."""

import os
from pathlib import Path


def ask_for_realtime_priority(priority: int, thread_id: int = 0) -> str:
    """Put a thread under SCHED_FIFO, if that is permitted; returns one sentence for diagnostics.

    Args:
        priority: 1 to 99; controllers of ros2_control have 50.
        thread_id: the kernel's number of it; 0 for the calling thread.
    """
    try:
        os.sched_setscheduler(thread_id, os.SCHED_FIFO, os.sched_param(priority))
    except (OSError, AttributeError) as error:
        return f"no SCHED_FIFO ({error}): allow it with `ulimit -r` or rtprio in /etc/security/limits.d"
    return f"SCHED_FIFO {priority}"


def ask_for_process(priority: int) -> None:
    """Put every thread of this process under SCHED_FIFO, if that is permitted, or back with priority 0.

    A thread that needs Python's interpreter lock waits for whoever has it, however unimportant that one is: when the
    kernel lets a busy process run in its place, a control step is late. The threads of the middleware are among them.
    """
    policy = os.SCHED_FIFO if priority else os.SCHED_OTHER
    for thread in Path("/proc/self/task").glob("*"):
        try:
            os.sched_setscheduler(int(thread.name), policy, os.sched_param(priority))
        except (OSError, AttributeError):
            pass  # Not permitted, which the control thread says, or a thread that has just ended.
