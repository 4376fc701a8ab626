import itertools
import json

import pytest

from spirl_ros.demonstrations.collection import Chain
from spirl_ros.demonstrations.operator_report import (
    ChainResult,
    OperatorReport,
    ordered_pairs,
    random_chains,
    run_chains,
)
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.subtasks import SUBTASKS


def test_random_chains_have_four_distinct_subtasks_and_depend_on_the_seed_alone():
    chains = random_chains(KITCHEN, 20, seed=5)
    assert all(len(set(chain.subtasks)) == 4 and set(chain.subtasks) <= set(SUBTASKS) for chain in chains)
    assert random_chains(KITCHEN, 10, seed=15) == chains[10:]
    assert len({chain.subtasks for chain in chains}) > 15


def test_ordered_pairs_are_all_of_them():
    assert sorted(chain.subtasks for chain in ordered_pairs(KITCHEN, 1, 0)) == sorted(
        itertools.permutations(SUBTASKS, 2)
    )


def test_results_do_not_depend_on_the_number_of_workers():
    chains = [Chain(("light_switch",), 0), Chain(("kettle",), 1), Chain(("microwave",), 2)]
    finished = []
    assert run_chains(KITCHEN, chains, workers=1) == run_chains(KITCHEN, chains, workers=2, on_result=finished.append)
    assert len(finished) == 3


def _result(subtasks, started, completed, steps):
    return ChainResult(Chain(subtasks, 0), started, completed, steps)


def test_report_counts_attempts_success_and_steps():
    results = [
        _result(("kettle", "microwave"), {"kettle": 0, "microwave": 50}, {"kettle": 40, "microwave": 100}, 100),
        _result(("microwave", "kettle"), {"microwave": 0, "kettle": 80}, {"microwave": 60}, 280),
        _result(("kettle",), {}, {"kettle": 1}, 1),  # done before it was begun
    ]
    figures = OperatorReport(SUBTASKS, results, duration_s=2.0).as_dict()
    assert figures["completed"] == pytest.approx(2 / 3)
    assert figures["env_steps_per_s"] == pytest.approx(381 / 2.0)
    assert figures["steps_mean"] == pytest.approx((100 + 1) / 2)
    kettle, microwave = figures["per_subtask"]["kettle"], figures["per_subtask"]["microwave"]
    assert (kettle["attempts"], kettle["success"], kettle["steps_mean"]) == (2, 0.5, 40.0)
    assert (microwave["attempts"], microwave["success"], microwave["steps_mean"]) == (2, 1.0, 55.0)
    assert figures["per_subtask"]["top_burner"] == {
        "attempts": 0,
        "success": None,
        "steps_mean": None,
        "steps_p90": None,
    }
    json.dumps(figures)


def test_table_has_a_line_per_attempted_subtask_and_per_failure():
    results = [
        _result(("kettle", "microwave"), {"kettle": 0, "microwave": 50}, {"kettle": 40, "microwave": 100}, 100),
        _result(("microwave",), {"microwave": 0}, {}, 280),
    ]
    table = OperatorReport(SUBTASKS, results, duration_s=1.0).table()
    assert "top_burner" not in table
    assert "50.0%" in table
    assert "seed 0 failed: microwave; done at step: nothing" in table
