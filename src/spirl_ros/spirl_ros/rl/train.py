"""One run from trained skills to a run folder: what consumes the training's reports."""

import math
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial

import torch

from spirl_ros.errors import ConfigError
from spirl_ros.rl.config import METHODS
from spirl_ros.rl.decision_environment import TaskDecisions, action_executor
from spirl_ros.rl.learner import new_learner
from spirl_ros.rl.run import RlRun
from spirl_ros.rl.training import RlReport, RlTraining
from spirl_ros.tasks.disturbance import NO_DISTURBANCE, Disturbance
from spirl_ros.tasks.rollouts import ThreadRollouts
from spirl_ros.tasks.task import EpisodeConfig
from spirl_ros.training_log import TrainingLog

_METRICS_EVERY_UPDATES = 100
"""Gradient steps between two lines about updates, after that of the first; finished episodes and evaluations have their
own."""


def train_policy(run: RlRun, on_report: Callable[[RlReport], None] = lambda report: None) -> float:
    """Learn until the configured number of control steps, going on from the last checkpoint where there is one.

    A checkpoint is written after each evaluation, and on KeyboardInterrupt from `on_report`, which is passed on. One
    that arrives elsewhere finds a round half done, and is passed on without: the checkpoint before is the one to go on
    from.

    Args:
        run: where results go.
        on_report: called after each round and evaluation.

    Returns:
        The best evaluation: target subtasks completed in order, mean of its episodes.
    """
    torch.set_num_threads(run.config.training.threads)
    with closing(simulated_training(run)) as training:
        run.restore_checkpoint(training.restore)
        updates = training.learner.sac.updates
        with TrainingLog(run, training.learner.step, updates) as log:
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
        return training.learner.best


def simulated_training(run: RlRun) -> RlTraining:
    """A run's training in its task family's simulator, at its beginning."""
    config, family = run.config.training, run.config.training.family
    if family is None:
        raise ConfigError(
            f"robot is '{config.robot}', which has no simulator. Learn on it: docs/training_on_the_arm.md."
        )
    episode, robot = EpisodeConfig(task=",".join(config.targets), count=config.count), family.robot
    if METHODS[config.method].uses_skills:
        make_executor = run.skill_bundle().executor
    else:
        make_executor = partial(action_executor, len(robot.observation_names), len(robot.limits.joint_names))

    def make_environment(disturbance: Disturbance) -> TaskDecisions:
        return TaskDecisions(family, episode, make_executor(), disturbance)

    disturbance = family.training_disturbance() if config.robust else NO_DISTURBANCE
    return RlTraining(
        new_learner(run),
        partial(ThreadRollouts, partial(make_environment, disturbance)),
        partial(ThreadRollouts, partial(make_environment, NO_DISTURBANCE)),
    )


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
