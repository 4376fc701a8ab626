"""Learns while it acts. A generator: logging, saving and stopping are its consumers' business.

A round is one decision in every environment. While threads simulate it, the learner updates on what earlier rounds gave: both
cores are busy, and the numbers do not depend on which of them is faster.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch

from spirl_ros.rl.config import RlTrainingConfig
from spirl_ros.rl.decision_environment import DecisionEnvironment
from spirl_ros.rl.prior_sac import PriorSac, UpdateInfo
from spirl_ros.rl.replay import Replay, to_tensors
from spirl_ros.rl.transition import SkillTransition
from spirl_ros.tasks.environment_pool import EnvironmentPool
from spirl_ros.tasks.skill_environment import SkillResult

EVALUATION_SEED = 20_000_000
"""Evaluation episodes have seeds from here on: episode i of one after so many control steps this + steps + i, so that no two
evaluations see the same episodes."""
GOOD_EVALUATIONS = 2
"""Evaluations in a row that have to reach `stop_at`: one alone is good by chance."""
_SEEDS_PER_RUN = 100_000
_OFFLINE_REPORT_EVERY = 50
_RECENT = 20


class EpisodeReport(NamedTuple):
    """One episode from beginning to end."""

    reward: float
    """Undiscounted sum."""
    ordered: int
    """Target subtasks completed in order."""
    completed: int
    """Target subtasks completed in any order."""


class RlReport(NamedTuple):
    """One round, some offline updates, or an evaluation."""

    step: int
    """Control steps so far, evaluation not counted."""
    decisions: int
    """Skills, or single actions, so far."""
    updates: int
    """Gradient steps so far."""
    episodes: tuple[EpisodeReport, ...]
    """Those that ended in this round, or those of the evaluation."""
    recent: float
    """Target subtasks completed in order, mean of the last 20 training episodes; NaN before the first."""
    info: UpdateInfo | None
    """The last update; None before the first."""
    is_evaluation: bool = False
    """Episodes with the mean action."""
    is_best: bool = False
    """No evaluation completed more in order up to here."""

    @property
    def ordered_mean(self) -> float:
        """Target subtasks completed in order, mean of the episodes."""
        return float(np.mean([episode.ordered for episode in self.episodes])) if self.episodes else float("nan")


class _Running:
    """The present episode of one environment; its latents bring it back after a restart."""

    def __init__(self, seed: int) -> None:
        self.seed, self.reward = seed, 0.0
        self.latents: list[np.ndarray] = []


class RlTraining:
    """Everything that learning changes, and one method that learns.

    `state` and `restore` make a continued run give the same numbers to the last bit, given the same configuration,
    demonstrations, machine and threads: running episodes are brought back by executing their latents again.
    """

    def __init__(
        self,
        config: RlTrainingConfig,
        learner: PriorSac,
        replay: Replay,
        demonstrations: Replay | None,
        make_environment: Callable[[], DecisionEnvironment],
    ) -> None:
        """Make the environments and begin an episode in each.

        Args:
            config: settings.
            learner: what learns.
            replay: what its experience goes into, empty at first.
            demonstrations: relabelled demonstrations to learn from as well; None for none.
            make_environment: gives independent environments.
        """
        self.config, self.learner, self.replay, self.demonstrations = config, learner, replay, demonstrations
        self.generator = np.random.default_rng(config.seed)
        self.step = self.decisions = self.episodes_begun = self.evaluated_step = 0
        self.best = -1.0
        self.good_evaluations = 0
        """Evaluations in a row, up to the last one, that reached `stop_at`."""
        self.recent: deque[int] = deque(maxlen=_RECENT)
        self.info: UpdateInfo | None = None
        self._pool = EnvironmentPool(make_environment, config.environments, config.workers)
        # The learner waits while an evaluation runs, so its core simulates too.
        self._evaluation_pool = EnvironmentPool(make_environment, config.workers + 1, config.workers + 1)
        self._background = ThreadPoolExecutor(1, thread_name_prefix="rollout")
        self._running = [self._begin(index) for index in range(config.environments)]

    def run(self) -> Iterator[RlReport]:
        """Learn for `config.steps` control steps, or until evaluations reach `config.stop_at`, reporting each round and each evaluation.

        Raises:
            TrainingError: a loss is not finite.
        """
        while self.demonstrations is not None and self.learner.updates < self.config.offline_updates:
            count = min(_OFFLINE_REPORT_EVERY, self.config.offline_updates - self.learner.updates)
            self._update(count)
            yield self._report(())
        while True:
            if self._is_evaluation_due():
                yield self.evaluate()
            if self.step >= self.config.steps or self.good_evaluations >= GOOD_EVALUATIONS:
                return
            yield self._round()

    def evaluate(self) -> RlReport:
        """Run the evaluation episodes with the mean action."""
        count, workers = self.config.evaluation_episodes, len(self._evaluation_pool.environments)
        episodes: list[EpisodeReport | None] = [None] * count

        def work(worker: int) -> None:
            environment = self._evaluation_pool.environments[worker]
            for index in range(worker, count, workers):
                episodes[index] = self._evaluate_one(environment, EVALUATION_SEED + self.step + index)

        self._evaluation_pool.map(work)
        self.evaluated_step = self.step
        report = self._report(tuple(episode for episode in episodes if episode is not None), is_evaluation=True)
        is_best = report.ordered_mean >= self.best  # of equals the one that has learned longer
        self.best = max(self.best, report.ordered_mean)
        self.good_evaluations = self.good_evaluations + 1 if 0.0 < self.config.stop_at <= report.ordered_mean else 0
        return report._replace(is_best=is_best)

    def close(self) -> None:
        """End the threads."""
        self._background.shutdown()
        self._pool.close()
        self._evaluation_pool.close()

    def state(self) -> dict[str, Any]:
        """Everything that decides how learning goes on, in types that `torch.load(weights_only=True)` accepts."""
        return {
            "learner": self.learner.state(),
            "replay": self.replay.state(),
            "generator": self.generator.bit_generator.state,
            "counts": [self.step, self.decisions, self.episodes_begun, self.evaluated_step],
            "best": self.best,
            "good_evaluations": self.good_evaluations,
            "recent": list(self.recent),
            "info": None if self.info is None else list(self.info),
            "running": [
                {"seed": e.seed, "reward": e.reward, "latents": [torch.from_numpy(z.copy()) for z in e.latents]}
                for e in self._running
            ],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state of a run with the same configuration and demonstrations."""
        self.learner.restore(state["learner"])
        self.replay.restore(state["replay"])
        self.generator.bit_generator.state = state["generator"]
        self.step, self.decisions, self.episodes_begun, self.evaluated_step = state["counts"]
        self.best, self.recent = state["best"], deque(state["recent"], maxlen=_RECENT)
        self.good_evaluations = state.get("good_evaluations", 0)  # older runs did not count them
        self.info = None if state["info"] is None else UpdateInfo(*state["info"])
        for running, saved in zip(self._running, state["running"], strict=True):
            running.seed, running.reward = saved["seed"], saved["reward"]
            running.latents = [latent.numpy() for latent in saved["latents"]]

        def bring_back(index: int) -> None:
            environment, running = self._pool.environments[index], self._running[index]
            environment.reset(running.seed)
            for latent in running.latents:
                environment.execute(latent)

        self._pool.map(bring_back)

    def _is_evaluation_due(self) -> bool:
        every = self.config.evaluate_every
        is_last = self.step >= self.config.steps
        return self.step > self.evaluated_step and (is_last or self.step // every > self.evaluated_step // every)

    def _round(self) -> RlReport:
        environments = self._pool.environments
        observations = np.stack([environment.observation for environment in environments])
        progress = np.array([environment.completed_in_order for environment in environments])
        latents = self._choose(observations, progress)
        rollout = self._background.submit(self._pool.map, lambda index: environments[index].execute(latents[index]))
        try:
            self._update(self._updates_due())
        finally:
            results: list[SkillResult] = rollout.result()
        finished = []
        for index, result in enumerate(results):
            transition = SkillTransition(
                observation=observations[index],
                progress=progress[index],
                latent=latents[index],
                reward=result.reward,
                next_observation=result.observation,
                next_progress=environments[index].completed_in_order,
                terminated=result.terminated,
                truncated=result.truncated,
            )
            self.replay.add(transition)
            self.step += result.steps
            self.decisions += 1
            finished += self._follow(index, latents[index], result)
        return self._report(tuple(finished))

    def _choose(self, observations: np.ndarray, progress: np.ndarray) -> np.ndarray:
        """Latents (N, Dz) drawn from the policy."""
        gaussian, _ = self.learner.choose(torch.from_numpy(observations).float(), torch.from_numpy(progress))
        noise = torch.from_numpy(self.generator.standard_normal(gaussian.mean.shape)).float()
        return self.learner.policy.limit(gaussian.mean + gaussian.log_std.exp() * noise).numpy()

    def _updates_due(self) -> int:
        config = self.config
        offline = config.offline_updates if self.demonstrations is not None else 0
        since_warm_up = self.decisions - config.warm_up_decisions
        if since_warm_up < 0 or not len(self.replay):
            return 0
        return offline + int(since_warm_up * config.updates_per_decision) - self.learner.updates

    def _update(self, count: int) -> None:
        config = self.config
        is_late = self.step >= self.learner.config.late_from * config.steps
        rate = self.learner.config.late_learning_rate if is_late else self.learner.config.learning_rate
        batch_size = self.learner.config.batch_size
        for _ in range(count):
            parts, from_demonstrations = [], 0
            if self.demonstrations is not None:
                share = config.demonstration_share if len(self.replay) else 1.0
                from_demonstrations = round(share * batch_size)
                parts.append(self.demonstrations.draw(from_demonstrations, self.generator))
            if from_demonstrations < batch_size:
                parts.append(self.replay.draw(batch_size - from_demonstrations, self.generator))
            self.info = self.learner.update(to_tensors(*parts), rate)

    def _follow(self, index: int, latent: np.ndarray, result: SkillResult) -> list[EpisodeReport]:
        """Take in what a decision gave; begin the next episode when this one has ended, and report it."""
        running, environment = self._running[index], self._pool.environments[index]
        running.latents.append(latent)
        running.reward += result.reward
        if not (result.terminated or result.truncated):
            return []
        report = EpisodeReport(running.reward, environment.completed_in_order, len(environment.completed))
        self.recent.append(report.ordered)
        self._running[index] = self._begin(index)
        return [report]

    def _begin(self, index: int) -> _Running:
        running = _Running(self.config.seed * _SEEDS_PER_RUN + self.episodes_begun)
        self.episodes_begun += 1
        self._pool.environments[index].reset(running.seed)
        return running

    def _evaluate_one(self, environment: DecisionEnvironment, seed: int) -> EpisodeReport:
        observation, reward = environment.reset(seed), 0.0
        while True:
            progress = torch.tensor([environment.completed_in_order])
            _, latent = self.learner.choose(torch.from_numpy(observation).float().unsqueeze(0), progress)
            result = environment.execute(latent[0].numpy())
            observation, reward = result.observation, reward + result.reward
            if result.terminated or result.truncated:
                return EpisodeReport(reward, environment.completed_in_order, len(environment.completed))

    def _report(self, episodes: tuple[EpisodeReport, ...], is_evaluation: bool = False) -> RlReport:
        recent = float(np.mean(self.recent)) if self.recent else float("nan")
        return RlReport(self.step, self.decisions, self.learner.updates, episodes, recent, self.info, is_evaluation)
