"""What a learner makes of transitions, whoever acted."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from spirl_ros.rl.config import RlTrainingConfig
from spirl_ros.rl.learner import Foundation, Learner, make_sac, to_tensors
from spirl_ros.rl.replay import Replay, SkillTransition
from spirl_ros.rl.sight import StateSight
from tests.rl.toy_task import LEARNER, TRAINING

WHOLE = 10
"""Control steps of a skill."""


def learner(config: RlTrainingConfig = TRAINING, demonstrations: Replay | None = None, **settings) -> Learner:
    config = replace(config, method="ssp" if config.method == "spirl" else config.method)  # needs no prior
    sac = make_sac(
        replace(LEARNER, **settings), config, Foundation(StateSight(nn.Identity(), 2), None, 2, WHOLE), subtasks=2
    )
    return Learner(config, sac, demonstrations)


def transition(number: int, steps: int = WHOLE) -> SkillTransition:
    values = np.random.default_rng(abs(number)).normal(size=(3, 2)).astype(np.float32)
    return SkillTransition(
        {"state": values[0]}, 0, values[1], float(number), {"state": values[2]}, 0, False, False, steps
    )


def filled(count: int) -> Replay:
    replay = Replay(count, {"state": np.zeros(2, np.float32)}, 2)
    for number in range(count):
        replay.add(transition(-1 - number))
    return replay


def rate_of(subject: Learner) -> float:
    subject.update()
    return subject.sac.optimiser.param_groups[0]["lr"]


def test_policy_learns_more_slowly_from_a_share_of_the_steps_on():
    """A learner that always took the first rate passed all tests of learning on an arm."""
    subject = learner(replace(TRAINING, steps=100), late_from=0.5, learning_rate=3e-3, late_learning_rate=1e-5)
    subject.add(transition(0, steps=49))
    assert rate_of(subject) == 3e-3
    subject.add(transition(1, steps=1))
    assert rate_of(subject) == 1e-5


@pytest.mark.parametrize(("warm_up", "each"), [(3, 2.0), (0, 0.5)])
def test_updates_are_due_for_decisions_after_the_warm_up(warm_up: int, each: float):
    subject = learner(replace(TRAINING, warm_up_decisions=warm_up, updates_per_decision=each))
    due = []
    for number in range(6):
        due.append(subject.updates_due)
        subject.add(transition(number))
    # (3, 2.0): none until the third decision, then 2 for each; (0, 0.5): one for every second.
    assert [*due, subject.updates_due] == ([0, 0, 0, 0, 2, 4, 6] if warm_up else [0, 0, 1, 1, 2, 2, 3])
    subject.update()
    assert subject.updates_due == (5 if warm_up else 2)


def test_updates_on_demonstrations_are_due_at_once_and_stay_so():
    config = replace(TRAINING, demos_in_replay=True, offline_updates=3, warm_up_decisions=2, updates_per_decision=1.0)
    subject = learner(config, filled(8))
    assert subject.updates_due == 3
    subject.update()
    subject.add(transition(0))
    assert subject.updates_due == 2
    for number in (1, 2):
        subject.add(transition(number))
    assert subject.updates_due == 2 + 1
    assert learner(config).updates_due == 0  # none without demonstrations


def test_a_share_of_each_batch_is_of_the_demonstrations(monkeypatch):
    config = replace(TRAINING, demos_in_replay=True, demonstration_share=0.25, offline_updates=3)
    subject, drawn = learner(config, filled(8)), []

    def update(batch: SkillTransition, rate: float):
        drawn.append(batch.reward)

    monkeypatch.setattr(subject.sac, "update", update)
    subject.update()
    subject.add(transition(5))
    subject.update()
    assert (drawn[0] < 0).sum() == 32  # of 32: there was nothing else
    assert (drawn[1] < 0).sum() == 8 and (drawn[1] == 5.0).sum() == 24


def test_mean_of_the_last_twenty_episodes():
    subject = learner()
    assert np.isnan(subject.recent_mean)
    for number in range(25):
        subject.end_episode(number)
    assert subject.recent_mean == 14.5 and subject.episodes == 25  # 5 to 24


def test_there_is_room_for_every_decision_of_the_run():
    config = replace(TRAINING, steps=30, environments=2)
    assert learner(config).replay.capacity == 30 + 2 * WHOLE
    assert learner(replace(config, replay_size=7)).replay.capacity == 7


def test_a_restored_learner_goes_on_to_the_last_bit():
    whole, restored = learner(), learner()
    for number in range(3):
        whole.add(transition(number))
        whole.end_episode(number)
        whole.update()
    whole.best = 1.5
    restored.restore(whole.state())
    for subject in (whole, restored):
        subject.add(transition(9))
        subject.update()
    assert (restored.step, restored.decisions, restored.episodes, restored.best) == (40, 4, 3, 1.5)
    assert str(restored.info) == str(whole.info) and restored.recent == whole.recent
    a, b = whole.policy.state_dict(), restored.policy.state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(("method", "steps"), [("ssp", WHOLE), ("sac", 1)])
def test_decisions_of_an_older_checkpoint_were_whole_ones(method: str, steps: int):
    """They held no steps: every skill counted as H of them."""
    config = replace(TRAINING, method=method)
    original, restored = learner(config), learner(config)
    original.add(transition(0, steps=3))
    state = original.state()
    del state["replay"]["columns"]["steps"]
    restored.restore(state)
    assert (restored.replay.draw(5, np.random.default_rng(0)).steps == steps).all()


def test_batches_become_one_batch_of_tensors_in_order():
    generator = np.random.default_rng(0)
    first, second = filled(1).draw(2, generator), filled(6).draw(3, generator)
    batch = to_tensors(first, second)
    assert batch.observation["state"].shape == (5, 2) and batch.observation["state"].dtype == torch.float32
    assert batch.reward[:2].tolist() == [-1.0, -1.0]
    assert batch.reward[2:].tolist() == second.reward.tolist()
    assert batch.terminated.dtype == torch.bool


def test_demonstrations_are_seen_with_errors_that_stay_for_a_skill_and_others_that_do_not():
    config = replace(TRAINING, method="ssp")
    sac = make_sac(LEARNER, config, Foundation(StateSight(nn.Identity(), 2), None, 2, WHOLE), subtasks=2)
    subject = Learner(config, sac, filled(400), errors=np.array([0.5, 0.0]))
    assert subject.demonstrations is not None
    true = subject.demonstrations.draw(400, np.random.default_rng(1))
    seen = subject._with_errors(true)
    before = seen.observation["state"] - true.observation["state"]
    after = seen.next_observation["state"] - true.next_observation["state"]
    assert before.dtype == np.float32 and np.abs(before[:, 1]).max() < 1e-6
    assert 0.7 < np.abs(before[:, 0]).max() <= 1.0
    assert 0.2 < np.corrcoef(before[:, 0], after[:, 0])[0, 1] < 0.8
    assert all(
        seen[i] is true[i] for i in range(len(true)) if true._fields[i] not in {"observation", "next_observation"}
    )


def test_demonstrations_are_seen_as_they_are_without_errors():
    subject = learner(demonstrations=filled(3))
    assert subject.demonstrations is not None
    batch = subject.demonstrations.draw(2, np.random.default_rng(0))
    assert subject._with_errors(batch) is batch


def in_episode(subject: Learner, environment: int, first: int, count: int, completed: int) -> None:
    for number in range(first, first + count):
        subject.add(transition(number), environment)
    subject.end_episode(completed, environment)


def test_updates_wait_for_episodes_with_a_reward():
    """The prior alone explores until then, and what was decided before counts for no update."""
    subject = learner(replace(TRAINING, warm_up_decisions=2, wait_for_rewarded=2, updates_per_decision=1.0))
    in_episode(subject, 0, 0, 3, completed=0)
    in_episode(subject, 0, 3, 2, completed=1)
    assert subject.updates_due == 0
    in_episode(subject, 1, 5, 2, completed=1)
    assert subject.updates_due == 0
    in_episode(subject, 0, 7, 3, completed=0)
    assert subject.updates_due == 3


def drawn_rewards(subject: Learner, monkeypatch) -> np.ndarray:
    drawn = []
    with monkeypatch.context() as context:
        context.setattr(subject.sac, "update", lambda batch, rate: drawn.append(batch.reward))
        subject.update()
    return np.asarray(drawn[0])


def test_a_share_of_each_batch_is_of_episodes_with_a_reward(monkeypatch):
    subject = learner(replace(TRAINING, rewarded_share=0.5))
    for number in range(4):  # two episodes at the same time
        subject.add(transition(number), environment=number % 2)
    subject.end_episode(0, environment=0)
    assert set(drawn_rewards(subject, monkeypatch)) <= {0, 1, 2, 3}
    subject.end_episode(1, environment=1)
    for number in range(4, 200):
        subject.add(transition(number))
    rewards = drawn_rewards(subject, monkeypatch)
    assert set(rewards[:16]) == {1.0, 3.0} and len(set(rewards[16:])) > 8


def test_episodes_with_a_reward_are_forgotten_with_the_replay(monkeypatch):
    subject = learner(replace(TRAINING, rewarded_share=0.5, replay_size=5))
    in_episode(subject, 0, 0, 4, completed=1)
    for number in range(4, 8):  # overwrites 0, 1 and 2
        subject.add(transition(number))
    assert set(drawn_rewards(subject, monkeypatch)[:16]) == {3.0}
    for number in range(8, 20):
        subject.add(transition(number))
    assert set(drawn_rewards(subject, monkeypatch)) == {15.0, 16.0, 17.0, 18.0, 19.0}


def test_what_is_known_of_rewards_is_there_after_a_restart(monkeypatch):
    config = replace(TRAINING, rewarded_share=0.5, wait_for_rewarded=2, warm_up_decisions=0)
    subject = learner(config)
    in_episode(subject, 0, 0, 2, completed=1)
    subject.add(transition(2), environment=3)
    again = learner(config)
    again.restore(subject.state())
    for one in (subject, again):
        in_episode(one, 3, 3, 1, completed=1)
        one.add(transition(4))
        assert one.updates_due == 1
    np.testing.assert_array_equal(drawn_rewards(subject, monkeypatch), drawn_rewards(again, monkeypatch))
    assert set(drawn_rewards(again, monkeypatch)[:16]) == {0.0, 1.0, 2.0, 3.0}
