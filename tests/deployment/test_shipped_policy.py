"""The bundle that is shipped does its task, here and in the environment that it was not trained in."""

from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("mujoco")

from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.errors import SpirlError
from spirl_ros.kitchen.franka_kitchen import make_franka_kitchen
from spirl_ros.kitchen.franka_kitchen_evaluation import evaluate_in_franka_kitchen
from spirl_ros.rl.evaluation import EvaluationSettings, evaluate_bundle
from spirl_ros.tasks.disturbance import Disturbance

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


def test_franka_kitchen_is_disturbed_too():
    """In which an arm whose servos are all but off does nothing, and one that starts elsewhere is seen there."""
    pytest.importorskip("gymnasium_robotics")
    weak = Disturbance(gains=(0.01, 0.01), start={"panda0_joint1": 0.1}, push=0.1, masses={"kettleroot": (2.0, 2.0)})
    try:
        make_franka_kitchen().close()
    except SpirlError as error:
        pytest.skip(str(error))
    figures = evaluate_in_franka_kitchen(load_bundle(BUNDLE), EvaluationSettings(episodes=1, disturbance=weak))
    assert figures["completed_subtasks_mean"] == 0.0
