import pytest

from benchmarks.monitor import Cost, MonitorFigures

UNWATCHED = Cost(cpu_percent=0.5, rate_hz=0.0, load=3.02)


def test_table_has_every_figure_with_its_share_of_the_target() -> None:
    """0.5 of 2 %, 12 of 15 %, and 33 of 30 Hz."""
    figures = MonitorFigures(60.0, UNWATCHED, Cost(cpu_percent=12.0, rate_hz=33.0, load=5.0), {"cores": 2})
    lines = figures.table().splitlines()
    assert lines[0] == "| the page, over 60 s each | measured | target | share of the target | load |"
    assert lines[2:5] == [
        "| no viewer: processor time | 0.5 % of a core | at most 2 % | 0.25 | 3.0 |",
        "| one viewer: processor time | 12.0 % of a core | at most 15 % | 0.80 | 5.0 |",
        "| one viewer: updates of the scene | 33.0 Hz | at least 30 Hz | 1.10 | 5.0 |",
    ]
    assert lines[-1] == "cores 2"


def test_machine_without_a_browser_says_what_is_left_out() -> None:
    lines = MonitorFigures(60.0, UNWATCHED, None, {"cores": 2}).table().splitlines()
    assert len([line for line in lines if line.startswith("|")]) == 3
    assert "a viewer's cost is left out: no chromium, chromium-browser, google-chrome here" in lines[-1]


@pytest.mark.slow
def test_page_that_nobody_looks_at_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("spirl_msgs", "viser", "mujoco", "onnxruntime"):
        pytest.importorskip(package)
    from benchmarks.monitor import measure_monitor
    from spirl_ros.shipped import shipped

    monkeypatch.setattr("benchmarks.monitor.BROWSERS", ())
    figures = measure_monitor(shipped("models/kitchen"), seconds=2.0)
    assert figures.watched is None
    assert figures.unwatched.rate_hz == 0.0 and 0.0 <= figures.unwatched.cpu_percent < 50.0
