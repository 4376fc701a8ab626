"""The bundle that is shipped does its task, here and in the environment that it was not trained in."""

from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("mujoco")

from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.errors import SpirlError
from spirl_ros.rl.evaluation import EvaluationSettings, evaluate_bundle
from spirl_ros.rl.franka_kitchen_evaluation import evaluate_in_franka_kitchen

BUNDLE = Path(__file__).parents[2] / "models" / "kitchen"


def test_it_completes_three_of_four_subtasks_and_mostly_all():
    figures = evaluate_bundle(load_bundle(BUNDLE), EvaluationSettings(episodes=3))
    assert figures["ordered_mean"] >= 3.0
    assert figures["interventions_mean"] == 0.0


def test_it_does_as_well_in_franka_kitchen():
    pytest.importorskip("gymnasium_robotics")
    try:
        figures = evaluate_in_franka_kitchen(load_bundle(BUNDLE), EvaluationSettings(episodes=2))
    except SpirlError as error:
        pytest.skip(str(error))
    assert figures["ordered_mean"] >= 3.0
    assert figures["ordered_counts"][4] >= 1
