"""What a person can ask for with the page's buttons."""

from dataclasses import dataclass

STOP, RELEASE = "stop", "release"
"""Emergency stop, and the end of its latch."""
PAUSE, RESUME, START, RESET = "pause", "resume", "start", "reset"
TASK, SOURCE = "task", "source"


@dataclass(frozen=True)
class Order:
    """One press of a button."""

    what: str
    """One of the constants of this module."""
    value: str = ""
    """Name of the task, or `policy` or `prior`; empty for other orders."""
