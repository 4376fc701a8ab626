"""Says which fields of a dataset a command does not take along."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spirl_ros.demonstrations.dataset import Dataset


def say_left_out_fields(dataset: "Dataset", because: str, but_for: str = "") -> list[str]:
    """Name on stderr what was observed beside the state, in one line, where there is something; returns the names.

    Args:
        dataset: whose fields are left out.
        because: why, for the end of the line.
        but_for: fields of this type are taken along.
    """
    names = [one.name for one in dataset.episodes[0].metadata.more_fields if one.dtype != but_for]
    if names:
        print(f"left out: {', '.join(names)}; {because}.", file=sys.stderr)
    return names
