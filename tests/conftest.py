"""Which tests get a second try, and where the programs under test keep what they remember."""

import os
import tempfile

import pytest

# Of this run alone, for the processes that tests start as well; it goes with the run.
_cache = tempfile.TemporaryDirectory(prefix="spirl_test_cache_")
os.environ["SPIRL_CACHE"] = _cache.name

REALTIME_FOLDERS = ("browser", "end_to_end", "launch", "nodes")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Try tests of processes that run in real time once more when they fail, and list them as RERUN in the summary.

    A shared machine that stands still for half a second makes an arm brake, as it should, in a test of something else.
    """
    for item in items:
        if item.path.parent.name in REALTIME_FOLDERS or item.path.name == "test_up.py":
            item.add_marker(pytest.mark.flaky(reruns=1))
