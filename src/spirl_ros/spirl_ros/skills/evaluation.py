"""Everything that is worth knowing about trained skills, in one report."""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from spirl_ros.demonstrations.collection import CollectionConfig, outcomes
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.operator_style import DEFAULT_STYLE
from spirl_ros.demonstrations.skill_windows import split_episodes
from spirl_ros.deployment.bundle import Bundle
from spirl_ros.skills.action_prior import train_action_prior
from spirl_ros.skills.behaviour import BehaviourReport, SkillBehaviour
from spirl_ros.skills.bundle_export import export_bundle
from spirl_ros.skills.plots import encode_windows
from spirl_ros.skills.reconstruction import reconstruction_report
from spirl_ros.skills.run import SkillRun
from spirl_ros.skills.skill_bundle import chosen_observations, skill_bundle_contents
from spirl_ros.skills.skill_model import SkillModel
from spirl_ros.tasks.families import family_of, full_task
from spirl_ros.tasks.task import TaskFamily

_FIRST_SEED = 10_000_000
"""Evaluation episodes have seeds from here on; demonstrations have smaller ones by chance only."""
_DEMONSTRATION_SEED = 777
_WINDOWS_PER_DEMONSTRATION = 6
LOW_TEMPERATURE = 0.3


def training_split(run: SkillRun, dataset: Dataset) -> tuple[list[Episode], list[Episode]]:
    """The episodes that a run trained on, and those that it held out."""
    config = run.config.training
    return split_episodes(dataset.episodes, config.validation_share, np.random.default_rng(config.seed))


def exported_skills(run: SkillRun, dataset: Dataset, folder: Path) -> Bundle:
    """The run's best model as a bundle: what is evaluated is what runs on the robot."""
    contents = skill_bundle_contents(run, "evaluated", family_of(dataset.task).robot, {})
    episodes = dataset.episodes[:20]
    first = np.cumsum([0, *(episode.steps + 1 for episode in episodes)])
    rows = np.concatenate([np.arange(begin, end, 20) for begin, end in pairwise(first)])
    return export_bundle(folder, contents, chosen_observations(episodes, rows, run.config.dataset.prior_fields))


def fresh_demonstrations(family: TaskFamily, task: str, count: int, workers: int) -> list[Episode]:
    """Demonstrations of the scripted operator that no dataset holds, without injected noise, in this simulator.

    They are chains of any subtasks; where a chain has one, of the dataset's task.
    """
    found = []
    is_one = family.chain_length == 1
    split = "mixed" if not is_one and family.chain_length < len(family.subtasks) else "complete"
    config = CollectionConfig(task if is_one else full_task(family.name), split, _DEMONSTRATION_SEED, noise=(0.0, 0.0))
    with closing(outcomes(config, 0, workers)) as recordings:
        while len(found) < count:
            episode = next(recordings).episode
            if episode is not None:
                found.append(episode)
    return found


def evaluate_skills(
    run: SkillRun,
    dataset: Dataset,
    *,
    episodes: int,
    demonstrations: int,
    workers: int,
    seed: int = 0,
    with_cloning: bool = True,
    on_part: Callable[[str], None] = lambda name: None,
) -> dict[str, Any]:
    """Evaluate the best model of a run: on held-out episodes, and in the simulator.

    Args:
        run: the training.
        dataset: the one it was trained on.
        episodes: simulated episodes of each way to choose latents or actions, which last all their control steps.
        demonstrations: fresh demonstrations to replay through their latents, where the family has a scripted operator.
        workers: threads of simulation.
        seed: decides every episode.
        with_cloning: also train a behavioural-cloning policy on the same episodes, for comparison.
        on_part: called with the name of each part before it begins.

    Returns:
        Figures that JSON can hold.
    """
    model, family = run.load_best_model(), family_of(dataset.task)
    training_episodes, held_out = training_split(run, dataset)
    on_part("reconstruction")
    figures: dict[str, Any] = {"reconstruction": asdict(reconstruction_report(model, held_out or training_episodes))}
    with tempfile.TemporaryDirectory() as folder:
        behaviour = SkillBehaviour(family, exported_skills(run, dataset, Path(folder) / "bundle"), workers)
        first_seed = _FIRST_SEED + seed
        if family.operator(DEFAULT_STYLE) is not None:
            on_part("demonstrations")
            recorded = fresh_demonstrations(family, dataset.task, demonstrations, workers)
            on_part("replay")
            latents = [skill_latents(model, episode) for episode in recorded]
            figures["replay"] = asdict(behaviour.replay(recorded, latents))
            if family.tool_positions(recorded[0].observations[:1]) is not None:
                on_part("tool error")
                errors_mm = 1e3 * behaviour.tool_errors_m(recorded, _encoder(model), _WINDOWS_PER_DEMONSTRATION, seed)
                median, p90 = float(np.median(errors_mm)), float(np.quantile(errors_mm, 0.9))
                figures["tool_error_mm"] = {"median": median, "p90": p90}
        ways: dict[str, Callable[[], BehaviourReport]] = {
            "prior": lambda: behaviour.prior_alone(episodes, first_seed),
            "prior_low_temperature": lambda: behaviour.prior_alone(episodes, first_seed, LOW_TEMPERATURE),
            "random_latents": lambda: behaviour.random_latents(episodes, first_seed),
        }
        if with_cloning:
            on_part("behavioural cloning")
            cloned = train_action_prior(training_episodes, seed=seed)
            ways["cloning_sampled"] = lambda: behaviour.actions(cloned.act, episodes, first_seed)
            ways["cloning_mean"] = lambda: behaviour.actions(lambda o, _: cloned.act(o), episodes, first_seed)
        for name, report in ways.items():
            on_part(name)
            figures[name] = asdict(report())
    return figures


def skill_latents(model: SkillModel, episode: Episode) -> np.ndarray:
    """The posterior's means (N, Dz) of an episode cut into skills; the last window ends with the episode."""
    horizon = model.config.skill_horizon
    starts = np.minimum(np.arange(0, episode.steps, horizon), episode.steps - horizon)
    return encode_windows(model, episode, starts)


def evaluation_table(figures: Mapping[str, Any]) -> str:
    """The figures for people, as Markdown."""
    reconstruction, tool = figures["reconstruction"], figures.get("tool_error_mm")
    lines = [
        f"held-out windows: squared error {reconstruction['squared_error']:.4f}, "
        f"KL(q || N(0, I)) {reconstruction['kl']:.1f} nats, KL(q || p) {reconstruction['prior_divergence']:.1f} nats",
        "per joint: " + ", ".join(f"{value:.4f}" for value in reconstruction["squared_error_per_joint"]),
        "R2 of each joint's actions: " + ", ".join(f"{value:.2f}" for value in reconstruction["explained_per_joint"]),
        "per step:  " + ", ".join(f"{value:.4f}" for value in reconstruction["squared_error_per_step"]),
    ]
    if tool is not None:
        within = f"(median; 90 % below {tool['p90']:.1f} mm)"
        lines.append(f"tool after one skill: {tool['median']:.1f} mm from the demonstration's {within}")
    lines += [
        "",
        "| who acts | subtasks per episode | safety interventions per episode |",
        "|---|---|---|",
    ]
    for name, report in figures.items():
        if isinstance(report, Mapping) and "completed_mean" in report:
            count = f"{report['completed_mean']:.2f} ± {report['completed_sem']:.2f}"
            lines.append(f"| {name.replace('_', ' ')} | {count} | {report['interventions_mean']:.1f} |")
    return "\n".join(lines)


def _encoder(model: SkillModel) -> Callable[[Episode, int], np.ndarray]:
    return lambda episode, step: encode_windows(model, episode, np.array([step]))[0]
