"""What every test has: a cache of the run alone, a ROS domain that nobody else uses, and quick exports."""

import os
import sys
import tempfile
from collections.abc import Iterator

import pytest

from benchmarks.node_processes import own_domain
from spirl_ros.errors import PlotError
from spirl_ros.tasks.opengl import working_backend

# Of this worker alone, for the processes that tests start as well; it goes with the run.
_cache = tempfile.TemporaryDirectory(prefix="spirl_test_cache_")
os.environ["SPIRL_CACHE"] = _cache.name
# Workers share the cores already: threads that wait for each other cost more than they gain.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Where Python is told to keep no compiled modules, each process that a test starts would compile all of ours again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

_LONGEST = ("test_disturbed_arm.py", "test_respawn.py", "test_monitor_page.py", "test_policy.py", "test_trainer.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules that take longest come first, so that no worker has one of them left when the other has finished."""
    items.sort(key=lambda item: item.path.name not in _LONGEST)


@pytest.fixture
def domain_environment() -> Iterator[dict[str, str]]:
    """Such an environment for one test."""
    with own_domain() as environment:
        yield environment


@pytest.fixture(scope="session")
def opengl() -> str:
    """What MuJoCo draws with here, for tests that draw."""
    pytest.importorskip("mujoco")
    try:
        return working_backend()
    except PlotError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session", autouse=True)
def equal_modules_are_exported_once() -> Iterator[None]:
    """For torch takes seconds, and many tests train on the same skills; the result is compared with torch each time."""
    if "torch" not in sys.modules:  # no test of this run learns or exports
        yield
        return
    bundle_export = pytest.importorskip("spirl_ros.skills.bundle_export", reason="export needs onnx and onnxscript")
    export_module, made = bundle_export.export_module, {}

    def export_once(module, inputs, outputs, defaults=None) -> bytes:
        shapes = {name: (tuple(value.shape), str(value.dtype)) for name, value in inputs.items()}
        weights = [(name, value.numpy().tobytes()) for name, value in module.state_dict().items()]
        key = repr((module, shapes, outputs, defaults, weights))
        if key not in made:
            made[key] = export_module(module, inputs, outputs, defaults)
        return made[key]

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(bundle_export, "export_module", export_once)
        yield
