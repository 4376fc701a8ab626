import importlib.util

import pytest

if importlib.util.find_spec("torch") is None:
    pytest.skip("training needs torch", allow_module_level=True)

from benchmarks.skill_training import PEER, compare_training


def test_every_contestant_trains_and_the_peer_is_the_unit():
    comparison = compare_training(rounds=2)
    assert comparison.peer == PEER
    assert comparison.rates[PEER].ratio_median == 1.0
    assert all(rates.median > 0.0 for rates in comparison.rates.values())
    assert len(comparison.rates) == 3
