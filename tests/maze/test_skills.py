"""Skills in mazes: their prior sees picture and velocity, and never where the point is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spirl_ros.demonstrations.storage import read_dataset
from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.errors import DatasetError, SkillError
from spirl_ros.maze.family import MAZE
from spirl_ros.skills.evaluation import evaluate_skills
from spirl_ros.skills.run import SkillRun
from spirl_ros.skills.train import prior_fields
from spirl_ros.tasks.task import EpisodeConfig
from tests.maze.seen_episodes import seen_dataset, without
from tests.maze.trained_skills import TrainedSkills


def test_bundle_of_the_maze_computes_what_the_model_computes(maze_skills: TrainedSkills) -> None:
    run, bundle = maze_skills
    about = bundle.description
    assert about.prior.inputs == ("velocity", "view") and about.decoder.inputs == ("latent",)
    assert [field.name for field in about.observation] == ["state", "velocity", "view"]
    model = SkillRun.open(run.folder).load_best_model()
    environment = MAZE.environment(EpisodeConfig(task="goal"))
    for seed in range(3):
        environment.reset(seed)
        for _ in range(10 * seed):
            environment.step(np.array([0.5, -0.8]))
        observed = environment.observe()
        state = torch.from_numpy(observed["state"]).float().unsqueeze(0)
        with torch.no_grad():
            expected = model.prior_at(state, {"view": torch.from_numpy(observed["view"]).unsqueeze(0)}).most_likely()
        found = bundle.prior.distribution(observed)
        np.testing.assert_allclose(found.mean, expected.mean[0], atol=1e-5)
        np.testing.assert_allclose(found.log_std, expected.log_std[0], atol=1e-5)


def test_bundle_of_the_maze_loads_where_it_was_never_run(maze_skills: TrainedSkills, tmp_path, monkeypatch) -> None:
    """A process with limits examines its graphs first, and runs them on the probe: convolutions are allowed there."""
    monkeypatch.setenv("SPIRL_CACHE", str(tmp_path))
    bundle = load_bundle(maze_skills.bundle.folder)
    assert bundle.digest == maze_skills.bundle.digest and bundle.description.probe.latent == pytest.approx(
        bundle.prior.distribution(
            {"velocity": np.array(bundle.description.probe.observation["velocity"]), "view": black()}
        ).latent,
        abs=1e-4,
    )


def black() -> np.ndarray:
    return np.zeros((32, 32, 3), np.uint8)


def test_prior_that_is_shown_no_picture_chooses_nothing(maze_skills: TrainedSkills) -> None:
    with pytest.raises(SkillError, match="the model sees velocity, view, but view is not observed here"):
        maze_skills.bundle.prior.distribution({"state": np.zeros(4), "velocity": np.zeros(2)})


def test_dataset_without_pictures_is_refused_with_the_next_step(tmp_path: Path) -> None:
    dataset = replace(without(seen_dataset(1), "velocity", "view"), source="data/maze")
    with pytest.raises(DatasetError, match="data/maze lacks view, which .* maze see. .*collect --task maze:anywhere"):
        prior_fields(dataset)


def test_skills_are_evaluated_in_mazes_like_those_of_the_demonstrations(maze_skills: TrainedSkills) -> None:
    """All four mazes were asked for at the same time, which no episode can be in."""
    run = maze_skills.run
    dataset = read_dataset(Path(run.config.dataset.folder))
    figures = evaluate_skills(run, dataset, episodes=1, demonstrations=1, workers=1, with_cloning=False)
    assert {"reconstruction", "replay", "prior", "random_latents"} <= set(figures)
    assert figures["prior"]["episodes"] == 1 and "anywhere" in figures["prior"]["per_subtask"]
