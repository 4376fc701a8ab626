"""Draws what a dataset holds: episode lengths, subtasks, actions per joint, paths of the tool."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.layout import layout_difference
from spirl_ros.plotting import write_figures
from spirl_ros.tasks.families import family_of, known_targets

_BLUE, _ORANGE = "#33658a", "#d9822b"
FAMILY_PLOTS = ("subtasks", "tool_paths")
"""Pictures that need a task family's subtasks and its arm."""
_PATHS_SHOWN = 30
_NOTHING = "nothing more"


def write_plots(dataset: Dataset, folder: Path) -> list[Path]:
    """Write the pictures as PNG files, FAMILY_PLOTS only for a task family's; existing ones are replaced.

    Raises:
        PlotError: the disk refuses.
    """
    plots: dict[str, Callable[[Dataset], Figure]] = {
        "episode_lengths": draw_episode_lengths,
        "subtasks": draw_subtasks,
        "actions": draw_actions,
        "tool_paths": draw_tool_paths,
    }
    family, metadata = family_of(dataset.task), dataset.episodes[0].metadata
    if layout_difference(family.robot, metadata, any_rate=True) is not None:
        plots = {name: draw for name, draw in plots.items() if name not in FAMILY_PLOTS}
    elif family.tool_positions(dataset.episodes[0].observations[:1]) is None:
        del plots["tool_paths"]
    chosen = {name: partial(draw, dataset) for name, draw in plots.items()}
    return write_figures(chosen, folder)


def draw_episode_lengths(dataset: Dataset) -> Figure:
    """Histogram of the episodes' lengths."""
    steps = np.array([episode.steps for episode in dataset.episodes])
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.hist(steps, bins=min(30, max(1, int(np.ptp(steps)))), color=_BLUE, edgecolor="white", linewidth=0.5)
    median = float(np.median(steps))
    axes.axvline(median, color=_ORANGE)
    axes.annotate(
        f" median {median:g}", (median, 0.95), xycoords=axes.get_xaxis_transform(), color=_ORANGE, fontweight="bold"
    )
    rate_hz = dataset.episodes[0].metadata.control_rate_hz
    axes.set(xlabel=f"control steps ({rate_hz:g} per second)", ylabel="episodes")
    axes.set_title(f"Length of {len(steps)} episodes, {steps.sum()} control steps in all")
    axes.grid(axis="x", visible=False)
    return figure


def draw_subtasks(dataset: Dataset) -> Figure:
    """Which subtasks the episodes complete, in which place, and how many per episode."""
    subtasks = family_of(dataset.task).subtasks
    in_order = [list(episode.metadata.completed_at_step) for episode in dataset.episodes]
    places = max((len(names) for names in in_order), default=0)
    counts = np.array([[sum(n[p : p + 1] == [s] for n in in_order) for p in range(places)] for s in subtasks])
    figure = Figure(figsize=(8.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2.4, 1.0])
    targets = known_targets(dataset.task)
    shades = matplotlib.colormaps["Blues"](np.linspace(0.85, 0.35, max(places, 1)))
    labels = [name.replace("_", " ") + (" *" if name in targets else "") for name in subtasks]
    begin = np.zeros(len(subtasks))
    for place in range(places):
        widths = counts[:, place]
        bars = left.barh(labels, widths, left=begin, color=shades[place], label=f"{place + 1}.")
        left.bar_label(
            bars,
            [str(n) if n > 0.04 * counts.sum(axis=1).max() else "" for n in widths],
            label_type="center",
            fontsize=8,
            color="white" if place < places / 2 else "black",
        )
        begin += widths
    left.invert_yaxis()
    left.grid(axis="y", visible=False)
    left.set(
        xlabel="episodes that complete it",
        title=f"Subtasks by the place in which they are completed; * target of {dataset.task}",
    )
    if places:
        left.legend(title="place", ncols=places, loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)
    per_episode = np.bincount([len(names) for names in in_order], minlength=len(subtasks) + 1)
    bars = right.bar(range(len(per_episode)), per_episode, color=_BLUE)
    right.bar_label(bars, [str(n) if n else "" for n in per_episode], fontsize=8)
    right.set(
        xlabel="completed subtasks", ylabel="episodes", title="Subtasks per episode", xticks=range(len(per_episode))
    )
    right.grid(axis="x", visible=False)
    return figure


def draw_actions(dataset: Dataset) -> Figure:
    """Histograms of the actions of each joint, as intended and as executed."""
    intended = np.concatenate([episode.actions for episode in dataset.episodes])
    executed = np.concatenate([episode.executed_actions for episode in dataset.episodes])
    metadata = dataset.episodes[0].metadata
    joints = len(metadata.joint_names)
    rows = -(-joints // 3)
    figure = Figure(figsize=(8.0, 0.7 + 1.5 * rows), layout="constrained")
    places = np.asarray(figure.subplots(rows, 3, sharex=True)).ravel()
    grid = places[:joints]
    for axes in places[joints:]:
        axes.remove()
    bins = np.linspace(-1.0, 1.0, 41)
    weights = np.full(len(intended), 100.0 / len(intended))
    scales = np.broadcast_to(metadata.action_scale, len(metadata.joint_names))
    for joint, (axes, name) in enumerate(zip(grid, metadata.joint_names, strict=True)):
        clipped = np.clip(intended[:, joint], -1.0, 1.0)
        axes.hist(clipped, bins, weights=weights, color=_BLUE, alpha=0.85, label="intended")
        axes.hist(
            np.clip(executed[:, joint], -1.0, 1.0),
            bins,
            weights=weights,
            histtype="step",
            color=_ORANGE,
            linewidth=1.2,
            label="executed, with injected noise" if metadata.operator_style else "executed",
        )
        axes.set_yscale("log")
        axes.set(title=f"{name} [{scales[joint]:g} {metadata.joint_units[joint]}/s]", ylim=(0.005, 100.0))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for axes in grid[::3]:
        axes.set_ylabel("% of steps")
    for axes in grid[-3:]:
        axes.set_xlabel("action")
        axes.tick_params(labelbottom=True)  # shared ticks are labelled in the last row alone, which may not be full
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(
        f"Actions of {len(intended)} control steps; an action of 1 asks for the velocity in brackets", fontsize=10
    )
    return figure


def draw_tool_paths(dataset: Dataset) -> Figure:
    """Paths of the tool in some episodes, from above and from the front, coloured by the subtask that is done next."""
    family = family_of(dataset.task)
    chosen = np.unique(np.linspace(0, len(dataset.episodes) - 1, _PATHS_SHOWN).round().astype(int))
    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    views = figure.subplots(1, 2)
    names = (*family.subtasks, _NOTHING)
    colours = dict(zip(names, matplotlib.colormaps["tab10"](np.arange(len(names)) % 10), strict=True))
    for episode in (dataset.episodes[i] for i in chosen):
        path = family.tool_positions(episode.observations)  # (T+1, 3)
        assert path is not None  # else this is not drawn
        for begin, end, subtask in _sections(episode):
            for axes, height in zip(views, (1, 2), strict=True):
                axes.plot(*path[begin : end + 1, [0, height]].T, color=colours[subtask], linewidth=0.6, alpha=0.6)
        for axes, height in zip(views, (1, 2), strict=True):
            axes.plot(*path[0, [0, height]], "k.", markersize=4, zorder=3)
    for axes, name, title in zip(views, "yz", ("From above", "From the front"), strict=True):
        axes.set(xlabel="x [m]", ylabel=f"{name} [m]", title=title, aspect="equal")
    handles = [Line2D([], [], color=colour, label=name.replace("_", " ")) for name, colour in colours.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(
        f"The tool in {len(chosen)} of {len(dataset.episodes)} episodes, coloured by the subtask completed next; "
        "dots: starts",
        fontsize=10,
    )
    return figure


def _sections(episode: Episode) -> list[tuple[int, int, str]]:
    """Begin, end and subtask of the stretches of an episode, each ending where a subtask is completed."""
    sections, begin = [], 0
    for subtask, step in episode.metadata.completed_at_step.items():
        sections.append((begin, step, subtask))
        begin = step
    return [*sections, (begin, episode.steps, _NOTHING)]
