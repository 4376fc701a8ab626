"""Writes the pictures of one training."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.kitchen_kinematics import ARM_JOINT_COUNT, KitchenKinematics
from spirl_ros.deployment.bundle import Bundle
from spirl_ros.plotting import write_figures
from spirl_ros.skills.behaviour import ANY_SUBTASK
from spirl_ros.skills.evaluation import exported_skills, training_split
from spirl_ros.skills.plots import draw_decoded_skills, draw_latent_space, draw_learning_curves, draw_prior_entropy
from spirl_ros.skills.run import SkillRun
from spirl_ros.tasks.kitchen.environment import KitchenEnvironment
from spirl_ros.tasks.skill_environment import SkillEnvironment

_SKILLS_SHOWN = 20
_STEPS_BEFORE = 30


def write_skill_plots(run: SkillRun, dataset: Dataset, folder: Path) -> list[Path]:
    """Write four PNG files; existing ones of the same name are replaced.

    Raises:
        PlotError: the disk refuses.
    """
    model = run.load_best_model()
    training_episodes, held_out = training_split(run, dataset)
    episodes = held_out or training_episodes
    with tempfile.TemporaryDirectory() as temporary:
        bundle = exported_skills(run, dataset, Path(temporary) / "bundle")
        paths = decoded_paths(bundle, episodes[0])
    figures: dict[str, Callable[[], Figure]] = {
        "learning_curves": lambda: draw_learning_curves(run.metrics()),
        "latent_space": lambda: draw_latent_space(model, episodes),
        "decoded_skills": lambda: draw_decoded_skills(paths),
        "prior_entropy": lambda: draw_prior_entropy(model, episodes[0]),
    }
    return write_figures(figures, folder)


def decoded_paths(bundle: Bundle, episode: Episode) -> dict[str, list[np.ndarray]]:
    """Paths of the tool (H+1, 3) [m] in skills drawn from the prior and from N(0, I), from one state of an episode."""
    description = bundle.description
    executor = bundle.executor()
    environment = SkillEnvironment(KitchenEnvironment(ANY_SUBTASK), executor)
    kinematics = KitchenKinematics(environment.environment.scene)
    environment.environment.reset(episode.metadata.seed or 0)
    for action in episode.executed_actions[:_STEPS_BEFORE]:
        environment.environment.step(action)
    moment = environment.environment.save()
    generator = np.random.default_rng(0)

    def path(latent: np.ndarray) -> np.ndarray:
        observations = [environment.restore(moment)]
        executor.start(latent)
        while not executor.is_done:
            observations.append(environment.step(executor.step(observations[-1])).observation)
        return np.array([kinematics.forward(o[:ARM_JOINT_COUNT]).position for o in observations])

    observation = environment.restore(moment)
    from_prior = [path(bundle.prior.sample(observation, generator)) for _ in range(_SKILLS_SHOWN)]
    at_random = [path(generator.standard_normal(description.latent_size)) for _ in range(_SKILLS_SHOWN)]
    return {"random latents": at_random, "skill prior": from_prior}
