"""The loop of acting and learning, on a task that is learned in seconds."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from spirl_ros.errors import ConfigError, TrainingError
from spirl_ros.rl.replay import Replay, SkillTransition
from spirl_ros.rl.training import EVALUATION_SEED, RlTraining
from spirl_ros.tasks.rollouts import DecisionResult, Situation
from tests.rl.toy_task import LEARNER, TRAINING, toy_training


def demonstrations() -> Replay:
    """Latents of all kinds at both doors, and what they do."""
    replay = Replay(200, {"state": np.zeros(2, np.float32)}, 2)
    generator = np.random.default_rng(0)
    for index in range(200):
        door = index % 2
        latent = generator.uniform(-2.0, 2.0, size=2)
        opens = bool(latent[0] > 1.0 if door == 0 else latent[0] < -1.0)
        after = door + opens
        replay.add(
            SkillTransition(
                {"state": np.array([door, 0.0])},
                door,
                latent,
                float(opens),
                {"state": np.array([after, 0.0])},
                after,
                after == 2,
                False,
                2,
            )
        )
    return replay


def run_to_the_end(training: RlTraining):
    with closing(training):
        return list(training.run())


@pytest.mark.parametrize("method", ["spirl", "ssp"])
def test_the_task_is_learned(method):
    learner = replace(LEARNER, temperature_learning_rate=1e-2 if method == "ssp" else 1e-3)
    reports = run_to_the_end(toy_training(replace(TRAINING, method=method, steps=1000, evaluate_every=1000), learner))
    evaluations = [report for report in reports if report.is_evaluation]
    assert evaluations[-1].ordered_mean == 2.0
    early = [episode.ordered for report in reports[:30] for episode in report.episodes if not report.is_evaluation]
    assert np.mean(early) < 1.0 < reports[-1].recent


def test_demonstrations_teach_before_the_first_episode():
    config = replace(TRAINING, demos_in_replay=True, offline_updates=400)
    with closing(toy_training(config, demonstrations=demonstrations())) as training:
        offline = list(islice(training.run(), 8))
        assert [report.updates for report in offline] == [50, 100, 150, 200, 250, 300, 350, 400]
        assert training.learner.step == 0
        critic = training.learner.sac.critic
        values = critic(torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0, latent, 0.0] for latent in (1.5, 0.0)]))
        assert (values[:, 0] > values[:, 1] + 0.2).all()  # it opens the first door: 1 + 0.8 * 1 against 0.8 * 1.8


def test_evaluations_come_when_due_and_once_at_the_end():
    evaluations = [report for report in run_to_the_end(toy_training()) if report.is_evaluation]
    assert [report.step for report in evaluations] == [100, 200, 300]
    assert all(len(report.episodes) == 4 for report in evaluations)


class Evaluations:
    """Rollouts whose every episode is one decision that gives what is told, one number for each evaluation."""

    def __init__(self, results: list[int], episodes: int) -> None:
        self.count, self.seeds = 1, []
        self._results, self._episodes = results, episodes

    def begin(self, seeds: Mapping[int, int]) -> dict[int, Situation]:
        self.seeds += seeds.values()
        return {index: Situation({"state": np.zeros(2)}, 0) for index in seeds}

    def execute(self, decisions: Mapping[int, np.ndarray]) -> dict[int, DecisionResult]:
        done = self._results[(len(self.seeds) - 1) // self._episodes]
        return {
            index: DecisionResult(Situation({"state": np.zeros(2)}, done), 0.0, True, False, 1, ())
            for index in decisions
        }

    def close(self) -> None: ...


def with_evaluations(training: RlTraining, results: list[int]) -> list[int]:
    """Let evaluations give these subtasks one after the other, one for each episode; the seeds appear in the list."""
    training._evaluation_rollouts.close()
    training._evaluation_rollouts = evaluations = Evaluations(results, training.config.evaluation_episodes)
    return evaluations.seeds


def test_run_ends_early_only_after_two_good_evaluations_in_a_row():
    """The first evaluation above the threshold ended the run, and the policy that was kept was worse than it."""
    config = replace(TRAINING, steps=1000, stop_at=2.0, updates_per_decision=0.0)
    training = toy_training(config)
    with_evaluations(training, [2, 1, 2, 2, 2])
    evaluations = [report for report in run_to_the_end(training) if report.is_evaluation]
    assert [report.ordered_mean for report in evaluations] == [2.0, 1.0, 2.0, 2.0]
    assert training.state()["good_evaluations"] == 2


def test_no_two_evaluations_see_the_same_episodes():
    """Every evaluation had the same seeds: a policy that was chosen by them looked better than it was."""
    training = toy_training(replace(TRAINING, updates_per_decision=0.0))
    seeds = with_evaluations(training, [0, 0, 0])
    run_to_the_end(training)
    assert len(seeds) == len(set(seeds)) == 12
    assert min(seeds) >= EVALUATION_SEED


def test_updates_follow_the_decisions_after_the_warm_up():
    reports = run_to_the_end(toy_training(replace(TRAINING, updates_per_decision=0.5)))
    assert all(report.updates == 0 for report in reports if report.decisions <= 60)
    # The last round's 2 decisions are not yet learned from: (150 - 2 - 60) / 2.
    assert reports[-1].decisions == 150
    assert reports[-1].updates == 44


def test_transitions_hold_the_observation_and_progress_that_the_latent_was_chosen_on():
    training = toy_training(replace(TRAINING, steps=200))
    run_to_the_end(training)
    drawn = training.learner.replay.draw(500, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn.observation["state"][:, 0], drawn.progress)
    np.testing.assert_array_equal(drawn.next_observation["state"][:, 0], drawn.next_progress)
    np.testing.assert_array_equal(drawn.reward, drawn.next_progress - drawn.progress)
    np.testing.assert_array_equal(drawn.terminated, drawn.next_progress == 2)
    assert (drawn.steps == 2).all()
    assert drawn.truncated.any() and not (drawn.truncated & drawn.terminated).any()


@pytest.mark.parametrize(("stop", "workers"), [(17, 1), (42, 2)])
def test_a_restored_run_continues_bit_for_bit(stop, workers):
    config = replace(TRAINING, steps=220, workers=workers)
    whole = toy_training(config)
    expected = run_to_the_end(whole)
    interrupted = toy_training(config)
    with closing(interrupted):
        begun = list(islice(interrupted.run(), stop))
        state = interrupted.state()
        list(islice(interrupted.run(), 5))  # going on does not change what was saved
    restored = toy_training(config)
    restored.restore(state)
    found = begun + run_to_the_end(restored)
    assert [str(report) for report in found] == [str(report) for report in expected]
    a, b = whole.state(), restored.state()
    for part in ("policy", "critic", "target_critic"):
        assert all(torch.equal(a["learner"][part][key], b["learner"][part][key]) for key in a["learner"][part])
    assert all(torch.equal(a["replay"]["columns"][key], b["replay"]["columns"][key]) for key in a["replay"]["columns"])


def test_state_survives_a_file_without_pickled_objects(tmp_path):
    with closing(toy_training()) as training:
        list(islice(training.run(), 40))
        torch.save(training.state(), tmp_path / "state.pt")
    with closing(toy_training()) as restored:
        restored.restore(torch.load(tmp_path / "state.pt", weights_only=True))
        assert restored.learner.step == training.learner.step > 0


def test_a_loss_that_is_not_finite_stops_the_run():
    with closing(toy_training()) as training:
        reports = training.run()
        list(islice(reports, 40))
        with torch.no_grad():
            next(iter(training.learner.sac.critic.weights)).fill_(torch.nan)
        with pytest.raises(TrainingError, match="last checkpoint is kept"):
            list(reports)


def test_the_policy_learns_more_slowly_late():
    config = replace(TRAINING, steps=200)
    with closing(toy_training(config, replace(LEARNER, late_from=0.5, late_learning_rate=1e-5))) as training:
        rates = {}
        for report in training.run():
            rates[report.step] = training.learner.sac.optimiser.param_groups[0]["lr"]
    assert rates[100] == 3e-3 and rates[200] == 1e-5


def test_entropy_without_a_latent_limit_is_refused():
    with pytest.raises(ConfigError, match="entropy has no bound"):
        toy_training(replace(TRAINING, method="ssp"), replace(LEARNER, max_latent=0.0))


def test_of_equal_evaluations_the_later_is_kept():
    """It has learned longer. With the first kept, all tests passed."""
    training = toy_training(replace(TRAINING, steps=400, updates_per_decision=0.0))
    with_evaluations(training, [1, 1, 0, 1])
    evaluations = [report for report in run_to_the_end(training) if report.is_evaluation]
    assert [report.is_best for report in evaluations] == [True, True, False, True]
    assert training.learner.best == 1.0
