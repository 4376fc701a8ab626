from dataclasses import replace

from spirl_ros.monitoring.gauges import Gauge
from spirl_ros.monitoring.page_html import (
    gauges_html,
    health_html,
    problem_html,
    safety_html,
    skill_html,
    status_html,
    task_html,
)
from spirl_ros.monitoring.views import ChoiceView, GraphView, HealthView, SafetyView, SkillView, TaskView

TASK = TaskView(
    task="kitchen",
    episode=3,
    seed=7,
    subtasks=("microwave", "kettle"),
    is_completed=(True, False),
    completed_at_step={"microwave": 36, "hinge_cabinet": 80},
    completed_in_order=1,
    step=140,
    max_steps=280,
    end="",
)
SKILL = SkillView("executing", 5, 4, 10, (1.5, -3.0, 99.0), "kitchen", "")


def test_only_completed_subtasks_are_ticked() -> None:
    text = task_html(TASK)
    assert 'data-subtask="microwave" data-done="true"' in text and "step 36" in text
    assert 'data-subtask="kettle" data-done="false"' in text
    assert text.count("✔") == 1 and "1 of 2 in order" in text
    assert "also done: hinge cabinet" in text
    assert "width:50.0%" in text  # 140 of 280 steps


def test_end_of_the_episode_is_told() -> None:
    assert "out of time" in task_html(replace(TASK, end="out of time"))
    assert "no task status yet" in task_html(None)


def test_latent_bars_go_left_and_right_and_never_leave_their_box() -> None:
    text = skill_html(SKILL, None)
    assert "6 of 10 steps left" in text
    assert "left:50.0%;width:25.0%" in text  # 1.5 of 3 to the right
    assert "left:0.0%;width:50.0%" in text  # -3 of 3 to the left
    assert "left:50.0%;width:50.0%" in text  # 99 is no wider than 3
    assert text.count("z0") == text.count("z1") == text.count("z2") == 1


def test_divergence_is_that_of_the_skill_under_way() -> None:
    text = skill_html(SKILL, ChoiceView(5, "policy", 2.5))
    assert "skill 5 by the policy · 6 of 10 steps left · KL 2.50 nats" in text
    assert "nats" not in skill_html(SKILL, ChoiceView(4, "policy", 2.5))
    assert "nats" not in skill_html(SKILL, ChoiceView(5, "manual", float("nan")))


def test_latch_and_its_reason_are_shown() -> None:
    latched = replace(SKILL, state="latched", reason="stopped by a service call")
    text = status_html(GraphView(skill=latched, state_age_s=0.0, skill_age_s=0.0))
    assert "latched" in text and "stopped by a service call" in text


def test_silence_is_called_by_its_name() -> None:
    assert "no joint states yet" in status_html(GraphView())
    assert "no joint states for 2.0 s" in status_html(GraphView(skill=SKILL, state_age_s=2.0, skill_age_s=0.0))
    assert "it was executing" in status_html(GraphView(skill=SKILL, state_age_s=0.0), executor_silent_s=3.0)


def test_interventions_are_counted_and_named() -> None:
    text = safety_html(SafetyView("limited", "velocity of joint1", ("joint1",), 12, 0.004))
    assert "12 interventions" in text and "velocity of joint1" in text


def test_what_was_said_long_ago_does_not_look_as_if_it_held() -> None:
    """A safety filter that had been silent for two minutes had `passed` on a green badge."""
    safety, green = SafetyView("passed", "", (), 0, 0.001), "#2b8a3e"
    assert green in safety_html(safety) and "ago" not in safety_html(safety)
    assert green not in safety_html(safety, 120.4) and "passed 120 s ago" in safety_html(safety, 120.4)
    assert "data-old" not in skill_html(SKILL, None) and 'data-old="true"' in skill_html(SKILL, None, 120.4)


def test_stale_node_says_since_when() -> None:
    text = health_html((HealthView("sim: active", "stale", "simulating", {}, 7.2),), GraphView())
    assert "no diagnostics for 7 s" in text and "simulating" not in text


def test_worst_problem_is_told_in_one_line_and_listed_first() -> None:
    health = (
        HealthView("arm: active", "ok", "following", {}, 0.1),
        HealthView("policy: active", "warn", "late", {}, 0.1),
        HealthView("left/sim: active", "error", "too slow", {}, 0.1),
    )
    text = problem_html(health)
    assert "left/sim" in text and "too slow" in text and "1 more below" in text and "late" not in text
    text = health_html(health, GraphView())
    assert text.index("left/sim") < text.index("policy") < text.index("arm")
    assert "1 nodes, no problem" in problem_html(health[:1]) and "no diagnostics yet" in problem_html(())


def test_gauge_shows_value_level_and_a_bar_that_is_never_too_long() -> None:
    text = gauges_html((Gauge("joint state age", "100 ms", 1.25, "warn"),))
    assert 'data-level="warn"' in text and "100 ms" in text and "width:100.0%" in text


def test_text_of_other_nodes_never_becomes_markup() -> None:
    """A node's name or reason is not ours: it must not put scripts into a page with an emergency stop."""
    evil = "<img src=x onerror=alert(1)>"
    skill = SkillView("latched", 1, 0, 10, (0.0,), evil, evil)
    safety = SafetyView("limited", evil, (evil,), 0, 0.0)
    health = (HealthView(evil, "warn", evil, {evil: evil}, 0.0),)
    task = replace(TASK, subtasks=(evil, "kettle"), completed_at_step={evil + "2": 1})
    view = GraphView(skill=skill, state_age_s=0.0, skill_age_s=0.0)
    for text in (
        status_html(view),
        safety_html(safety),
        health_html(health, view),
        problem_html(health),
        task_html(task),
    ):
        assert "<img" not in text and "&lt;img" in text
