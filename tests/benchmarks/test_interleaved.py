import time

import pytest

from benchmarks.interleaved import compare
from benchmarks.machine import Machine


def test_contestants_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []

    def work(name: str, duration_s: float) -> int:
        order.append(name)
        time.sleep(duration_s * (5 if order.count(name) == 1 else 1))
        return 10

    contestants = {"slow": lambda: work("slow", 0.04), "fast": lambda: work("fast", 0.02)}
    comparison = compare(contestants, peer="slow", unit="units/s", rounds=4, machine=Machine("numpy", threads=3))
    assert order == ["slow", "fast"] * 5
    # 10 units in 40 ms are 250/s at most; sleeping is never shorter than asked for.
    assert 100 < comparison.rates["slow"].median <= 250
    assert comparison.rates["slow"].ratio_median == 1.0
    assert comparison.rates["fast"].ratio_median == pytest.approx(2.0, rel=0.3)
    assert "| slow |" in comparison.table() and "threads 3, load before" in comparison.table()
    assert comparison.as_dict()["rounds"] == 4
