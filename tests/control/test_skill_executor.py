import numpy as np
import pytest

from spirl_ros.control.skill_executor import SkillExecutor
from spirl_ros.errors import ObservationError, SkillError


class SumDecoder:
    """Action: observation plus latent plus step; remembers the latents that it was given."""

    def __init__(self) -> None:
        self.latents: list[np.ndarray] = []

    def decode(self, state: np.ndarray, latent: np.ndarray, step: int) -> np.ndarray:
        self.latents.append(latent)
        return state[:2] + latent + step


OBSERVATION = np.array([1.0, 2.0, 3.0])
LATENT = np.array([0.5, 0.25])


def make_executor(decoder=None) -> SkillExecutor:
    return SkillExecutor(decoder or SumDecoder(), skill_horizon=3, latent_size=2, observation_size=3, action_size=2)


def test_skill_gives_one_action_per_step_and_holds_its_latent():
    executor = make_executor()
    latent = LATENT.copy()
    executor.start(latent)
    latent[:] = 99.0
    actions = []
    while not executor.is_done:
        actions.append(executor.step(OBSERVATION))
    np.testing.assert_array_equal(actions, [[1.5, 2.25], [2.5, 3.25], [3.5, 4.25]])
    assert (executor.steps_done, executor.steps_left) == (3, 0)
    assert isinstance(executor.decoder, SumDecoder)
    assert all(np.array_equal(given, LATENT) for given in executor.decoder.latents)


def test_nobody_changes_the_latent_of_a_skill_under_way():
    """A float32 array needs no conversion: it was shared with the caller when no copy was made."""

    class WritingDecoder:
        def decode(self, state: np.ndarray, latent: np.ndarray, step: int) -> np.ndarray:
            latent[:] = 0.0
            return state[:2]

    latent, executor = LATENT.astype(np.float32), make_executor(WritingDecoder())
    executor.start(latent)
    latent[:] = 99.0
    assert executor.latent is not None and executor.latent.tolist() == LATENT.tolist()
    with pytest.raises(ValueError, match="read-only"):
        executor.step(OBSERVATION)


def test_rehearsal_decodes_and_changes_nothing():
    executor = make_executor()
    executor.rehearse(OBSERVATION)
    executor.start(LATENT)
    actions = []
    while not executor.is_done:
        executor.rehearse(2.0 * OBSERVATION)
        actions.append(executor.step(OBSERVATION))
    executor.rehearse(OBSERVATION)
    np.testing.assert_array_equal(actions, [[1.5, 2.25], [2.5, 3.25], [3.5, 4.25]])
    assert isinstance(executor.decoder, SumDecoder) and len(executor.decoder.latents) == 6


def test_abort_leaves_nothing_of_the_skill():
    executor = make_executor()
    executor.start(LATENT)
    executor.step(OBSERVATION)
    executor.abort()
    assert (executor.latent, executor.steps_done, executor.steps_left) == (None, 0, 0)


def test_closed_loop_sees_each_observation():
    executor = make_executor()
    executor.start(LATENT)
    executor.step(OBSERVATION)
    np.testing.assert_array_equal(executor.step(OBSERVATION + 10.0), [12.5, 13.25])


def test_steps_are_counted_down():
    executor = make_executor()
    assert executor.is_done and executor.steps_left == 0
    executor.start(LATENT)
    assert (executor.steps_done, executor.steps_left, executor.is_done) == (0, 3, False)
    executor.step(OBSERVATION)
    assert (executor.steps_done, executor.steps_left, executor.is_done) == (1, 2, False)


@pytest.mark.parametrize("latent", [[0.0], [0.0, 0.0, 0.0], [[0.0, 0.0]], 0.0, [np.nan, 0.0], [0.0, np.inf]])
def test_bad_latent_is_refused_and_the_skill_under_way_goes_on(latent):
    executor = make_executor()
    with pytest.raises(SkillError, match="latent"):
        executor.start(latent)
    assert executor.is_done
    executor.start(LATENT)
    executor.step(OBSERVATION)
    with pytest.raises(SkillError, match="latent"):
        executor.start(latent)
    np.testing.assert_array_equal(executor.step(OBSERVATION), [2.5, 3.25])


def test_second_skill_waits_for_the_first_or_its_abort():
    executor = make_executor()
    executor.start(LATENT)
    with pytest.raises(SkillError, match="3 steps are left"):
        executor.start(LATENT + 1.0)
    executor.abort()
    assert executor.is_done and executor.latent is None
    executor.start(LATENT + 1.0)
    np.testing.assert_array_equal(executor.step(OBSERVATION), [2.5, 3.25])


def test_no_action_without_a_skill():
    executor = make_executor()
    with pytest.raises(SkillError, match="no skill is under way"):
        executor.step(OBSERVATION)
    executor.start(LATENT)
    for _ in range(3):
        executor.step(OBSERVATION)
    with pytest.raises(SkillError, match="no skill is under way"):
        executor.step(OBSERVATION)


@pytest.mark.parametrize(
    ("observation", "told"),
    [
        (np.zeros(2), "observation has shape"),
        (np.zeros((1, 3)), "observation has shape"),
        (np.array([0.0, np.nan, 0.0]), "observation is nan at 1"),
        (np.array([0.0, 0.0, -np.inf]), "observation is -inf at 2"),
    ],
)
def test_bad_observation_is_refused_before_the_decoder_sees_it(observation, told):
    executor = make_executor()
    executor.start(LATENT)
    with pytest.raises(ObservationError, match=told):
        executor.step(observation)
    assert executor.steps_done == 0
    np.testing.assert_array_equal(executor.step(OBSERVATION), [1.5, 2.25])


@pytest.mark.parametrize("action", [[np.nan, 0.0], [0.0, np.inf], [0.0], [[0.0, 0.0]]])
def test_bad_action_is_reported_and_not_counted(action):
    class BadDecoder:
        def decode(self, state: np.ndarray, latent: np.ndarray, step: int) -> np.ndarray:
            return np.array(action)

    executor = make_executor(BadDecoder())
    executor.start(LATENT)
    with pytest.raises(SkillError, match="the decoder gives"):
        executor.step(OBSERVATION)
    assert (executor.steps_done, executor.steps_left) == (0, 3)
