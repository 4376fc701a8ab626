"""The ring of transitions."""

import numpy as np
import pytest

from spirl_ros.errors import TrainingError
from spirl_ros.rl.replay import Replay, SkillTransition, flat


def transition(number: int, terminated: bool = False) -> SkillTransition:
    """Every value tells which transition it belongs to."""
    return SkillTransition(
        {"state": np.full(2, number)},
        number % 3,
        np.full(1, -number),
        float(number),
        {"state": np.full(2, number + 0.5)},
        1,
        terminated,
        True,
        number + 1,
    )


def filled(count: int, capacity: int = 4) -> Replay:
    replay = Replay(capacity, {"state": np.zeros(2, np.float32)}, latent_size=1)
    for number in range(count):
        replay.add(transition(number))
    return replay


def test_the_oldest_is_overwritten_when_full():
    replay = filled(6)
    assert len(replay) == 4
    drawn = replay.draw(200, np.random.default_rng(0))
    assert set(drawn.reward.tolist()) == {2.0, 3.0, 4.0, 5.0}


def test_only_what_was_added_is_drawn():
    drawn = filled(2).draw(100, np.random.default_rng(0))
    assert set(drawn.reward.tolist()) == {0.0, 1.0}


def test_the_values_of_a_transition_stay_together():
    drawn = filled(6).draw(50, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn.observation["state"][:, 0], drawn.reward)
    np.testing.assert_array_equal(drawn.latent[:, 0], -drawn.reward)
    np.testing.assert_array_equal(drawn.next_observation["state"][:, 1], drawn.reward + 0.5)
    np.testing.assert_array_equal(drawn.progress, drawn.reward % 3)
    np.testing.assert_array_equal(drawn.steps, drawn.reward + 1)
    assert drawn.truncated.all() and not drawn.terminated.any()


@pytest.mark.parametrize("count", [2, 6])
def test_a_restored_buffer_draws_the_same_and_goes_on_at_the_same_place(count):
    original, restored = filled(count), filled(0)
    restored.restore(original.state(), 10)
    for replay in (original, restored):
        replay.add(transition(99))
    first, second = (replay.draw(50, np.random.default_rng(1)) for replay in (original, restored))
    for name, values in flat(first).items():
        np.testing.assert_array_equal(values, flat(second)[name])


def test_a_buffer_of_other_sizes_is_refused():
    with pytest.raises(TrainingError, match="observation"):
        Replay(4, {"state": np.zeros(3, np.float32)}, latent_size=1).restore(filled(2).state(), 10)


def test_a_picture_is_kept_as_bytes_beside_the_state():
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    observation = {"state": np.zeros(2, np.float32), "wrist": picture}
    replay = Replay(3, observation, latent_size=1)
    whole = transition(1)
    replay.add(whole._replace(observation=observation, next_observation={**observation, "wrist": picture + 1}))
    drawn = replay.draw(2, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn.observation["wrist"], np.stack([picture] * 2))
    np.testing.assert_array_equal(drawn.next_observation["wrist"], np.stack([picture + 1] * 2))
    assert drawn.observation["wrist"].dtype == np.uint8


def test_a_buffer_of_when_an_observation_was_one_vector_is_read():
    state = filled(6).state()
    for part in ("observation", "next_observation"):
        state["columns"][part] = state["columns"].pop(f"{part}.state")
    restored = filled(0)
    restored.restore(state, 10)
    drawn = restored.draw(50, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn.observation["state"][:, 0], drawn.reward)


def test_decisions_of_a_buffer_without_steps_were_whole_ones():
    """Checkpoints of before hold none."""
    state = filled(6).state()
    del state["columns"]["steps"]
    restored = filled(0)
    restored.restore(state, 10)
    restored.add(transition(99))
    drawn = restored.draw(100, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn.steps, np.where(drawn.reward == 99, 100, 10))


def picture(number: int) -> np.ndarray:
    return np.full((2, 2, 3), number, np.uint8)


def seen(number: int) -> dict[str, np.ndarray]:
    return {"state": np.full(2, number, np.float32), "wrist": picture(number)}


def with_pictures(numbers: range, capacity: int = 4, episode: int = 3) -> Replay:
    """Decisions of episodes of so many: of a moment after the last decision there is a picture, too."""
    replay = Replay(capacity, seen(0), latent_size=1)
    add_pictures(replay, numbers, episode)
    return replay


def add_pictures(replay: Replay, numbers: range, episode: int = 3) -> None:
    for number in numbers:
        begin = number + number // episode
        replay.add(transition(number)._replace(observation=seen(begin), next_observation=seen(begin + 1)))


@pytest.mark.parametrize("count", [1, 3, 4, 5, 6, 7, 8, 20])
def test_each_picture_is_kept_once_and_as_long_as_a_transition_has_it(count: int) -> None:
    replay = with_pictures(range(count))
    kept = range(max(0, count - 4), count)
    expected = {number + number // 3 + later for number in kept for later in (0, 1)}
    assert len(replay._pictures["wrist"]) == len(expected)
    drawn = replay.draw(200, np.random.default_rng(0))
    for part, later in (drawn.observation, 0), (drawn.next_observation, 1):
        np.testing.assert_array_equal(part["wrist"][:, 0, 0, 0], drawn.reward + drawn.reward // 3 + later)
    # Slots are used anew.
    assert len(replay.state()["columns"]["pictures.wrist"]) <= 4 + 3


@pytest.mark.parametrize("count", [2, 6, 9])
@pytest.mark.parametrize("is_old", [False, True])
def test_restored_pictures_are_drawn_and_kept_as_before(count: int, is_old: bool) -> None:
    original, restored = with_pictures(range(count)), with_pictures(range(0))
    state = original.state()
    if is_old:  # each transition had both
        pictures = state["columns"].pop("pictures.wrist")
        for part in ("observation.wrist", "next_observation.wrist"):
            state["columns"][part] = pictures[state["columns"][part]]
    restored.restore(state, 10)
    for replay in (original, restored):
        add_pictures(replay, range(count, count + 3))
    first, second = (replay.draw(50, np.random.default_rng(1)) for replay in (original, restored))
    for name, values in flat(first).items():
        np.testing.assert_array_equal(values, flat(second)[name])
    assert len(original._pictures["wrist"]) == len(restored._pictures["wrist"])


def test_pictures_of_another_size_are_refused() -> None:
    other = Replay(4, {"state": np.zeros(2, np.float32), "wrist": np.zeros((3, 2, 3), np.uint8)}, latent_size=1)
    with pytest.raises(TrainingError, match=r"pictures wrist \(2, 2, 3\), expected \(3, 2, 3\)"):
        other.restore(with_pictures(range(2)).state(), 10)
    with pytest.raises(TrainingError, match="observation.wrist nothing"):
        with_pictures(range(0)).restore(filled(2).state(), 10)
