"""What can go wrong in the set-up, as one line that says what was found, what is needed and what to install."""

import re


class SetupProblem(RuntimeError):
    """The set-up cannot go on. The message is complete: it is shown alone, without a traceback."""

    output = ""
    """What the command printed that failed, if it was one."""


_NO_NETWORK = (
    r"name resolution|Name or service not known|Connection refused|Network is unreachable|Connection reset"
    r"|Failed to establish a new connection|Max retries exceeded|ProxyError|Read timed out|ConnectTimeout|SSLError"
)
_NOT_FOUND = r"No matching distribution found for (\S+)"


def explain_failure(output: str) -> str | None:
    """Name the cause of a failed command from what it printed, or None where it is none of the known ones."""
    if "No space left on device" in output or "Disk quota exceeded" in output:
        return "The disk is full. Free some space (2 GB are enough) and run the same command again."
    # A package index that cannot be reached ends in "not found" as well, so the network comes first.
    if re.search(_NO_NETWORK, output):
        return (
            "A package could not be downloaded. Check the network and pip's settings, then run the same command again."
        )
    not_found = re.search(_NOT_FOUND, output)
    if not_found:
        return (
            f"pip found no {not_found.group(1)} for this Python and machine, or could not reach its package index. "
            "Check the network and `pip config list`, or take another Python: make PYTHON=python3.12"
        )
    if "ensurepip" in output:
        return "Python's venv module is incomplete. Debian, Ubuntu: sudo apt install python3-venv"
    return None
