"""Episodes of a bundle's policy in its task family's simulator, through skill executor and safety filter. No torch."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spirl_ros.deployment.bundle import Bundle
from spirl_ros.errors import ConfigError
from spirl_ros.rl.decision_environment import TaskDecisions
from spirl_ros.skills.behaviour import check_fits_family
from spirl_ros.tasks.disturbance import NO_DISTURBANCE, Disturbance
from spirl_ros.tasks.environment_pool import EnvironmentPool
from spirl_ros.tasks.families import family_of, find_family, named_family, split_task
from spirl_ros.tasks.task import EpisodeConfig, TaskFamily

FIRST_SEED = 10_000_000
"""Episode i of seed s has the simulation seed FIRST_SEED + s + i: no training has the same."""


@dataclass(frozen=True)
class EvaluationSettings:
    """What is run."""

    task: str | None = None
    """Task; by default the bundle's own."""
    episodes: int = 50
    seed: int = 0
    workers: int = 2
    """Threads of simulation; they do not change the results."""
    is_sampled: bool = False
    """Whether latents are drawn from the policy; otherwise its mean is taken."""
    disturbance: Disturbance = NO_DISTURBANCE
    """What differs from the world that the policy knows."""
    max_steps: int | None = None
    """Control steps of an episode; by default the task's own number."""

    def __post_init__(self) -> None:
        """Check ranges."""
        for name, smallest in (("episodes", 1), ("workers", 1), ("seed", 0)):
            if getattr(self, name) < smallest:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least {smallest}.")


def evaluate_bundle(bundle: Bundle, settings: EvaluationSettings) -> dict[str, Any]:
    """Run episodes of a policy; subtasks are counted both in order and in any order.

    Args:
        bundle: with a policy, for a task family that has a simulator.
        settings: what is run.

    Returns:
        Figures that JSON can hold: `completed_subtasks_mean` and `_sem` (any order), `ordered_mean` and `_sem`,
        `per_subtask` (share of the episodes that completed each), `episodes`, `steps_mean` (control steps of one),
        `env_steps_per_s`, and others.

    Raises:
        ConfigError: the bundle has no policy, or another task than asked for.
        BundleError: it is for another robot or scene.
    """
    about = bundle.description
    if bundle.policy is None:
        raise ConfigError(f"{bundle.folder} holds skills alone, expected a policy. Export one: spirl export --policy.")
    family, targets = bundle_family(bundle), about.target_subtasks
    if settings.task is not None:
        asked_family, asked = split_task(settings.task, family.name)
        if (asked_family.name, asked.goals) != (family.name, targets):
            raise ConfigError(
                f"task is {settings.task}, but the policy of {bundle.folder} was trained for {','.join(targets)}."
            )
    check_fits_family(bundle, family)
    workers = min(settings.workers, settings.episodes)
    policies = [bundle.policy.copy() for _ in range(workers)]
    results: list[tuple[int, tuple[str, ...], int, int]] = [(0, (), 0, 0)] * settings.episodes
    config = EpisodeConfig(task=",".join(targets), max_steps=settings.max_steps)
    with EnvironmentPool(
        lambda: TaskDecisions(family, config, bundle.executor(), settings.disturbance), workers, workers
    ) as pool:

        def work(worker: int) -> None:
            environment: TaskDecisions = pool.environments[worker]
            for index in range(worker, settings.episodes, workers):
                environment.reset(FIRST_SEED + settings.seed + index)
                generator = np.random.default_rng((settings.seed, index))
                while not environment.environment.has_ended:
                    now, completed = environment.observe(), environment.completed_in_order
                    if settings.is_sampled:
                        latent = policies[worker].sample(now, generator, completed)
                    else:
                        latent = policies[worker].distribution(now, completed).latent
                    environment.execute(latent)
                ended = environment.environment
                results[index] = (
                    environment.completed_in_order,
                    environment.completed,
                    ended.step_count,
                    environment.interventions,
                )

        began = time.perf_counter()
        pool.map(work)
        seconds = time.perf_counter() - began
    ordered, completed, steps, interventions = zip(*results, strict=True)
    figures = evaluation_figures(targets, ordered, completed, sum(steps) / seconds, settings.is_sampled)
    return {**figures, "interventions_mean": float(np.mean(interventions)), "steps_mean": float(np.mean(steps))}


def bundle_family(bundle: Bundle) -> TaskFamily:
    """The family that a bundle's task names, else the default one. Raises ConfigError if it is not installed."""
    task = bundle.description.task
    return find_family(named_family(task)) if ":" in task else family_of(task)


def evaluation_figures(
    targets: Sequence[str],
    ordered: Sequence[int],
    completed: Sequence[Sequence[str]],
    env_steps_per_s: float,
    is_sampled: bool,
) -> dict[str, Any]:
    """Figures of some episodes, see `evaluate_bundle`.

    Args:
        targets: the task's subtasks.
        ordered: of each episode, how many were completed in order.
        completed: of each episode, those completed in any order.
        env_steps_per_s: control steps per second of wall-clock time.
        is_sampled: were latents drawn from the policy.
    """
    counts = [len(names) for names in completed]
    return {
        "completed_subtasks_mean": float(np.mean(counts)),
        "completed_subtasks_sem": _sem(counts),
        "ordered_mean": float(np.mean(ordered)),
        "ordered_sem": _sem(ordered),
        "ordered_counts": np.bincount(ordered, minlength=len(targets) + 1).tolist(),
        "per_subtask": {target: float(np.mean([target in names for names in completed])) for target in targets},
        "episodes": len(ordered),
        "env_steps_per_s": env_steps_per_s,
        "action": "sampled" if is_sampled else "mean",
    }


def _sem(values) -> float:
    return float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0
