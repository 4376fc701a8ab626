"""Where skills lead that nobody chooses for a task: the prior alone, random latents, and random actions. No torch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from spirl_ros.control.observation_fields import Observation
from spirl_ros.deployment.bundle import Bundle
from spirl_ros.errors import ConfigError
from spirl_ros.skills.behaviour import any_subtask, check_fits_family, skills_in
from spirl_ros.tasks.environment_pool import EnvironmentPool
from spirl_ros.tasks.families import split_task
from spirl_ros.tasks.skill_environment import SkillEnvironment
from spirl_ros.tasks.task import StepResult

PRIOR, LATENTS, ACTIONS = "skill prior", "random latents", "random actions"

Paths = Sequence[np.ndarray]
"""Of the tool, one of each episode (T+1, 3) [m]."""


class _Noted:
    """An environment that keeps every state of its episode."""

    def __init__(self, environment: Any) -> None:
        self.environment = environment
        self.states: list[np.ndarray] = []

    def reset(self, seed: int) -> np.ndarray:
        self.states = [self.environment.reset(seed)]
        return self.states[0]

    def step_command(self, joint_command: np.ndarray) -> StepResult:
        result = self.environment.step_command(joint_command)
        self.states.append(result.observation)
        return result

    def restore(self, state: Any) -> np.ndarray:
        return self.environment.restore(state)

    def observe(self) -> Observation:
        return self.environment.observe()


def explore(bundle: Bundle, task: str, episodes: int, seed: int, workers: int) -> dict[str, Paths]:
    """Run episodes of each kind, to the end of their time; the number of workers does not change them.

    Args:
        bundle: skills and their prior.
        task: where, a task of the bundle's family; what it asks for does not matter.
        episodes: of each kind.
        seed: of the first episode.
        workers: threads of simulation.

    Raises:
        ConfigError: there is no simulator, or nobody can say where the tool is.
        BundleError: the skills are of another family.
    """
    family, _ = split_task(task)
    check_fits_family(bundle, family)
    latent_size, joint_count = bundle.description.latent_size, len(family.robot.limits.joint_names)
    priors = [bundle.prior.copy() for _ in range(workers)]
    config = any_subtask(family, task)

    def make() -> SkillEnvironment[Any]:
        skills: SkillEnvironment[Any] = skills_in(family, config, bundle)
        skills.environment = _Noted(skills.environment)
        return skills

    def by_skills(choose: Callable[[int, Observation, np.random.Generator], np.ndarray]):
        def act(worker: int, environment: SkillEnvironment[Any], generator: np.random.Generator) -> None:
            environment.execute(choose(worker, environment.observe(), generator))

        return act

    def by_action(worker: int, environment: SkillEnvironment[Any], generator: np.random.Generator) -> None:
        environment.step(generator.uniform(-1.0, 1.0, joint_count))

    kinds = {
        PRIOR: by_skills(lambda worker, seen, generator: priors[worker].sample(seen, generator)),
        LATENTS: by_skills(lambda _, __, generator: generator.standard_normal(latent_size)),
        ACTIONS: by_action,
    }
    found: dict[str, Paths] = {}
    with EnvironmentPool(make, workers, workers) as pool:
        for kind, act in kinds.items():
            paths: list[np.ndarray] = [np.empty((0, 3))] * episodes

            def work(worker: int, act=act, paths=paths) -> None:
                environment: SkillEnvironment[Any] = pool.environments[worker]
                for index in range(worker, episodes, workers):
                    environment.reset(seed + index)
                    generator = np.random.default_rng((seed, index))
                    while not environment.environment.environment.has_ended:
                        act(worker, environment, generator)
                    places = family.tool_positions(np.array(environment.environment.states))
                    if places is None:
                        raise ConfigError(f"nobody can say where the tool of {family.name} is, so nothing is explored.")
                    paths[index] = places

            pool.map(work)
            found[kind] = paths
    return found


def passed_cells(paths: Paths, cell_m: float) -> int:
    """How many cubes of a grid some paths pass, with sides of `cell_m` [m], centred at multiples of it."""
    places = np.rint(np.concatenate(list(paths)) / cell_m).astype(np.int64)
    return len(np.unique(places, axis=0))


def draw_exploration(found: Mapping[str, Paths]) -> Figure:
    """The paths from above, a panel for each kind."""
    figure = Figure(figsize=(3.2 * len(found), 3.4), layout="constrained")
    panels = figure.subplots(1, len(found), sharex=True, sharey=True, squeeze=False)[0]
    for panel, (kind, paths) in zip(panels, found.items(), strict=True):
        for path in paths:
            panel.plot(path[:, 0], path[:, 1], linewidth=0.5, alpha=0.5, color="#2a6fbb")
        panel.plot(*np.array([path[0, :2] for path in paths]).T, "o", markersize=3, color="#d95f02")
        panel.set(title=f"{kind}, {len(paths)} episodes", xlabel="x [m]", aspect="equal")
    panels[0].set_ylabel("y [m]")
    return figure
