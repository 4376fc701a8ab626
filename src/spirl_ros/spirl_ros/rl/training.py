"""Learns while it acts. A generator: logging, saving and stopping are its consumers' business.

A round is one decision in every environment. While it is carried out, the learner updates on what earlier rounds
gave: both cores are busy, and the numbers do not depend on which of them is faster.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch

from spirl_ros.rl.config import GOOD_EVALUATIONS
from spirl_ros.rl.learner import Learner
from spirl_ros.rl.prior_sac import UpdateInfo
from spirl_ros.rl.replay import SkillTransition
from spirl_ros.tasks.rollouts import DecisionResult, Rollouts, Situation, run_episodes

EVALUATION_SEED = 20_000_000
"""Evaluation episodes have seeds from here on: episode i of one after so many control steps this + steps + i, so that
no two evaluations see the same episodes."""
_SEEDS_PER_RUN = 100_000
_OFFLINE_REPORT_EVERY = 50


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
    """Whether these are episodes with the mean action."""
    is_best: bool = False
    """Whether no evaluation has completed more in order up to here."""

    @property
    def ordered_mean(self) -> float:
        """Target subtasks completed in order, mean of the episodes."""
        return float(np.mean([episode.ordered for episode in self.episodes])) if self.episodes else float("nan")


class _Running:
    """The present episode of one environment; its latents bring it back after a restart."""

    def __init__(self, seed: int, situation: Situation) -> None:
        self.seed, self.situation, self.reward = seed, situation, 0.0
        self.latents: list[np.ndarray] = []


class RlTraining:
    """Environments, and the learner that learns from what comes of its decisions there.

    `state` and `restore` make a continued run give the same numbers to the last bit, given the same configuration,
    demonstrations, machine and threads: running episodes are brought back by executing their latents again.
    """

    def __init__(
        self,
        learner: Learner,
        make_rollouts: Callable[[int, int], Rollouts],
        make_evaluation_rollouts: Callable[[int, int], Rollouts] | None = None,
    ) -> None:
        """Make the environments and begin an episode in each.

        Args:
            learner: what learns.
            make_rollouts: gives so many environments, which as many workers as the second number simulate.
            make_evaluation_rollouts: the same for evaluations, where their environments are others.
        """
        self.learner, self.config = learner, learner.config
        self.evaluated_step = 0
        self.good_evaluations = 0
        """Evaluations in a row, up to the last one, that reached `stop_at`."""
        workers = self.config.workers
        self._rollouts = make_rollouts(self.config.environments, workers)
        # The learner waits while an evaluation runs, so its core simulates too.
        self._evaluation_rollouts = (make_evaluation_rollouts or make_rollouts)(workers + 1, workers + 1)
        self._background = ThreadPoolExecutor(1, thread_name_prefix="rollout")
        self.episodes_begun = 0
        self._running = self._begin(range(self.config.environments))

    def run(self) -> Iterator[RlReport]:
        """Learn for `config.steps` control steps, or until evaluations reach `config.stop_at`, reporting each round.

        Raises:
            TrainingError: a loss is not finite.
        """
        learner = self.learner
        while not learner.decisions and learner.updates_due:
            for _ in range(min(_OFFLINE_REPORT_EVERY, learner.updates_due)):
                learner.update()
            yield self._report(())
        while True:
            if self._is_evaluation_due():
                yield self.evaluate()
            if learner.step >= self.config.steps or self.good_evaluations >= GOOD_EVALUATIONS:
                return
            yield self._round()

    def evaluate(self) -> RlReport:
        """Run the evaluation episodes with the mean action."""
        first = EVALUATION_SEED + self.learner.step
        seeds = range(first, first + self.config.evaluation_episodes)
        episodes = run_episodes(self._evaluation_rollouts, seeds, self._choose_best)
        self.evaluated_step = self.learner.step
        report = self._report([_report_of(reward, last) for reward, last in episodes], is_evaluation=True)
        is_best = report.ordered_mean >= self.learner.best  # of equals the one that has learned longer
        self.learner.best = max(self.learner.best, report.ordered_mean)
        self.good_evaluations = self.good_evaluations + 1 if 0.0 < self.config.stop_at <= report.ordered_mean else 0
        return report._replace(is_best=is_best)

    def close(self) -> None:
        """End the environments."""
        self._background.shutdown()
        self._rollouts.close()
        self._evaluation_rollouts.close()

    def state(self) -> dict[str, Any]:
        """Everything that decides how learning goes on, in types that `torch.load(weights_only=True)` accepts."""
        learner = self.learner.state()
        return {
            **learner,
            "counts": [*learner["counts"][:2], self.episodes_begun, self.evaluated_step],
            "good_evaluations": self.good_evaluations,
            "running": [
                {"seed": e.seed, "reward": e.reward, "latents": [torch.from_numpy(z.copy()) for z in e.latents]}
                for e in self._running.values()
            ],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state of a run with the same configuration and demonstrations."""
        *counts, self.episodes_begun, self.evaluated_step = state["counts"]
        self.learner.restore({**state, "counts": [*counts, self.episodes_begun - len(self._running)]})
        self.good_evaluations = state.get("good_evaluations", 0)  # older runs did not count them
        saved = state["running"]
        situations = self._rollouts.begin({index: episode["seed"] for index, episode in enumerate(saved)})
        for step in range(max(len(episode["latents"]) for episode in saved)):
            again = {i: e["latents"][step].numpy() for i, e in enumerate(saved) if step < len(e["latents"])}
            situations |= {index: result.situation for index, result in self._rollouts.execute(again).items()}
        for index, episode in enumerate(saved):
            running = self._running[index] = _Running(episode["seed"], situations[index])
            running.reward, running.latents = episode["reward"], [latent.numpy() for latent in episode["latents"]]

    def _is_evaluation_due(self) -> bool:
        every = self.config.evaluate_every
        step = self.learner.step
        is_last = step >= self.config.steps
        return step > self.evaluated_step and (is_last or step // every > self.evaluated_step // every)

    def _round(self) -> RlReport:
        running = self._running
        chosen = self._choose([episode.situation for episode in running.values()])
        latents = dict(zip(running, chosen, strict=True))
        rollout = self._background.submit(self._rollouts.execute, latents)
        try:
            for _ in range(self.learner.updates_due):
                self.learner.update()
        finally:
            results = rollout.result()
        finished = {}
        for index, latent in latents.items():
            episode, result = running[index], results[index]
            before, after = episode.situation, result.situation
            transition = SkillTransition(
                observation=before.observation,
                progress=before.completed_in_order,
                latent=latent,
                reward=result.reward,
                next_observation=after.observation,
                next_progress=after.completed_in_order,
                terminated=result.terminated,
                truncated=result.truncated,
                steps=result.steps,
            )
            self.learner.add(transition, index)
            episode.latents.append(latent)
            episode.reward += result.reward
            episode.situation = after
            if result.has_ended:
                finished[index] = _report_of(episode.reward, result)
                self.learner.end_episode(after.completed_in_order, index)
        if finished:
            running.update(self._begin(finished))
        return self._report(list(finished.values()))

    def _choose(self, situations: Sequence[Situation]) -> np.ndarray:
        """Latents (N, Dz) drawn from the policy."""
        observations = {
            name: _tensor(np.stack([situation.observation[name] for situation in situations]))
            for name in situations[0].observation
        }
        progress = np.array([situation.completed_in_order for situation in situations])
        sac = self.learner.sac
        gaussian = sac.choose(observations, torch.from_numpy(progress))
        noise = torch.from_numpy(self.learner.generator.standard_normal(gaussian.mean.shape)).float()
        return sac.policy.limit(gaussian.mean + gaussian.log_std.exp() * noise).numpy()

    def _choose_best(self, situation: Situation) -> np.ndarray:
        """The latent (Dz,) for the learned policy's mean."""
        observation = {name: _tensor(values).unsqueeze(0) for name, values in situation.observation.items()}
        return self.learner.sac.choose_best(observation, torch.tensor([situation.completed_in_order]))[0].numpy()

    def _begin(self, environments: Iterable[int]) -> dict[int, _Running]:
        first = self.config.seed * _SEEDS_PER_RUN + self.episodes_begun
        seeds = {index: first + number for number, index in enumerate(environments)}
        self.episodes_begun += len(seeds)
        situations = self._rollouts.begin(seeds)
        return {index: _Running(seed, situations[index]) for index, seed in seeds.items()}

    def _report(self, episodes: Sequence[EpisodeReport], is_evaluation: bool = False) -> RlReport:
        learner = self.learner
        counts = learner.step, learner.decisions, learner.sac.updates
        return RlReport(*counts, tuple(episodes), learner.recent_mean, learner.info, is_evaluation)


def _tensor(values: np.ndarray) -> torch.Tensor:
    """In float32, but for pictures."""
    return torch.from_numpy(values) if values.dtype == np.uint8 else torch.from_numpy(values).float()


def _report_of(reward: float, last: DecisionResult) -> EpisodeReport:
    return EpisodeReport(reward, last.situation.completed_in_order, len(last.completed))
