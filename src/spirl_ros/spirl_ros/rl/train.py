"""One run from trained skills to a run folder: what consumes the training's reports."""

import math
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import torch

from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.storage import read_dataset
from spirl_ros.rl.config import METHODS
from spirl_ros.rl.decision_environment import kitchen_actions, kitchen_skills
from spirl_ros.rl.demonstration_replay import demonstration_replay
from spirl_ros.rl.learner_setup import make_learner, skill_foundation
from spirl_ros.rl.replay import Replay
from spirl_ros.rl.run import RlRun
from spirl_ros.rl.training import RlReport, RlTraining
from spirl_ros.tasks.kitchen.environment import KitchenConfig
from spirl_ros.training_log import TrainingLog

_METRICS_EVERY_UPDATES = 100
"""Gradient steps between two lines about updates, after that of the first; finished episodes and evaluations have their own."""


def train(run: RlRun, on_report: Callable[[RlReport], None] = lambda report: None) -> float:
    """Learn until the configured number of control steps, going on from the last checkpoint where there is one.

    A checkpoint is written after each evaluation, and on KeyboardInterrupt from `on_report`, which is passed on. One that
    arrives elsewhere finds a round half done, and is passed on without: the checkpoint before is the one to go on from.

    Args:
        run: where results go.
        on_report: called after each round and evaluation.

    Returns:
        The best evaluation: target subtasks completed in order, mean of its episodes.
    """
    torch.set_num_threads(run.config.training.threads)
    with closing(kitchen_training(run)) as training:
        run.restore_checkpoint(training.restore)
        updates = training.learner.updates
        with TrainingLog(run, training.step, updates) as log:
            earlier_s = max((values.get("seconds", 0.0) for values in run.metrics()), default=0.0)
            began_s = time.monotonic() - earlier_s
            for report in training.run():
                is_first = updates == 0 < report.updates
                is_due = is_first or report.updates // _METRICS_EVERY_UPDATES > updates // _METRICS_EVERY_UPDATES
                updates = report.updates
                _record(log, report, time.monotonic() - began_s, is_due)
                if report.is_best:
                    run.save_best(training.learner.policy.state_dict())
                if report.is_evaluation:
                    run.save_checkpoint(training.state())
                try:
                    on_report(report)
                except KeyboardInterrupt:
                    run.save_checkpoint(training.state())
                    raise
        return training.best


def kitchen_training(run: RlRun) -> RlTraining:
    """A run's training in the simulated kitchen, at its beginning."""
    learner_config, config = run.config.learner, run.config.training
    method, targets = METHODS[config.method], config.targets
    model = run.skills().load_best_model()
    needs_episodes = config.demos_in_replay or (method.starts_from_prior and not method.uses_skills)
    episodes: tuple[Episode, ...] = ()
    if needs_episodes:
        episodes = tuple(read_dataset(Path(run.config.skills.data)).episodes)
    torch.manual_seed(config.seed)  # initial weights
    foundation = skill_foundation(model, config, episodes)
    learner = make_learner(learner_config, config, foundation, len(targets))
    demonstrations = None
    if config.demos_in_replay:
        demonstrations = demonstration_replay(
            episodes,
            targets,
            model if method.uses_skills else None,
            learner.policy.latent_limit,
            config.demonstration_stride,
            config.seed,
        )
    bundle, kitchen = run.skill_bundle(), KitchenConfig(task=config.task, count=config.count)
    make = kitchen_skills if method.uses_skills else kitchen_actions
    # No more room than the steps can fill: a decision takes at least one.
    replay = Replay(
        min(config.replay_size, config.steps + config.environments * foundation.skill_horizon),
        foundation.observation_size,
        foundation.latent_size,
    )
    return RlTraining(config, learner, replay, demonstrations, lambda: make(bundle, kitchen))


def _record(log: TrainingLog, report: RlReport, seconds: float, with_update: bool) -> None:
    counts = {"step": report.step, "updates": report.updates, "seconds": round(seconds, 1)}
    if report.is_evaluation:
        completed = sum(episode.completed for episode in report.episodes) / len(report.episodes)
        log.add("evaluation", counts, ordered=report.ordered_mean, completed=completed, is_best=report.is_best)
        return
    for episode in report.episodes:
        log.add("episode", counts, **episode._asdict())
    if report.episodes and not math.isnan(report.recent):
        log.add_event("episode/recent", report.recent, report.step)
    if with_update and report.info is not None:
        log.add("update", counts, **report.info._asdict())
