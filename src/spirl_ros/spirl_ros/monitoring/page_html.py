"""What the page says, as HTML: pure functions of what is known, which fill templates/page.html.

Jinja escapes every text.
"""

import math

from jinja2 import Environment, PackageLoader, StrictUndefined

from spirl_ros.monitoring.gauges import Gauge
from spirl_ros.monitoring.page_silence import SILENT_AFTER_S
from spirl_ros.monitoring.views import ChoiceView, GraphView, HealthView, SafetyView, SkillView, TaskView, TrainingView

_WIDEST_LATENT = 3.0
"""A latent of this size fills its bar; larger ones stay full."""

_COLOURS = {
    "good": "#2b8a3e",
    "busy": "#1864ab",
    "warn": "#b35c00",
    "bad": "#c92a2a",
    "quiet": "#6b7280",
}
_KINDS = {
    "idle": "quiet",
    "executing": "busy",
    "passed": "good",
    "limited": "warn",
    "holding": "warn",
    "braking": "bad",
    "latched": "bad",
    "ok": "good",
    "warn": "warn",
    "error": "bad",
    "stale": "quiet",
}
_SEVERITY = ("error", "warn", "stale", "ok")
"""Levels of diagnostics, worst first."""

TEMPLATES = Environment(
    loader=PackageLoader("spirl_ros.monitoring"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGE = TEMPLATES.get_template("page.html", globals={"colours": _COLOURS}).module


def status_html(view: GraphView, executor_silent_s: float = 0.0) -> str:
    """One line: is the arm alive, moving, stopped; and why. The executor has been silent for so long [s], 0 if not."""
    if not math.isfinite(view.state_age_s):
        return _section("status", "no arm", "quiet", "no joint states yet")
    if view.state_age_s > SILENT_AFTER_S:
        return _section("status", "silent", "bad", f"no joint states for {view.state_age_s:.1f} s")
    skill = view.skill
    if skill is None:
        return _section("status", "live", "good", "no skill executor")
    if executor_silent_s:
        was = f"for {executor_silent_s:.1f} s; it was {skill.state}"
        return _section("status", "executor silent", "bad", was)
    return _section("status", skill.state, _KINDS[skill.state], skill.reason or f"bundle {skill.bundle or 'none'}")


def task_html(task: TaskView | None) -> str:
    """The subtasks of the task, ticked, and what else was done; the episode and its time."""
    if task is None:
        return _section("quiet", "no task status yet")
    subtasks = [
        (name, is_done, f"step {task.completed_at_step[name]}" if name in task.completed_at_step else "")
        for name, is_done in zip(task.subtasks, task.is_completed, strict=True)
    ]
    figures = [
        f"episode {task.episode}",
        f"seed {task.seed}",
        f"step {task.step} of {task.max_steps}",
        f"{task.completed_in_order} of {len(task.subtasks)} in order",
    ]
    others = [name.replace("_", " ") for name in task.completed_at_step if name not in task.subtasks]
    percent = _percent(task.step / max(1, task.max_steps))
    return _section("task", subtasks, percent, [*figures, task.end] if task.end else figures, others)


def skill_html(skill: SkillView | None, choice: ChoiceView | None, executor_silent_s: float = 0.0) -> str:
    """The skill under way: who chose it, how far it is, and its latent as bars; faded when the executor is silent."""
    if skill is None:
        return _section("quiet", "no skill executor in this graph")
    if skill.skill_id == 0 and not skill.latent:
        return _section("quiet", f"no skill yet · bundle {skill.bundle or 'none'}")
    left = skill.horizon - skill.step if skill.state == "executing" else 0
    # Skills that were asked for by the action have no number.
    head = [f"skill {skill.skill_id or ''}".rstrip(), f"{left} of {skill.horizon} steps left"]
    if choice is not None and choice.skill_id == skill.skill_id:
        head[0] += " by hand" if choice.source == "manual" else f" by the {choice.source}"
        if math.isfinite(choice.prior_divergence):
            head.append(f"KL {choice.prior_divergence:.2f} nats")
    percent = _percent(skill.step / max(1, skill.horizon))
    bars = [_latent_bar(value) for value in skill.latent]
    return _section("skill", head, percent, _KINDS[skill.state], bars, bool(executor_silent_s))


def safety_html(safety: SafetyView | None, silent_s: float = 0.0) -> str:
    """The safety filter's state, its count of interventions, and the first reason; grey when silent for so long [s]."""
    if safety is None:
        return _section("quiet", "no safety filter in this graph")
    name, kind = safety.state, _KINDS[safety.state]
    if silent_s:
        name, kind = f"{safety.state} {silent_s:.0f} s ago", "quiet"
    return _section("safety", name, kind, safety.interventions, safety.reason, safety.limited_joint_names)


def gauges_html(gauges: tuple[Gauge, ...]) -> str:
    """How well the rates are kept: two gauges in a row."""
    return _section("gauges", [(gauge, _percent(gauge.share), _KINDS[gauge.level]) for gauge in gauges])


def health_html(health: tuple[HealthView, ...], view: GraphView) -> str:
    """How often states come and the page is drawn, then each node: those with a problem first."""
    rates = [f"page {view.frame_rate_hz:.0f} Hz", f"{view.viewers} viewers"]
    if math.isfinite(view.state_rate_hz):
        rates.insert(0, f"joint states {view.state_rate_hz:.0f} Hz")
    nodes = [
        (
            node.name,
            _KINDS[node.level],
            _report(node),
            [f"{name} {value}" for name, value in node.values.items() if value],
        )
        for node in sorted(health, key=lambda node: _SEVERITY.index(node.level))
    ]
    return _section("health", rates, nodes)


def problem_html(health: tuple[HealthView, ...]) -> str:
    """The worst that a node reports, for those who do not look at each. Always one line: nothing below it jumps."""
    nodes = [node for node in health if node.level != "ok"]
    if not nodes:
        return _section("quiet", f"{len(health)} nodes, no problem reported" if health else "no diagnostics yet")
    worst = min(nodes, key=lambda node: _SEVERITY.index(node.level))
    others = f"{len(nodes) - 1} more below" if len(nodes) > 1 else ""
    return _section("problem", worst.name.partition(":")[0], _KINDS[worst.level], _report(worst), others)


def training_html(training: TrainingView) -> str:
    """One line about training; the curves stand below it."""
    figures = (
        f"{training.env_steps} steps",
        f"{training.episodes} episodes",
        f"{training.updates} updates",
        f"{training.env_steps_per_s:.0f} steps/s",
        f"{training.updates_per_s:.0f} updates/s",
        f"temperature {training.temperature:.3g}",
    )
    return _section("training", [text for text in (training.state, training.reason) if text], figures)


def answer_html(text: str, is_failure: bool) -> str:
    """What the last button led to."""
    return _section("answer", text, "bad" if is_failure else "quiet")


def _section(macro: str, *values: object) -> str:
    return str(getattr(_PAGE, macro)(*values))


def _report(node: HealthView) -> str:
    return f"no diagnostics for {node.age_s:.0f} s" if node.level == "stale" else node.message


def _percent(share: float) -> str:
    """Width of a bar, as text: formatting in a template that escapes is slow."""
    return f"{100.0 * min(max(share, 0.0), 1.0):.1f}"


def _latent_bar(value: float) -> tuple[str, str, str, str]:
    """One dimension of the latent: its text and colour, where its bar begins and how long it is [%]."""
    width = 50.0 * min(abs(value) / _WIDEST_LATENT, 1.0)
    left, kind = (50.0 - width, "warn") if value < 0.0 else (50.0, "busy")
    return f"{value:+.2f}", _COLOURS[kind], f"{left:.1f}", f"{width:.1f}"
