from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.kitchen.scene import INITIAL_POSITIONS
from spirl_ros.rl.episode_film import film_episode
from spirl_ros.rl.evaluation import EvaluationSettings, evaluate_bundle
from spirl_ros.shipped import shipped


def test_film_is_of_the_episode_that_is_counted() -> None:
    bundle, settings = load_bundle(Path(shipped("models/kitchen")), "cpu"), EvaluationSettings(episodes=1, seed=3)
    figures, film = evaluate_bundle(bundle, settings), film_episode(bundle, settings)
    assert film.positions.shape == (len(film.captions), 30)
    np.testing.assert_array_equal(film.positions[0], INITIAL_POSITIONS)
    assert np.isfinite(film.positions).all() and film.captions[0].endswith("step 0")
    last = film.captions[-1].splitlines()
    assert sum(line.startswith("+") for line in last) == figures["completed_subtasks_mean"]
    assert last[-1] == f"step {len(film.captions) - 1}"
