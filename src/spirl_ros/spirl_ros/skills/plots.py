"""Pictures of a skill model: learning curves, latent space, decoded skills, the prior along an episode."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spirl_ros.demonstrations.episode import Episode
from spirl_ros.skills.gaussian import Gaussian
from spirl_ros.skills.skill_model import SkillModel

_NOTHING = "nothing more"
_LATENTS_SHOWN = 3000


def draw_learning_curves(metrics: Sequence[Mapping[str, Any]]) -> Figure:
    """The three parts of the loss over gradient steps, in training and on the held-out episodes."""
    figure = Figure(figsize=(8.0, 2.8), layout="constrained")
    titles = {"reconstruction": "reconstruction", "kl": "KL(q || N(0, I)) [nats]", "prior": "prior loss [nats]"}
    for axes, (name, title) in zip(figure.subplots(1, 3), titles.items(), strict=True):
        for part, style in (("training", {"linewidth": 0.6, "alpha": 0.6}), ("validation", {"linewidth": 1.6})):
            points = [(values["step"], values[name]) for values in metrics if values["part"] == part]
            if points:
                axes.plot(*np.array(points).T, label="held out" if part == "validation" else part, **style)
        axes.set(xlabel="gradient step", title=title)
        if name == "reconstruction":
            axes.set_yscale("log")
            axes.legend(frameon=False)
    return figure


def draw_latent_space(model: SkillModel, episodes: Sequence[Episode], subtasks: Sequence[str]) -> Figure:
    """The posterior's means of some windows in their two main directions, coloured by the subtask under way."""
    latents, labels = [], []
    for episode in episodes:
        starts = np.arange(0, episode.steps - model.config.skill_horizon + 1, 3)
        latents.append(encode_windows(model, episode, starts))
        labels += [subtask_under_way(episode, int(start)) for start in starts]
    points = np.concatenate(latents)
    centred = points - points.mean(axis=0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    share = singular[:2] ** 2 / (singular**2).sum()
    shown = np.random.default_rng(0).permutation(len(points))[:_LATENTS_SHOWN]
    projected = centred[shown] @ directions[:2].T
    colours = _colours(subtasks)
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.scatter(*projected.T, s=5, linewidths=0, alpha=0.7, c=[colours[labels[index]] for index in shown])
    axes.set(
        xlabel=f"first direction ({share[0]:.0%} of the variance)",
        ylabel=f"second direction ({share[1]:.0%})",
        title=f"Latents of {len(shown)} windows of held-out demonstrations, coloured by the subtask under way",
    )
    _legend(figure, colours)
    return figure


def draw_decoded_skills(paths: Mapping[str, Sequence[np.ndarray]], seconds: float) -> Figure:
    """Paths of the tool during skills that start from one state.

    Args:
        paths: for each group, such as `prior` and `random`, tool positions (H+1, 3) of each skill [m].
        seconds: how long a skill lasts.
    """
    figure = Figure(figsize=(8.0, 3.6), layout="constrained")
    views = figure.subplots(1, 2)
    for colour, (name, group) in zip(("#d9822b", "#33658a", "#3b7d4f"), paths.items(), strict=False):
        for index, path in enumerate(group):
            for axes, height in zip(views, (1, 2), strict=True):
                axes.plot(
                    *path[:, [0, height]].T, color=colour, linewidth=0.8, alpha=0.7, label=name if not index else ""
                )
                axes.plot(*path[-1, [0, height]], ".", color=colour, markersize=3)
    for axes, name, title in zip(views, "yz", ("From above", "From the front"), strict=True):
        axes.set(xlabel="x [m]", ylabel=f"{name} [m]", title=title, aspect="equal")
    views[0].legend(frameon=False)
    figure.suptitle(f"Skills decoded from one state, each {seconds:g} s of the tool's path", fontsize=10)
    return figure


def draw_prior_entropy(model: SkillModel, episode: Episode, subtasks: Sequence[str]) -> Figure:
    """Differential entropy of the prior's most likely Gaussian along an episode, and when subtasks were completed."""
    with torch.no_grad():
        observations = torch.from_numpy(episode.observations.astype(np.float32))
        fields = {name: torch.tensor(values) for name, values in episode.fields.items()}
        gaussian: Gaussian = model.prior_at(observations, fields).most_likely()
    entropy = (gaussian.log_std + 0.5 * np.log(2.0 * np.pi * np.e)).sum(-1).numpy()
    colours = _colours(subtasks)
    figure = Figure(figsize=(8.0, 2.8), layout="constrained")
    axes = figure.subplots()
    axes.plot(entropy, color="#444444", linewidth=1.0)
    for subtask, step in episode.metadata.completed_at_step.items():
        axes.axvline(step, color=colours[subtask])
        axes.annotate(
            f" {subtask.replace('_', ' ')}",
            (step, 0.95),
            xycoords=axes.get_xaxis_transform(),
            color=colours[subtask],
            fontsize=8,
            ha="right",
            rotation=90,
            va="top",
        )
    axes.set(
        xlabel="control step", ylabel="entropy [nats]", title="The skill prior's uncertainty along a demonstration"
    )
    return figure


def encode_windows(model: SkillModel, episode: Episode, starts: np.ndarray) -> np.ndarray:
    """The posterior's means (N, Dz) of an episode's windows that begin at some control steps (N,)."""
    rows = starts[:, None] + np.arange(model.config.skill_horizon)
    with torch.no_grad():
        posterior = model.encode(
            torch.from_numpy(episode.observations[rows].astype(np.float32)),
            torch.from_numpy(episode.actions[rows].astype(np.float32)),
        )
    return posterior.mean.double().numpy()


def subtask_under_way(episode: Episode, step: int) -> str:
    """The subtask that is completed next after a control step."""
    for subtask, completed_at in episode.metadata.completed_at_step.items():
        if step < completed_at:
            return subtask
    return _NOTHING


def _colours(subtasks: Sequence[str]) -> dict[str, tuple]:
    names = (*subtasks, _NOTHING)
    return dict(zip(names, matplotlib.colormaps["Dark2"](np.arange(len(names)) % 8), strict=True))


def _legend(figure: Figure, colours: Mapping[str, tuple]) -> None:
    handles = [
        Line2D([], [], color=colour, marker="o", linestyle="", label=name.replace("_", " "))
        for name, colour in colours.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
