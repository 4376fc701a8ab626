"""One set-up at a time in a clone."""

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def exclusive(path: Path) -> Iterator[IO[str]]:
    """Wait for the lock and hold it.

    Commands that the set-up starts get the lock file as their standard input, and so do the compilers that they start:
    when only the set-up itself is killed, the next one waits here until none of them writes any more.
    """
    with open(path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("set-up: another one runs in this clone, waiting for it", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file
