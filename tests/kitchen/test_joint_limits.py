import numpy as np

from spirl_ros.control.safety_filter import SafetyFilter
from spirl_ros.kitchen.environment import KitchenConfig, KitchenEnvironment
from spirl_ros.kitchen.operator import KitchenOperator
from spirl_ros.kitchen.scene import CONTROL_PERIOD_S, load_kitchen_scene

SCENE = load_kitchen_scene()


def test_position_range_is_the_scenes() -> None:
    limits = SCENE.limits
    assert limits.joint_names == SCENE.joint_names
    np.testing.assert_array_equal(limits.position_upper, SCENE.position_upper)


def test_every_initial_state_activates_the_filter() -> None:
    """A finger begins 8 mm outside the range of its commands, and is measured with 1 mm of noise."""
    environment = KitchenEnvironment(KitchenConfig(), SCENE)
    safety_filter = SafetyFilter(SCENE.limits, CONTROL_PERIOD_S, max_age_s=0.1)
    for seed in range(20):
        environment.reset(seed)
        safety_filter.activate(environment.measurement.joint_positions)


def test_fingers_may_cross_their_range_to_and_fro() -> None:
    safety_filter = SafetyFilter(SCENE.limits, CONTROL_PERIOD_S, max_age_s=0.1)
    positions = np.zeros(9)
    safety_filter.activate(positions)
    for opening in (0.04, 0.0, 0.04, 0.04, 0.0):
        positions[7:] = opening
        assert safety_filter.filter(positions, age_s=0.0).interventions == ()


def test_noisy_demonstration_passes_untouched() -> None:
    environment = KitchenEnvironment(KitchenConfig(task="microwave", count="any"), SCENE)
    operator = KitchenOperator(SCENE)
    observation = environment.reset(seed=3)
    operator.start(["microwave"], seed=3)
    safety_filter = SafetyFilter(SCENE.limits, CONTROL_PERIOD_S, max_age_s=0.1)
    safety_filter.activate(environment.measurement.joint_positions)
    while not environment.has_ended and (action := operator.act(observation)) is not None:
        command = environment.action_meaning.joint_command(action, environment.measurement.joint_positions)
        filtered = safety_filter.filter(command, age_s=0.0)
        np.testing.assert_array_equal(filtered.joint_positions, command)
        observation = environment.step_command(filtered.joint_positions).observation
    assert environment.progress.is_complete
