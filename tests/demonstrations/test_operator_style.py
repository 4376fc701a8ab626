import numpy as np
import pytest

from spirl_ros.demonstrations.operator_style import MACHINE, OperatorStyle, Variation
from spirl_ros.errors import ConfigError


@pytest.mark.parametrize(
    "bad",
    [
        {"action_noise": -0.1},
        {"target_noise_m": float("nan")},
        {"target_jitter": float("inf")},
        {"pause_probability": -1.0},
        {"speed_range": (0.0, 1.0)},
        {"speed_range": (1.0, 0.5)},
    ],
)
def test_impossible_values_are_refused_by_name(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        OperatorStyle(**bad)


def test_a_machine_does_not_vary():
    variation = Variation(MACHINE, np.random.default_rng(0), action_size=7)
    assert variation.jitter(1.0) == 0.0
    assert variation.speed() == 1.0
    assert variation.pause_steps() == 0
    assert not variation.next_action_noise().any()
    assert not variation.next_target_noise().any()


def test_action_noise_has_the_configured_deviation_and_memory():
    variation = Variation(OperatorStyle(action_noise=0.1), np.random.default_rng(0), action_size=7)
    noise = np.array([variation.next_action_noise() for _ in range(5000)])[50:]
    assert noise.std() == pytest.approx(0.1, rel=0.03)
    assert np.corrcoef(noise[1:, 0], noise[:-1, 0])[0, 1] == pytest.approx(0.8, abs=0.03)
