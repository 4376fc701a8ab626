from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.kinematics import KitchenKinematics
from spirl_ros.kitchen.scene import CONTROL_PERIOD_S, INITIAL_POSITIONS, load_kitchen_scene
from spirl_ros.monitoring.skill_preview import SkillPreview
from tests.nodes.kitchen_bundle import HORIZON, PRIOR_MEAN, WEIGHTS, write_kitchen_bundle

SCENE = load_kitchen_scene()


@pytest.fixture
def preview(tmp_path: Path) -> SkillPreview:
    return SkillPreview(load_bundle(write_kitchen_bundle(tmp_path / "bundle"), "cpu"), KITCHEN.view())


def test_way_is_that_of_an_arm_which_follows_at_once(preview: SkillPreview) -> None:
    """The bundle's action is tanh(latent @ weights) at every step: H steps of 2 rad/s times that."""
    latents = np.array([[0.3, -0.2], [-0.5, 0.1]])
    ways = preview.paths(latents, INITIAL_POSITIONS)
    assert ways.shape == (2, HORIZON + 1, 3)
    forward = KitchenKinematics(SCENE).forward
    for way, latent in zip(ways, latents, strict=True):
        np.testing.assert_allclose(way[0], forward(INITIAL_POSITIONS[:7]).position, atol=1e-9)
        step = 2.0 * CONTROL_PERIOD_S * np.tanh(latent @ WEIGHTS)
        end = np.clip(INITIAL_POSITIONS[:9] + HORIZON * step, SCENE.position_lower, SCENE.position_upper)
        np.testing.assert_allclose(way[-1], forward(end[:7]).position, atol=1e-5)


def test_samples_of_the_prior_fan_out_around_its_mean(preview: SkillPreview) -> None:
    ways = preview.prior_paths(30, INITIAL_POSITIONS, np.random.default_rng(0))
    mean = preview.paths(np.array([PRIOR_MEAN]), INITIAL_POSITIONS)[0]
    assert ways.shape == (30, HORIZON + 1, 3)
    assert 1e-4 < ways[:, -1].std(axis=0).max() < 0.1
    np.testing.assert_allclose(ways[:, -1].mean(axis=0), mean[-1], atol=0.01)
