import numpy as np

from spirl_ros.monitoring.training_history import CAPACITY, CHARTS, Chart, TrainingHistory
from spirl_ros.monitoring.views import TrainingView


def status(step: int, **changes) -> TrainingView:
    values = {
        "state": "collecting",
        "reason": "",
        "env_steps": 10 * step,
        "updates": step,
        "episodes": step // 28,
        "episode_reward": 0.0,
        "completed_in_order": 0.5 * step,
        "prior_divergence": 3.0,
        "target_divergence": 5.0,
        "temperature": 0.01,
        "critic_loss": 0.1,
        "policy_loss": -0.2,
        "env_steps_per_s": 12.5,
        "updates_per_s": 1.25,
    }
    return TrainingView(**{**values, **changes})


ORDERED = Chart("", ("completed_in_order",))


def test_repeated_status_is_one_point() -> None:
    history = TrainingHistory()
    assert history.add(status(1)) and not history.add(status(1)) and history.add(status(2))
    steps, ordered = history.curves(ORDERED)
    np.testing.assert_array_equal(steps, [10, 20])
    np.testing.assert_array_equal(ordered, [0.5, 1.0])


def test_long_training_stays_small_and_spans_it_all() -> None:
    history = TrainingHistory()
    for step in range(1, 5 * CAPACITY):
        history.add(status(step))
    steps, ordered = history.curves(ORDERED)
    assert CAPACITY / 2 <= len(steps) <= CAPACITY
    assert steps[0] == 10 and steps[-1] > 0.99 * 10 * 5 * CAPACITY
    np.testing.assert_allclose(ordered, steps / 20)
    assert (np.diff(steps) > 0).all()


def test_values_that_are_not_there_yet_are_left_out() -> None:
    history = TrainingHistory()
    history.add(status(1, critic_loss=float("nan")))
    history.add(status(2))
    assert len(history.curves(Chart("", ("critic_loss", "policy_loss")))[0]) == 1
    assert len(history.curves(ORDERED)[0]) == 2


def test_new_training_starts_new_curves() -> None:
    history = TrainingHistory()
    history.add(status(100))
    history.add(status(1))
    assert history.curves(ORDERED)[0].tolist() == [10]


def test_every_chart_can_be_drawn_before_the_first_point() -> None:
    for chart in CHARTS:
        curves = TrainingHistory().curves(chart)
        assert len(curves) == 1 + len(chart.fields) and all(len(curve) == 0 for curve in curves)
