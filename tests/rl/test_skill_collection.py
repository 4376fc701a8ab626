import numpy as np

from spirl_ros.control.episode_moments import TaskMoment
from spirl_ros.rl.skill_collection import SkillCollection

BEFORE, AFTER = {"state": np.array([1.0, 2.0])}, {"state": np.array([3.0, 4.0])}
LATENT = np.array([0.5])


def word(step: int, total: float = 0.0, done: int = 0, episode: int = 7, **ends: bool) -> TaskMoment:
    return TaskMoment(step * 80, episode, 0, (), done, done, (), step, total, **ends)


def test_transition_has_the_observation_the_skill_was_chosen_on_and_the_rewards_since() -> None:
    collection = SkillCollection(7)
    collection.chosen(BEFORE, word(10, total=1.0, done=1), LATENT)
    BEFORE_CHANGES = BEFORE["state"].copy()
    collection.executed(5, LATENT * 2)
    # The reward of step 16 came after the skill's last step and before the next skill was chosen.
    transition = collection.take(AFTER, 16 * 80, word(16, total=3.0, done=3))
    assert transition is not None
    np.testing.assert_array_equal(transition.observation["state"], BEFORE_CHANGES)
    np.testing.assert_array_equal(transition.next_observation["state"], AFTER["state"])
    np.testing.assert_array_equal(transition.latent, [1.0])  # what the executor says that it executed
    assert (transition.progress, transition.next_progress, transition.reward, transition.steps) == (1, 3, 2.0, 6)
    assert not transition.terminated and not transition.truncated
    assert collection.reward == 2.0
    assert collection.take(AFTER, 16 * 80, word(16)) is None  # once only


def test_it_waits_for_the_executor_the_tasks_last_step_and_an_observation_of_then() -> None:
    collection = SkillCollection(7)
    collection.chosen(BEFORE, word(0), LATENT)
    assert collection.take(AFTER, 400, word(5)) is None  # the executor has not said that it is done
    collection.executed(5, LATENT)
    assert collection.take(AFTER, 320, word(4)) is None
    assert collection.take(AFTER, 320, word(5)) is None  # an observation from before the last step
    assert collection.take(AFTER, 400, word(5)) is not None


def test_end_of_the_episode_ends_a_skill_early_and_keeps_its_kind() -> None:
    for ends in ({"terminated": True}, {"truncated": True}):
        collection = SkillCollection(7)
        collection.chosen(BEFORE, word(0), LATENT)
        collection.executed(5, LATENT)
        transition = collection.take(AFTER, 240, word(3, **ends))
        assert transition is not None
        assert (transition.terminated, transition.truncated) == (ends.get("terminated", False), "truncated" in ends)
        assert transition.steps == 3


def test_words_of_another_episode_count_for_nothing() -> None:
    collection = SkillCollection(7)
    assert not collection.is_ready(word(0, episode=6), 0)
    assert collection.is_ready(word(0), 0)
    collection.chosen(BEFORE, word(0), LATENT)
    collection.executed(5, LATENT)
    assert collection.take(AFTER, 800, word(10, episode=8)) is None
