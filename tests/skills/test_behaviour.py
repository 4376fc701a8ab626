"""Skills in the simulated kitchen."""

from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
import torch

from spirl_ros.demonstrations.collection import CollectionConfig, record_chain
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.deployment.bundle import Bundle, load_bundle
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.skills.behaviour import SkillBehaviour
from spirl_ros.skills.config import SkillModelConfig, SkillTrainingConfig
from spirl_ros.skills.evaluation import evaluate_skills, evaluation_table, exported_skills, skill_latents
from spirl_ros.skills.evaluation_plots import decoded_paths, write_skill_plots
from spirl_ros.skills.run import SkillRun, SkillRunConfig
from spirl_ros.skills.train import dataset_reference, train

HORIZON = 10


class DemonstratedActions:
    """Plays one demonstration: the latent's first value is the control step that a skill starts at."""

    def __init__(self, actions: np.ndarray) -> None:
        self._actions = actions

    def decode(self, state: np.ndarray, latent: np.ndarray, step: int) -> np.ndarray:
        at = int(latent[0]) + step
        return self._actions[at] if at < len(self._actions) else np.zeros(9)

    def copy(self) -> "DemonstratedActions":
        return self


@pytest.fixture(scope="module")
def demonstration():
    episode = record_chain(CollectionConfig(seed=777, noise=(0.0, 0.0)), 0).episode
    assert episode is not None
    return episode


@pytest.fixture(scope="module")
def trained(demonstration, tmp_path_factory) -> tuple[SkillRun, Dataset]:
    """A training of a few steps on real demonstrations."""
    second = record_chain(CollectionConfig(seed=777, noise=(0.05, 0.05)), 1).episode
    assert second is not None
    dataset = Dataset((demonstration, second), "kitchen")
    model = SkillModelConfig(encoder_hidden=16, encoder_layers=1, decoder_hidden=16, prior_hidden=16, prior_layers=2)
    training = SkillTrainingConfig(steps=20, validation_every=10, batch_size=32, validation_share=0.5)
    folder = tmp_path_factory.mktemp("skills") / "run"
    run = SkillRun.create(folder, SkillRunConfig(model, training, dataset_reference(folder, dataset, "digest")))
    train(run, dataset)
    return run, dataset


@pytest.fixture(scope="module")
def bundle(trained, tmp_path_factory) -> Bundle:
    run, dataset = trained
    return exported_skills(run, dataset, tmp_path_factory.mktemp("bundle") / "small")


def test_perfect_skills_replay_a_demonstration_completely(bundle, demonstration):
    perfect = replace(bundle, decoder=DemonstratedActions(demonstration.actions))
    starts = np.arange(0, demonstration.steps, HORIZON)
    latents = np.zeros((len(starts), 10))
    latents[:, 0] = starts
    report = SkillBehaviour(KITCHEN, perfect).replay([demonstration], [latents])
    assert report.completed_mean == 4.0
    assert all(report.per_subtask[subtask] == 1.0 for subtask in demonstration.metadata.task)


def test_perfect_skills_have_no_tool_error_and_late_ones_have(bundle, demonstration):
    perfect = replace(bundle, decoder=DemonstratedActions(demonstration.actions))

    def encode(delay: int):
        return lambda episode, step: np.array([step + delay] + 9 * [0.0])

    behaviour = SkillBehaviour(KITCHEN, perfect)
    exact = behaviour.tool_errors_m([demonstration], encode(0), starts=3, seed=0)
    late = behaviour.tool_errors_m([demonstration], encode(5), starts=3, seed=0)
    assert exact.shape == late.shape == (3,)
    assert exact.max() < 0.005  # the noise of the measured joints
    assert late.max() > 0.02


def test_results_do_not_depend_on_the_number_of_workers(bundle):
    one, two = (SkillBehaviour(KITCHEN, bundle, workers).prior_alone(2, seed=5) for workers in (1, 2))
    assert one == two


def test_temperature_zero_leaves_no_chance(bundle):
    behaviour = SkillBehaviour(KITCHEN, bundle)
    assert behaviour.prior_alone(1, seed=5, temperature=0.0) == behaviour.prior_alone(1, seed=5, temperature=0.0)


def test_latents_cover_a_demonstration_to_its_end(trained, demonstration):
    """One window alone and in a batch differ in float32's last bits, on another processor by 1.43e-6 of 1e-6
    allowed."""
    model = trained[0].load_best_model()
    latents = skill_latents(model, demonstration)
    assert latents.shape == (-(-demonstration.steps // HORIZON), 10)
    end = demonstration.steps - HORIZON
    with torch.no_grad():
        last = model.encode(
            torch.from_numpy(demonstration.observations[None, end:-1].astype(np.float32)),
            torch.from_numpy(demonstration.actions[None, end:].astype(np.float32)),
        )
    np.testing.assert_allclose(latents[-1], last.mean[0].numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_evaluation_reports_every_part(trained):
    run, dataset = trained
    parts = []
    figures = evaluate_skills(
        run, dataset, episodes=1, demonstrations=1, workers=1, with_cloning=False, on_part=parts.append
    )
    assert {"reconstruction", "replay", "tool_error_mm", "prior", "prior_low_temperature", "random_latents"} == set(
        figures
    )
    assert figures["reconstruction"]["squared_error"] > 0.0
    table = evaluation_table(figures)
    assert "| random latents |" in table and "tool after one skill" in table
    assert parts[0] == "reconstruction"


def test_evaluated_bundle_is_a_whole_bundle(bundle):
    assert load_bundle(bundle.folder).digest == bundle.digest


def test_pictures_show_what_was_trained(trained, bundle, tmp_path):
    run, dataset = trained
    written = write_skill_plots(run, dataset, tmp_path / "plots")
    names = {"learning_curves.png", "latent_space.png", "decoded_skills.png", "prior_entropy.png"}
    assert {path.name for path in written} == names
    for path in written:
        assert matplotlib.image.imread(path).std() > 0.01  # not empty
    paths = decoded_paths(KITCHEN, bundle, dataset.episodes[0])
    assert set(paths) == {"skill prior", "random latents"}
    for path in (path for group in paths.values() for path in group):
        assert path.shape == (HORIZON + 1, 3)
        np.testing.assert_array_equal(path[0], paths["skill prior"][0][0])  # all from one state
    assert len({path[-1].tobytes() for group in paths.values() for path in group}) > 1
