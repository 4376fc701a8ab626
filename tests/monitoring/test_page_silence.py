from dataclasses import replace

from spirl_ros.monitoring.page_silence import executor_silent_s
from spirl_ros.monitoring.views import GraphView, HealthView, SkillView

EXECUTOR = HealthView("left/skill_executor: active", "ok", "idle", {"control rate asked for [Hz]": "12.5"}, 0.2)
LOCKSTEP = replace(EXECUTOR, values={"state": "IDLE"})
SKILL = SkillView("idle", 5, 10, 10, (), "kitchen", "")


def silent_s(executor: HealthView, age_s: float) -> float:
    graph = GraphView(skill=SKILL, health=(executor,), skill_age_s=age_s)
    return executor_silent_s(graph, "left/skill_executor")


def test_executor_that_keeps_a_rate_is_silent_after_a_second() -> None:
    assert silent_s(EXECUTOR, 0.9) == 0.0
    assert silent_s(EXECUTOR, 120.0) == 120.0  # its diagnostics alone are no control step


def test_executor_in_lockstep_may_say_nothing_between_skills_while_its_diagnostics_come() -> None:
    assert silent_s(LOCKSTEP, 120.0) == 0.0
    assert silent_s(replace(LOCKSTEP, age_s=3.5), 120.0) == 120.0
    assert silent_s(replace(LOCKSTEP, name="right/skill_executor: active"), 120.0) == 120.0  # another robot's


def test_graph_without_an_executor_has_no_silent_one() -> None:
    assert executor_silent_s(GraphView(), "skill_executor") == 0.0
