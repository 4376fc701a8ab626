"""Films an episode of a bundle's policy, the same that an evaluation runs."""

import numpy as np

from spirl_ros.deployment.bundle import Bundle
from spirl_ros.errors import ConfigError
from spirl_ros.monitoring.film import EpisodeFilm
from spirl_ros.rl.decision_environment import TaskDecisions
from spirl_ros.rl.evaluation import FIRST_SEED, EvaluationSettings, bundle_family
from spirl_ros.tasks.mujoco_environment import MujocoEnvironment
from spirl_ros.tasks.task import EpisodeConfig, StepResult


class _FilmedDecisions(TaskDecisions):
    """A simulated robot whose every control step is kept."""

    def start_film(self) -> None:
        """Begin with the present moment."""
        self.positions: list[np.ndarray] = []
        self.captions: list[str] = []
        self._keep()

    def step(self, action: np.ndarray) -> StepResult:
        """Carry out one action (Da,), safety-filtered, and keep what it led to."""
        result = super().step(action)
        self._keep()
        return result

    def _keep(self) -> None:
        environment = self.environment
        if not isinstance(environment, MujocoEnvironment):
            raise ConfigError("only the scenes of MuJoCo can be filmed. Leave --video out.")
        done = environment.progress.completed_at_step
        lines = [f"{'+' if target in done else '-'} {target.replace('_', ' ')}" for target in environment.targets]
        self.positions.append(environment.simulation.data.qpos.copy())
        self.captions.append("\n".join([*lines, f"step {environment.step_count}"]))


def film_episode(bundle: Bundle, settings: EvaluationSettings) -> EpisodeFilm:
    """The first episode of `evaluate_bundle` with the same bundle and settings, which has checked both."""
    assert bundle.policy is not None
    task = ",".join(bundle.description.target_subtasks)
    environment = _FilmedDecisions(bundle_family(bundle), EpisodeConfig(task=task), bundle.executor())
    policy, generator = bundle.policy.copy(), np.random.default_rng((settings.seed, 0))
    environment.reset(FIRST_SEED + settings.seed)
    environment.start_film()
    while not environment.environment.has_ended:
        now, completed = environment.observe(), environment.completed_in_order
        if settings.is_sampled:
            latent = policy.sample(now, generator, completed)
        else:
            latent = policy.distribution(now, completed).latent
        environment.execute(latent)
    return EpisodeFilm(np.array(environment.positions), tuple(environment.captions), bundle_family(bundle).name)
