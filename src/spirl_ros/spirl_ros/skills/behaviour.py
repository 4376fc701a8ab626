"""What skills do in a task family's simulator: through the exported bundle, skill executor and safety filter."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spirl_ros.control.observation_fields import Observation
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.deployment.bundle import Bundle
from spirl_ros.deployment.bundle_description import ActionMeaning
from spirl_ros.errors import BundleError, ConfigError
from spirl_ros.tasks.environment_pool import EnvironmentPool
from spirl_ros.tasks.families import known_targets
from spirl_ros.tasks.skill_environment import SkillEnvironment
from spirl_ros.tasks.task import Environment, EpisodeConfig, TaskFamily

_LONG = 10_000
"""Control steps of an episode that nothing ends."""

ChooseLatent = Callable[[Observation, np.random.Generator], np.ndarray]
"""From an observation to a latent (Dz,)."""
ChooseAction = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""From an observation (Do,) to an action (Da,)."""


@dataclass(frozen=True)
class BehaviourReport:
    """What some episodes completed."""

    episodes: int
    completed_mean: float
    """Subtasks completed per episode."""
    completed_sem: float
    """Standard error of that mean."""
    per_subtask: Mapping[str, float]
    """Share of the episodes that completed each."""
    interventions_mean: float
    """Commands per episode that the safety filter changed."""


class SkillBehaviour:
    """Runs episodes of a bundle, several at once. Results depend on the seed alone, not on the number of workers."""

    def __init__(self, family: TaskFamily, bundle: Bundle, workers: int = 1) -> None:
        """Prepare; nothing is simulated yet."""
        self.family, self.bundle, self.workers = family, bundle, workers

    def prior_alone(self, episodes: int, seed: int, temperature: float = 1.0) -> BehaviourReport:
        """Latents drawn from p(z|s) every H steps; `temperature` scales its standard deviation, 0 takes the mean."""
        priors = [self.bundle.prior.copy() for _ in range(self.workers)]

        def choose(worker: int) -> ChooseLatent:
            def latent(observation: Observation, generator: np.random.Generator) -> np.ndarray:
                mean, log_std, _ = priors[worker].distribution(observation)
                return mean + temperature * np.exp(log_std) * generator.standard_normal(mean.shape)

            return latent

        return self._run_skills(choose, episodes, seed)

    def random_latents(self, episodes: int, seed: int) -> BehaviourReport:
        """Latents drawn from N(0, I), the latent space's own prior."""
        size = self.bundle.description.latent_size
        return self._run_skills(lambda _: lambda __, generator: generator.standard_normal(size), episodes, seed)

    def actions(self, choose: ChooseAction, episodes: int, seed: int) -> BehaviourReport:
        """Single actions from a policy without skills, for comparison. `choose` is called from several threads."""

        def run(environment: SkillEnvironment[Environment], generator: np.random.Generator) -> None:
            while not environment.environment.has_ended:
                environment.step(choose(environment.observation, generator))

        return self._run(lambda _: run, episodes, seed)

    def replay(self, demonstrations: Sequence[Episode], latents: Sequence[np.ndarray]) -> BehaviourReport:
        """Each demonstration's own latents (N, Dz), one every H steps from its first state; the last one twice.

        The mean counts the demonstration's own subtasks.
        """

        def replay_one(environment: SkillEnvironment[Environment], index: int) -> set[str]:
            environment.reset(_seed(demonstrations[index]))
            for latent in (*latents[index], latents[index][-1]):
                environment.execute(latent)
            return set(environment.environment.progress.completed_at_step) & set(demonstrations[index].metadata.task)

        return self._report(
            self._map(any_subtask(self.family, self.bundle.description.task, _LONG), replay_one, len(demonstrations))
        )

    def tool_errors_m(
        self, demonstrations: Sequence[Episode], encode: Callable[[Episode, int], np.ndarray], starts: int, seed: int
    ) -> np.ndarray:
        """How far the tool ends from the demonstration's after one skill that starts at the demonstration's own state.

        Args:
            demonstrations: recorded in this simulator without injected noise.
            encode: latent (Dz,) of a demonstration's window that starts at a control step.
            starts: random windows per demonstration.
            seed: decides which.

        Returns:
            Distances [m], (N x starts,).
        """
        horizon = self.bundle.description.skill_horizon

        def errors(environment: SkillEnvironment[Environment], index: int) -> list[float]:
            episode = demonstrations[index]
            generator = np.random.default_rng((seed, index))
            chosen = set(generator.integers(episode.steps - horizon + 1, size=starts).tolist())
            moments = {}
            environment.environment.reset(_seed(episode))
            for step in range(max(chosen)):
                if step in chosen:
                    moments[step] = environment.environment.save()
                environment.environment.step(episode.executed_actions[step])
            moments[max(chosen)] = environment.environment.save()
            reached, wanted = [], []
            for step, moment in moments.items():
                environment.restore(moment)
                environment.execute(encode(episode, step))
                reached.append(environment.observation)
                wanted.append(episode.observations[step + horizon])
            ends, targets = (self.family.tool_positions(np.array(observed)) for observed in (reached, wanted))
            assert ends is not None and targets is not None, "a family without a tool has no tool error"
            return [float(np.linalg.norm(end - target)) for end, target in zip(ends, targets, strict=True)]

        per_episode = self._map_raw(
            any_subtask(self.family, self.bundle.description.task, _LONG), errors, len(demonstrations)
        )
        return np.concatenate([np.array(distances) for distances in per_episode])

    def _run_skills(self, choose: Callable[[int], ChooseLatent], episodes: int, seed: int) -> BehaviourReport:
        def make(worker: int):
            choose_latent = choose(worker)

            def run(environment: SkillEnvironment[Environment], generator: np.random.Generator) -> None:
                while not environment.environment.has_ended:
                    environment.execute(choose_latent(environment.observe(), generator))

            return run

        return self._run(make, episodes, seed)

    def _run(self, make_run, episodes: int, seed: int) -> BehaviourReport:
        runs = [make_run(worker) for worker in range(self.workers)]

        def one(environment: SkillEnvironment[Environment], index: int) -> set[str]:
            environment.reset(seed + index)
            runs[index % self.workers](environment, np.random.default_rng((seed, index)))
            return set(environment.environment.progress.completed_at_step)

        return self._report(self._map(any_subtask(self.family, self.bundle.description.task), one, episodes))

    def _map(self, config: EpisodeConfig, one, count: int) -> list[tuple[set[str], int]]:
        def with_interventions(environment: SkillEnvironment[Environment], index: int) -> tuple[set[str], int]:
            return one(environment, index), environment.interventions

        return self._map_raw(config, with_interventions, count)

    def _map_raw(self, config: EpisodeConfig, one, count: int) -> list:
        """Call `one(environment, index)` for each index; index i runs in worker i % workers."""
        results: list = [None] * count
        with EnvironmentPool(lambda: self._environment(config), self.workers, self.workers) as pool:

            def work(worker: int) -> None:
                for index in range(worker, count, self.workers):
                    results[index] = one(pool.environments[worker], index)

            pool.map(work)
        return results

    def _environment(self, config: EpisodeConfig) -> SkillEnvironment[Environment]:
        return skills_in(self.family, config, self.bundle)

    def _report(self, results: Sequence[tuple[set[str], int]]) -> BehaviourReport:
        counts = np.array([len(completed) for completed, _ in results])
        return BehaviourReport(
            episodes=len(results),
            completed_mean=float(counts.mean()),
            completed_sem=float(counts.std(ddof=1) / len(counts) ** 0.5) if len(counts) > 1 else 0.0,
            per_subtask={
                name: float(np.mean([name in completed for completed, _ in results])) for name in self.family.subtasks
            },
            interventions_mean=float(np.mean([interventions for _, interventions in results])),
        )


def any_subtask(family: TaskFamily, demonstrated: str, max_steps: int | None = None) -> EpisodeConfig:
    """All subtasks count, and the episode always lasts all its steps.

    Where an episode has one subtask, such as the goal of a maze, it is that of the task that was demonstrated.
    """
    subtasks = family.subtasks if family.chain_length > 1 else known_targets(demonstrated)
    return EpisodeConfig(task=",".join(subtasks), count="any", terminate_on_complete=False, max_steps=max_steps)


def skills_in(family: TaskFamily, config: EpisodeConfig, bundle: Bundle) -> SkillEnvironment[Environment]:
    """A family's simulated robot that carries out a bundle's skills. Raises ConfigError where there is none."""
    environment = family.environment(config)
    if environment is None:
        raise ConfigError(f"the task family {family.name} has no simulator, so its skills are tried on the arm itself.")
    return SkillEnvironment(environment, family.robot.safe_arm(), bundle.executor())


def check_fits_family(bundle: Bundle, family: TaskFamily) -> None:
    """Refuse skills that were trained for another robot, scene or rate than a family's. Raises BundleError."""
    robot, about = family.robot, bundle.description
    names = robot.observation_names
    if about.state.names != names:
        raise BundleError(
            f"{bundle.folder} observes {', '.join(about.state.names)}, but the {family.name} gives "
            f"{', '.join(names)}. Load a bundle that was trained in it."
        )
    action = ActionMeaning("joint_velocity", robot.velocity_scale, robot.action_reference)
    about.check_fits(robot.limits.joint_names, names, 1.0 / robot.control_period_s, action)


def _seed(episode: Episode) -> int:
    assert episode.metadata.seed is not None, "only simulated demonstrations can be replayed"
    return episode.metadata.seed
