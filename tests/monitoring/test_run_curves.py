from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from spirl_ros.monitoring.run_curves import draw_run, running_mean
from spirl_ros.monitoring.run_metrics import RunMetrics

EPISODES = tuple({"part": "episode", "step": 280 * n, "updates": n, "ordered": n % 3} for n in range(1, 30))
EVALUATIONS = tuple({"part": "evaluation", "step": 5000 * n, "updates": n, "ordered": 0.5 * n} for n in (1, 2))
UPDATE = {"part": "update", "step": 9, "updates": 1, "cost": 1.0, "temperature": 0.1, "value": 0.0, "critic_loss": 0.1}


def test_running_mean_begins_with_what_there_is() -> None:
    np.testing.assert_allclose(running_mean(np.array([2.0, 4.0, 6.0, 8.0]), 2), [2.0, 3.0, 5.0, 7.0])
    assert running_mean(np.array([]), 20).size == 0


def test_each_seed_has_its_evaluations_and_its_running_mean() -> None:
    runs = [RunMetrics(name, (*EPISODES, *EVALUATIONS, UPDATE)) for name in ("seed_0", "seed_1")]
    axes = draw_run(runs).axes[0]
    assert len(axes.lines) == 4
    np.testing.assert_array_equal(np.column_stack(axes.lines[1].get_data()), [[5000.0, 0.5], [10000.0, 1.0]])
    legend = axes.get_legend()
    assert legend is not None and [text.get_text() for text in legend.get_texts()] == ["seed_0", "seed_1"]


def test_training_that_has_just_begun_can_be_drawn() -> None:
    assert len(draw_run([RunMetrics("rl", (UPDATE,))]).axes) == 6
    skills = {"part": "training", "step": 50, "reconstruction": 0.1, "kl": 1.0, "prior": 2.0}
    assert len(draw_run([RunMetrics("skills", (skills,))]).axes) == 3


@pytest.mark.parametrize("extra", [(), ({"part": "test", "step": 1},)])
def test_unknown_parts_are_ignored(extra: tuple, tmp_path: Path) -> None:
    draw_run([RunMetrics("rl", (UPDATE, *extra))]).savefig(tmp_path / "curves.png")
