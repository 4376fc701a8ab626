import re

import numpy as np

from spirl_ros.monitoring.chart_html import charts_html
from spirl_ros.monitoring.training_history import CHARTS, Chart, TrainingHistory
from tests.monitoring.test_training_history import status

ORDERED = Chart("subtasks in order", ("completed_in_order",))


def points_of(text: str) -> list[np.ndarray]:
    """(N, 2) of each curve, x to the right and y down, in a picture of 300 x 48."""
    return [
        np.array([pair.split(",") for pair in line.split()], float) for line in re.findall(r'points="([^"]*)"', text)
    ]


def history_of(*steps: int) -> TrainingHistory:
    history = TrainingHistory()
    for step in steps:
        history.add(status(step))
    return history


def test_curve_goes_from_the_lower_left_to_the_upper_right() -> None:
    # 0.5 subtasks per update, 10 control steps each: values 0.5, 1.0, 2.0 at 10, 20, 40.
    (curve,) = points_of(charts_html((ORDERED,), history_of(1, 2, 4)))
    assert curve[:, 0].tolist() == [0.0, 100.0, 300.0]
    assert curve[:, 1].tolist() == [46.0, 31.3, 2.0]  # 44 high, 2 from the edge; a third of the way is 31.33


def test_orders_of_magnitude_are_as_far_apart_as_each_other() -> None:
    history = TrainingHistory()
    for step, temperature in ((1, 1.0), (2, 0.1), (3, 0.01)):
        history.add(status(step, temperature=temperature))
    chart = Chart("temperature", ("temperature",), is_logarithmic=True)
    (curve,) = points_of(charts_html((chart,), history))
    assert curve[:, 1].tolist() == [2.0, 24.0, 46.0]
    history.add(status(4, temperature=0.0))  # has no logarithm
    (curve,) = points_of(charts_html((chart,), history))
    assert curve[:, 1].tolist() == [2.0, 41.6, 45.6, 46.0]


def test_growing_training_stays_in_its_picture() -> None:
    """uPlot in viser put a growing curve outside its axes: only an empty grid was to be seen."""
    history = TrainingHistory()
    for step in range(1, 700):
        history.add(status(step))
        if step in (1, 2, 3, 50, 699):
            curves = points_of(charts_html(CHARTS, history))
            assert len(curves) == 7
            for curve in curves:
                assert len(curve) == min(step, 200)
                assert (curve >= 0.0).all() and (curve <= [300.0, 48.0]).all()
                assert curve[-1, 0] == (300.0 if step > 1 else 150.0)


def test_what_is_not_known_yet_is_not_drawn() -> None:
    history = TrainingHistory()
    history.add(status(1, critic_loss=float("nan")))
    text = charts_html(CHARTS, history)
    assert "critic loss" not in text and "policy loss" in text
    assert "nan" not in charts_html(CHARTS, TrainingHistory())


def test_newest_values_and_extent_are_told() -> None:
    text = charts_html(CHARTS, history_of(1, 200))
    assert "2,000 steps" in text and "<b>100</b>" in text
    assert "prior <b>3</b>" in text and "target <b>5</b>" in text
