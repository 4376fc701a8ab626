import os

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("mujoco")

from benchmarks.soak import Held, SoakFigures, held_by, measure_soak, slope_kb


def test_slope_is_that_of_a_straight_line_per_episode() -> None:
    """100, 101, 102 MB is 1,000 kB an episode; one episode has no slope."""
    assert slope_kb([Held(100.0 + step, 10, 3) for step in range(3)]) == pytest.approx(1000.0)
    assert slope_kb([Held(100.0, 10, 3)]) == 0.0


def test_table_compares_what_nodes_hold_after_they_have_settled() -> None:
    """Of ten episodes the first two fill caches: 50 MB at first are not compared, 60 and 60.7 MB are."""
    held = [Held(50.0, 9, 4), Held(55.0, 9, 4), *(Held(60.0 + 0.1 * step, 10 + step, 5) for step in range(8))]
    figures = SoakFigures("lockstep", {"recorder": held}, [4] * 9 + [3], ["stopped after 1 episodes: x"], {"cores": 2})
    lines = figures.table().splitlines()
    assert lines[0].startswith("| lockstep, episodes 3 to 10 |")
    assert lines[2] == "| recorder | 60.0 → 60.7 | +100.0 | 10 → 17 | 5 → 5 |"
    assert "| subtasks in order | 3.90 on average over 10 episodes | | | |" in lines
    assert "| episodes that were interrupted | 1 | | | |" in lines
    assert lines[-1] == "stopped after 1 episodes: x; cores 2"


def test_process_is_asked_for_what_it_holds() -> None:
    before = held_by(os.getpid())
    with open(os.devnull) as _, open(os.devnull) as _:
        held = held_by(os.getpid())
    assert held.memory_mb > 10.0 and held.threads >= 1
    assert held.descriptors == before.descriptors + 2


@pytest.mark.slow
def test_whole_graph_is_followed_through_its_episodes() -> None:
    for package in ("spirl_msgs", "viser"):
        pytest.importorskip(package)
    figures = measure_soak("kitchen", "lockstep", episodes=2)
    assert set(figures.held) == {
        *("mujoco_sim", "skill_executor", "skill_policy"),
        *("recorder", "monitor", "scene_markers"),
    }
    assert all(len(held) == 2 for held in figures.held.values())
    assert len(figures.in_order) == 2 and figures.interruptions == []
