from benchmarks.latency import compare_latencies
from benchmarks.machine import Machine


def test_contestants_take_turns_and_the_first_round_does_not_count():
    calls = []
    contestants = {name: lambda name=name: calls.append(name) for name in ("peer", "ours")}
    comparison = compare_latencies(contestants, "peer", rounds=3, calls_per_round=2, machine=Machine())
    assert calls == ["peer", "peer", "ours", "ours"] * 4
    assert comparison.latencies["peer"].faster_than_peer == 1.0
    assert set(comparison.as_dict()["latencies"]) == {"peer", "ours"}  # type: ignore[arg-type]


def test_table_has_a_line_for_each_contestant_and_the_machine():
    comparison = compare_latencies({"a": int, "b": float}, "a", rounds=2, calls_per_round=1, machine=Machine("numpy"))
    lines = comparison.table().splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:4]] == ["a", "b"]
    assert lines[-1].startswith("2 interleaved rounds of 1 calls; numpy ")
