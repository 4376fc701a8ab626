"""Writes the pictures of one training."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.deployment.bundle import Bundle
from spirl_ros.plotting import write_figures
from spirl_ros.skills.behaviour import any_subtask, skills_in
from spirl_ros.skills.evaluation import exported_skills, training_split
from spirl_ros.skills.plots import draw_decoded_skills, draw_latent_space, draw_learning_curves, draw_prior_entropy
from spirl_ros.skills.run import SkillRun
from spirl_ros.tasks.families import family_of
from spirl_ros.tasks.task import TaskFamily

_SKILLS_SHOWN = 20
_STEPS_BEFORE = 30


def write_skill_plots(run: SkillRun, dataset: Dataset, folder: Path) -> list[Path]:
    """Write four PNG files, three where nobody can say where the tool is; existing ones of the same name are replaced.

    Raises:
        PlotError: the disk refuses.
    """
    model = run.load_best_model()
    training_episodes, held_out = training_split(run, dataset)
    episodes = held_out or training_episodes
    family = family_of(dataset.task)
    figures: dict[str, Callable[[], Figure]] = {
        "learning_curves": lambda: draw_learning_curves(run.metrics()),
        "latent_space": lambda: draw_latent_space(model, episodes, family.subtasks),
        "prior_entropy": lambda: draw_prior_entropy(model, episodes[0], family.subtasks),
    }
    if family.tool_positions(episodes[0].observations[:1]) is not None:
        with tempfile.TemporaryDirectory() as temporary:
            bundle = exported_skills(run, dataset, Path(temporary) / "bundle")
            paths = decoded_paths(family, bundle, episodes[0])
        seconds = run.config.model.skill_horizon / dataset.episodes[0].metadata.control_rate_hz
        figures["decoded_skills"] = lambda: draw_decoded_skills(paths, seconds)
    return write_figures(figures, folder)


def decoded_paths(family: TaskFamily, bundle: Bundle, episode: Episode) -> dict[str, list[np.ndarray]]:
    """Paths of the tool (H+1, 3) [m] in skills drawn from the prior and from N(0, I), from one state of an episode."""
    description = bundle.description
    executor = bundle.executor()
    environment = skills_in(family, any_subtask(family, description.task), bundle)
    simulated = environment.environment
    simulated.reset(episode.metadata.seed or 0)
    for action in episode.executed_actions[:_STEPS_BEFORE]:
        simulated.step(action)
    moment = simulated.save()
    generator = np.random.default_rng(0)

    def path(latent: np.ndarray) -> np.ndarray:
        observations = [environment.restore(moment)]
        executor.start(latent)
        while not executor.is_done:
            observations.append(environment.step(executor.step(observations[-1])).observation)
        positions = family.tool_positions(np.array(observations))
        assert positions is not None  # else nothing is drawn
        return positions

    environment.restore(moment)
    observation = environment.observe()
    from_prior = [path(bundle.prior.sample(observation, generator)) for _ in range(_SKILLS_SHOWN)]
    at_random = [path(generator.standard_normal(description.latent_size)) for _ in range(_SKILLS_SHOWN)]
    return {"random latents": at_random, "skill prior": from_prior}
