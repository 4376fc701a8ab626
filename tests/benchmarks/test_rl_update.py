import importlib.util

import pytest

if importlib.util.find_spec("torch") is None:
    pytest.skip("updates need torch", allow_module_level=True)

from benchmarks.rl_update import PEER, compare_updates


def test_every_contestant_learns_and_the_peer_is_the_unit():
    comparison = compare_updates(rounds=2, threads=1)
    assert comparison.rates[PEER].ratio_median == 1.0
    assert all(rates.median > 0.0 for rates in comparison.rates.values())
    assert len(comparison.rates) == 4 + (importlib.util.find_spec("stable_baselines3") is not None)
