from spirl_ros.monitoring.gauges import Gauge, gauges
from spirl_ros.monitoring.views import GraphView, HealthView, SafetyView

VALUES = {
    "commands [Hz]": "12.49",
    "control rate asked for [Hz]": "12.5",
    "lateness p99 [ms]": "0.5",
    "tick to command p99 [ms]": "10",
}


def view(values: dict[str, str], level: str = "ok", age_s: float = 0.004) -> GraphView:
    nodes = (HealthView("left/skill_executor: active", level, "", values, 0.5),)
    return GraphView(health=nodes, safety=SafetyView("passed", "", (), 0, age_s))


def test_gauges_tell_what_is_kept_and_what_is_not() -> None:
    shown = {gauge.name: gauge for gauge in gauges(view(VALUES), "left/skill_executor")}
    assert shown["control rate"].text == "12.5 Hz" and shown["control rate"].level == "ok"
    assert shown["step begins late"] == Gauge("step begins late", "0.5 ms", 0.025, "ok")
    assert shown["step to command"].level == "warn"  # 10 ms of at most 5
    assert shown["joint state age"] == Gauge("joint state age", "4 ms", 0.05, "ok")


def test_slow_control_and_old_states_are_marked() -> None:
    shown = gauges(view({**VALUES, "commands [Hz]": "6.25"}, age_s=0.1), "left/skill_executor")
    levels = {gauge.name: (gauge.share, gauge.level) for gauge in shown}
    assert levels["control rate"] == (0.5, "warn") and levels["joint state age"] == (1.25, "warn")


def test_lockstep_has_no_rate_to_keep() -> None:
    (rate, _) = gauges(view({"commands [Hz]": "90"}), "left/skill_executor")
    assert (rate.text, rate.share, rate.level) == ("90.0 Hz", 1.0, "ok")


def test_what_a_node_said_long_ago_or_what_is_no_number_is_not_shown() -> None:
    assert [gauge.name for gauge in gauges(view(VALUES, "stale"), "left/skill_executor")] == ["joint state age"]
    assert len(gauges(view({"commands [Hz]": "?"}, age_s=float("nan")), "left/skill_executor")) == 0
    assert gauges(view(VALUES), "left/other_executor")[0].name == "joint state age"


def test_gauges_of_one_robot_are_not_those_of_another() -> None:
    """Both executors have the same last name: the page of the right robot showed the rate of the left one."""
    left = HealthView("left/skill_executor: active", "ok", "", VALUES, 0.5)
    right = HealthView("right/skill_executor: active", "ok", "", {**VALUES, "commands [Hz]": "6.25"}, 0.5)
    graph = GraphView(health=(left, right))
    assert gauges(graph, "left/skill_executor")[0].text == "12.5 Hz"
    assert gauges(graph, "right/skill_executor")[0].text == "6.2 Hz"
    assert gauges(graph, "skill_executor") == ()


def test_age_that_was_told_long_ago_is_not_shown() -> None:
    """The executor had been silent for two minutes, and its last observation was still 1 ms old."""
    names = [gauge.name for gauge in gauges(view(VALUES), "left/skill_executor", is_safety_silent=True)]
    assert "joint state age" not in names and "control rate" in names
