"""Says in numbers and in a table what a dataset holds."""

from collections import Counter
from typing import Any

import numpy as np

from spirl_ros.control.velocity_action import format_scale
from spirl_ros.demonstrations.dataset import Dataset, dataset_digest
from spirl_ros.tasks.families import known_targets

_CHAINS_SHOWN = 3


def summarise(dataset: Dataset) -> dict[str, Any]:
    """All figures, such that JSON can hold them."""
    lengths = np.array([episode.steps for episode in dataset.episodes])
    metadata = [episode.metadata for episode in dataset.episodes]
    chains = Counter(", ".join(one.task) for one in metadata if one.task)
    styles = [one.operator_style for one in metadata if one.operator_style is not None]
    targets = set(known_targets(dataset.task))
    first = metadata[0]
    return {
        "task": dataset.task,
        "episodes": len(lengths),
        "steps": int(lengths.sum()),
        "length_min": int(lengths.min()),
        "length_median": float(np.median(lengths)),
        "length_max": int(lengths.max()),
        "completed_subtasks": dict(Counter(name for one in metadata for name in one.completed_at_step).most_common()),
        "subtasks_per_episode": {
            str(n): count for n, count in sorted(Counter(len(one.completed_at_step) for one in metadata).items())
        },
        "episodes_completing_all_targets": sum(
            bool(targets) and targets <= set(one.completed_at_step) for one in metadata
        ),
        "finished_as": {
            verdict: sum(one.is_success is told for one in metadata)
            for verdict, told in (("success", True), ("failure", False), ("unknown", None))
        },
        "different_chains": len(chains),
        "most_frequent_chains": dict(chains.most_common(_CHAINS_SHOWN)),
        "injected_noise": [min(s.action_noise for s in styles), max(s.action_noise for s in styles)]
        if styles
        else None,
        "measurement_noise": dict(first.measurement_noise),
        "operators": sorted({one.operator for one in metadata}),
        "control_rate_hz": first.control_rate_hz,
        "observation_names": list(first.observation_names),
        "fields": [
            {
                **{name: getattr(one, name) for name in ("name", "shape", "dtype", "source")},
                "bytes": sum(episode.fields[one.name].nbytes for episode in dataset.episodes),
            }
            for one in first.more_fields
        ],
        "joint_names": list(first.joint_names),
        "joint_units": list(first.joint_units),
        "action_scale": first.action_scale,
        "mujoco_versions": sorted({one.mujoco_version for one in metadata if one.mujoco_version}),
        "origin": dict(dataset.origin),
        "digest": dataset_digest(dataset.episodes),
    }


def summary_table(figures: dict[str, Any]) -> str:
    """The figures for people, one line each."""
    noise = figures["injected_noise"]
    rows = {
        "task": figures["task"],
        "episodes": f"{figures['episodes']}, {figures['steps']} steps at {figures['control_rate_hz']:g} Hz",
        "episode lengths": f"{figures['length_min']} to {figures['length_max']}, median {figures['length_median']:g}",
        "episodes that did": _counts(figures["completed_subtasks"]),
        "subtasks done": _counts(
            {f"{n} by": f"{count} episodes" for n, count in figures["subtasks_per_episode"].items()}
        ),
        "did all targets": f"{figures['episodes_completing_all_targets']} episodes",
        "finished as": _counts({verdict: count for verdict, count in figures["finished_as"].items() if count}),
        "chains": f"{figures['different_chains']} different; most frequent: "
        + ("; ".join(f"{chain} ({count})" for chain, count in figures["most_frequent_chains"].items()) or "unknown"),
        "injected noise": "unknown" if noise is None else f"{noise[0]:.3g} to {noise[1]:.3g}, arm joints",
        "measurement noise": _counts(figures["measurement_noise"]) or "unknown",
        "operator": ", ".join(figures["operators"]),
        "observation": f"{len(figures['observation_names'])}: {', '.join(figures['observation_names'])}",
        **{f"field {one['name']}": _described(one) for one in figures["fields"]},
        "action": f"{len(figures['joint_names'])}: {', '.join(figures['joint_names'])}; 1 is "
        f"{format_scale(figures['action_scale'])} rad/s or m/s",
        "mujoco": ", ".join(figures["mujoco_versions"]) or "unknown",
        "origin": "; ".join(f"{name} {value}" for name, value in figures["origin"].items()),
        "digest": figures["digest"],
    }
    return "\n".join(f"{name:<18}{value}" for name, value in rows.items())


def _described(field: dict[str, Any]) -> str:
    seen = f", from {field['source']}" if field["source"] else ""
    shape, size = " x ".join(map(str, field["shape"])), field["bytes"] / 1e6
    return f"{shape} of {field['dtype']}{seen}; {size:.3g} MB in memory"


def _counts(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
