import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("mujoco")

from benchmarks.policy import PolicyFigures, _difference, measure_policy
from spirl_ros.shipped import shipped


def test_episode_of_another_length_is_infinitely_far() -> None:
    assert _difference(np.zeros((3, 2)), np.array([[0.0, 0.5], [0.0, 0.0], [-0.75, 0.0]])) == 0.75
    assert _difference(np.zeros((3, 2)), np.zeros((4, 2))) == float("inf")


def test_table_has_every_figure() -> None:
    figures = PolicyFigures(
        largest_difference={"observations": 0.0, "latents": 2e-7, "commands": 0.0},
        in_order={"lockstep": [4, 3], "realtime": [4, 4]},
        lockstep_steps_per_s=123.4,
        late_skills=1,
        cpu_percent={"skill_executor": 13.04, "skill_policy": 7.5},
        machine={"cpus": 2},
    )
    table = figures.table()
    for text in ("latents 2e-07", "3.50 on average over 2", "123 control steps/s", "skill_policy 7.5 %", "cpus 2"):
        assert text in table


@pytest.mark.slow
def test_shipped_policy_in_lockstep_is_that_of_the_rollout_in_process() -> None:
    pytest.importorskip("spirl_msgs")
    figures = measure_policy(shipped("models/kitchen"), episodes=1, max_steps=100)
    assert max(figures.largest_difference.values()) == 0.0
    assert len(figures.in_order["lockstep"]) == len(figures.in_order["realtime"]) == 1
    assert set(figures.cpu_percent) == {"mujoco_sim", "skill_executor", "skill_policy"}
