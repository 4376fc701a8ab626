import numpy as np
import pytest

from spirl_ros.demonstrations.operator_style import OperatorStyle
from spirl_ros.errors import ConfigError, ObservationError
from spirl_ros.kitchen.environment import KitchenConfig, KitchenEnvironment
from spirl_ros.kitchen.operator import KitchenOperator
from spirl_ros.kitchen.recipes import RECIPES
from spirl_ros.kitchen.scene import INITIAL_POSITIONS, load_kitchen_scene
from spirl_ros.kitchen.subtasks import SUBTASKS


@pytest.fixture
def operator():
    return KitchenOperator(load_kitchen_scene())


def _run(operator, subtasks, seed, max_steps=280):
    """Executed and intended actions of one episode, and its environment."""
    environment = KitchenEnvironment(KitchenConfig(task=",".join(subtasks), count="any", max_steps=max_steps))
    observation = environment.reset(seed)
    operator.start(subtasks, seed)
    executed, intended = [], []
    while not environment.has_ended and (action := operator.act(observation)) is not None:
        executed.append(action)
        intended.append(operator.intended_action)
        observation = environment.step(action).observation
    return np.array(executed), np.array(intended), environment


def test_every_subtask_has_a_recipe():
    assert set(RECIPES) == set(SUBTASKS)


@pytest.mark.parametrize("subtask", SUBTASKS)
def test_each_subtask_is_completed_from_the_initial_position(operator, subtask):
    executed, intended, environment = _run(operator, [subtask], seed=3, max_steps=120)
    assert subtask in environment.progress.completed_at_step
    assert executed.shape[1:] == (9,)
    for actions in (executed, intended):
        assert np.isfinite(actions).all()
        assert np.abs(actions).max() <= 1.0


def test_a_chain_of_four_is_completed(operator):
    chain = ("kettle", "top_burner", "hinge_cabinet", "slide_cabinet")
    _, _, environment = _run(operator, chain, seed=1)
    assert set(chain) <= set(environment.progress.completed_at_step)


def test_the_same_seed_and_observations_give_the_same_actions_bit_for_bit(operator):
    generator = np.random.default_rng(0)
    observations = INITIAL_POSITIONS + 1e-3 * generator.uniform(-1.0, 1.0, (60, 30))
    other = KitchenOperator(load_kitchen_scene())
    other.start(["kettle"], seed=5)  # what it did before must not matter
    for observation in observations[:20]:
        other.act(observation)
    for one in (operator, other):
        one.start(["microwave", "light_switch"], seed=8)
    for observation in observations:
        np.testing.assert_array_equal(operator.act(observation), other.act(observation))


def test_another_seed_gives_other_actions(operator):
    actions = []
    for seed in (0, 1):
        operator.start(["microwave"], seed)
        actions.append(operator.act(INITIAL_POSITIONS))
    assert not np.array_equal(*actions)


def test_noise_is_on_the_executed_action_of_the_arm_and_not_on_the_intended_one():
    noisy = KitchenOperator(load_kitchen_scene(), OperatorStyle(action_noise=0.3))
    quiet = KitchenOperator(load_kitchen_scene(), OperatorStyle(action_noise=0.0))
    for operator in (noisy, quiet):
        operator.start(["kettle"], seed=0)
    with_noise, without = noisy.act(INITIAL_POSITIONS), quiet.act(INITIAL_POSITIONS)
    assert with_noise is not None and without is not None
    np.testing.assert_array_equal(without, quiet.intended_action)
    np.testing.assert_array_equal(noisy.intended_action, quiet.intended_action)
    assert (with_noise[:7] != without[:7]).any()
    np.testing.assert_array_equal(with_noise[7:], without[7:])


def test_nothing_is_left_to_do_before_the_start_and_once_all_subtasks_are_done(operator):
    done = INITIAL_POSITIONS.copy()
    done[9 + load_kitchen_scene().scene_names.index("microwave")] = -0.75
    assert operator.act(done) is None
    operator.start(["microwave"], seed=0)
    assert operator.act(done) is None
    assert operator.current_subtask is None


def test_attempts_are_limited_so_an_operator_that_fails_ends_too(operator):
    operator.start(["light_switch", "microwave"], seed=0)
    worked_on = []
    while operator.act(INITIAL_POSITIONS) is not None:  # an arm that never moves
        worked_on.append(operator.current_subtask)
        assert len(worked_on) < 1500
    assert sorted(set(worked_on)) == ["light_switch", "microwave"]
    assert operator.act(INITIAL_POSITIONS) is None


def test_the_current_subtask_follows_the_chain(operator):
    operator.start(["light_switch", "microwave"], seed=0)
    assert operator.current_subtask is None
    operator.act(INITIAL_POSITIONS)
    assert operator.current_subtask == "light_switch"


def test_an_unknown_subtask_is_refused_with_the_valid_ones(operator):
    with pytest.raises(ConfigError, match="'dishwasher' is neither.*microwave.*kettle"):
        operator.start(["microwave", "dishwasher"], seed=0)


def test_an_unusable_observation_does_not_disturb_the_chain(operator):
    other = KitchenOperator(load_kitchen_scene())
    for one in (operator, other):
        one.start(["kettle"], seed=0)
        one.act(INITIAL_POSITIONS)
    with pytest.raises(ObservationError):
        operator.act(np.full(30, np.nan))
    np.testing.assert_array_equal(operator.act(INITIAL_POSITIONS), other.act(INITIAL_POSITIONS))
