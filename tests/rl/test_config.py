"""Settings of reinforcement learning."""

import pytest

from spirl_ros.errors import ConfigError
from spirl_ros.rl.config import PRESETS, resolve


def test_paper_learns_without_demonstrations_and_with_one_update_per_skill():
    learner, training = resolve("paper", [])
    assert not training.demos_in_replay
    assert training.updates_per_decision == 1.0
    assert learner.target_divergence == 5.0


def test_small_learns_from_few_updates_on_demonstrations_and_is_best_otherwise():
    """5,000 updates came before the first episode of every preset with demonstrations, however few steps were asked
    for."""
    (best_learner, best), (learner, small) = resolve("best", []), resolve("small", [])
    assert learner == best_learner
    assert (small.steps, small.offline_updates) == (10_000, 500) and best.offline_updates == 5000
    assert small.demos_in_replay and small.evaluate_every < small.steps


def test_changes_reach_the_learner_and_the_training():
    learner, training = resolve("best", ["tau=2e-2", "method=ssp", "steps=5000"])
    assert (learner.tau, training.method, training.steps) == (0.02, "ssp", 5000)
    assert learner.batch_size == PRESETS["best"][0].batch_size


def test_task_of_another_robot_has_names_of_its_own_and_no_demonstrations_in_the_replay():
    _, training = resolve("best", ["robot=ur5e", "task=reach, grasp", "demos_in_replay=false"])
    assert training.targets == ("reach", "grasp")
    assert resolve("best", ["task=kettle"])[1].targets == ("kettle",)


@pytest.mark.parametrize(
    ("preset", "change", "message"),
    [
        ("worst", "seed=1", "preset is 'worst', expected one of best"),
        ("best", "alpha=1", "'alpha' is unknown. Known: batch_size"),
        ("best", "method=dqn", "method is 'dqn', expected one of spirl, random-start, ssp"),
        ("best", "count=both", "count is 'both', expected one of ordered, any"),
        ("best", "skill_discount=0", "skill_discount is 0.0, expected more than 0"),
        ("best", "learning_rate=.nan", "learning_rate is nan, expected more than 0"),
        ("best", "environments=0", "environments is 0, expected at least 1"),
        ("best", "demonstration_share=1.0", "demonstration_share is 1.0"),
    ],
)
def test_impossible_settings_are_refused(preset, change, message):
    with pytest.raises(ConfigError, match=message):
        resolve(preset, [change])
