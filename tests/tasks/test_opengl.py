"""What MuJoCo draws with: found where it works, named, and what to install where nothing does."""

import pytest

from spirl_ros.errors import PlotError
from spirl_ros.tasks.opengl import working_backend


@pytest.mark.parametrize(
    "egl", ["sys.exit('no display')", "os.kill(os.getpid(), 9)", "time.sleep(600)"], ids=["fails", "dies", "hangs"]
)
def test_osmesa_draws_where_egl_does_not(egl: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    probe = f"import os, sys, time; os.environ['MUJOCO_GL'] == 'osmesa' or {egl}"
    monkeypatch.setattr("spirl_ros.tasks.opengl._PROBE", probe)
    monkeypatch.setattr("spirl_ros.tasks.opengl._PROBE_PATIENCE_S", 3.0)
    assert working_backend() == "osmesa"
    monkeypatch.setenv("MUJOCO_GL", "egl")  # what somebody asks for is not replaced
    with pytest.raises(PlotError, match="nothing can draw without a screen.* Tried egl: "):
        working_backend()


def test_machine_that_cannot_draw_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "nothing")
    with pytest.raises(PlotError, match="libosmesa6"):
        working_backend()


def test_glfw_without_a_screen_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes a context all the same, and films were promised that could not be drawn."""
    pytest.importorskip("mujoco")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    with pytest.raises(PlotError, match="Tried glfw: "):
        working_backend()
