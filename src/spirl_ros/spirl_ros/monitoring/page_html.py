"""What the page says, as HTML: pure functions of what is known. Every text that comes from elsewhere is escaped."""

import math
from html import escape

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


def status_html(view: GraphView, executor_silent_s: float = 0.0) -> str:
    """One line: is the arm alive, moving, stopped; and why. The executor has been silent for so long [s], 0 if not."""
    if not math.isfinite(view.state_age_s):
        return _section(_badge("no arm", "quiet") + " no joint states yet")
    if view.state_age_s > SILENT_AFTER_S:
        return _section(_badge("silent", "bad") + f" no joint states for {view.state_age_s:.1f} s")
    skill = view.skill
    if skill is None:
        return _section(_badge("live", "good") + " no skill executor")
    text = f" {escape(skill.reason)}" if skill.reason else f" bundle {escape(skill.bundle or 'none')}"
    if executor_silent_s:
        return _section(_badge("executor silent", "bad") + f" for {executor_silent_s:.1f} s; it was {skill.state}")
    return _section(_badge(skill.state, _KINDS[skill.state]) + text)


def task_html(task: TaskView | None) -> str:
    """The subtasks of the task, ticked, and what else was done; the episode and its time."""
    if task is None:
        return _quiet("no task status yet")
    rows = []
    for number, (name, is_done) in enumerate(zip(task.subtasks, task.is_completed, strict=True), start=1):
        mark, colour = ("✔", _COLOURS["good"]) if is_done else ("○", _COLOURS["quiet"])
        when = f"step {task.completed_at_step[name]}" if name in task.completed_at_step else ""
        done = "true" if is_done else "false"
        rows.append(
            f'<div class="subtask" data-subtask="{escape(name)}" data-done="{done}" style="{_ROW}">'
            f'<span style="color:{colour};width:1.4em">{mark}</span>'
            f'<span style="flex:1">{number}. {escape(name.replace("_", " "))}</span>{_small(when)}</div>'
        )
    others = [name.replace("_", " ") for name in task.completed_at_step if name not in task.subtasks]
    end = f" · {task.end}" if task.end else ""
    rows.append(_bar(task.step / max(1, task.max_steps), _COLOURS["busy"]))
    rows.append(
        _small(
            f"episode {task.episode} · seed {task.seed} · step {task.step} of {task.max_steps} · "
            f"{task.completed_in_order} of {len(task.subtasks)} in order{end}"
        )
    )
    if others:
        rows.append(_small(escape(f"also done: {', '.join(others)}")))
    return _section("".join(rows))


def skill_html(skill: SkillView | None, choice: ChoiceView | None, executor_silent_s: float = 0.0) -> str:
    """The skill under way: who chose it, how far it is, and its latent as bars; faded when the executor is silent."""
    if skill is None:
        return _quiet("no skill executor in this graph")
    if skill.skill_id == 0 and not skill.latent:
        return _quiet(f"no skill yet · bundle {escape(skill.bundle or 'none')}")
    left = skill.horizon - skill.step if skill.state == "executing" else 0
    # Skills that were asked for by the action have no number.
    head, divergence = f"skill {skill.skill_id or ''}".rstrip(), ""
    if choice is not None and choice.skill_id == skill.skill_id:
        head += " by hand" if choice.source == "manual" else f" by the {choice.source}"
        if math.isfinite(choice.prior_divergence):
            divergence = f" · KL {choice.prior_divergence:.2f} nats"
    # One line, or the page would jump with every skill.
    title = "KL: divergence of the policy from the skill prior"
    head = f'<div title="{title}">{head} · {left} of {skill.horizon} steps left{divergence}</div>'
    bars = "".join(_latent_bar(index, value) for index, value in enumerate(skill.latent))
    progress = _bar(skill.step / max(1, skill.horizon), _COLOURS[_KINDS[skill.state]])
    columns = "display:grid;grid-auto-flow:column;grid-template-columns:1fr 1fr;column-gap:1em;margin-top:.3em"
    rows = f"grid-template-rows:repeat({math.ceil(len(skill.latent) / 2)},auto)"
    fade = 'data-old="true" style="opacity:.45"' if executor_silent_s else ""
    return _section(f'<div {fade}>{head}{progress}<div style="{columns};{rows}">{bars}</div></div>')


def safety_html(safety: SafetyView | None, silent_s: float = 0.0) -> str:
    """The safety filter's state, its count of interventions, and the first reason; grey when silent for so long [s]."""
    if safety is None:
        return _quiet("no safety filter in this graph")
    if silent_s:
        parts = [_badge(f"{safety.state} {silent_s:.0f} s ago", "quiet")]
    else:
        parts = [_badge(safety.state, _KINDS[safety.state])]
    parts.append(f" {safety.interventions} interventions")
    if safety.reason:
        parts.append(f"<div>{escape(safety.reason)}</div>")
    if safety.limited_joint_names:
        parts.append(_small(escape(f"limited: {', '.join(safety.limited_joint_names)}")))
    return _section("".join(parts))


def gauges_html(gauges: tuple[Gauge, ...]) -> str:
    """How well the rates are kept: two gauges in a row."""
    cells = "".join(
        f'<div class="gauge" data-level="{gauge.level}"><div style="{_ROW};justify-content:space-between">'
        f'<span style="color:{_COLOURS["quiet"]}">{escape(gauge.name)}</span>'
        f'<span style="color:{_COLOURS[_KINDS[gauge.level]]};font-weight:600">{escape(gauge.text)}</span></div>'
        f"{_bar(gauge.share, _COLOURS[_KINDS[gauge.level]])}</div>"
        for gauge in gauges
    )
    grid = "display:grid;grid-template-columns:1fr 1fr;column-gap:1em;font-size:.9em;margin-top:.3em"
    return _section(f'<div style="{grid}">{cells}</div>')


def health_html(health: tuple[HealthView, ...], view: GraphView) -> str:
    """How often states come and the page is drawn, then each node: those with a problem first."""
    rates = [f"page {view.frame_rate_hz:.0f} Hz", f"{view.viewers} viewers"]
    if math.isfinite(view.state_rate_hz):
        rates.insert(0, f"joint states {view.state_rate_hz:.0f} Hz")
    rows = [_small(" · ".join(rates))]
    for node in sorted(health, key=lambda node: _SEVERITY.index(node.level)):
        colour = _COLOURS[_KINDS[node.level]]
        values = " · ".join(f"{name} {value}" for name, value in node.values.items() if value)
        rows.append(
            f'<div style="margin-top:.35em"><span style="color:{colour}">●</span> <b>{escape(node.name)}</b> '
            f"{escape(_report(node))}</div>{_small(escape(values))}"
        )
    return _section("".join(rows))


def problem_html(health: tuple[HealthView, ...]) -> str:
    """The worst that a node reports, for those who do not look at each. Always one line: nothing below it jumps."""
    nodes = [node for node in health if node.level != "ok"]
    if not nodes:
        return _quiet(f"{len(health)} nodes, no problem reported" if health else "no diagnostics yet")
    worst = min(nodes, key=lambda node: _SEVERITY.index(node.level))
    others = f"{len(nodes) - 1} more below" if len(nodes) > 1 else ""
    name, report = escape(worst.name.partition(":")[0]), escape(_report(worst))
    one_line = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap;flex:1"
    return _section(
        f'<div style="{_ROW}"><span title="{report}" style="{one_line}">'
        f'<span style="color:{_COLOURS[_KINDS[worst.level]]}">●</span> <b>{name}</b> {report}</span>{_small(others)}</div>'
    )


def training_html(training: TrainingView) -> str:
    """One line about training; the curves stand below it."""
    reason = f" · {escape(training.reason)}" if training.reason else ""
    return _section(
        f"{escape(training.state)}{reason}"
        + _small(
            f"{training.env_steps} steps · {training.episodes} episodes · {training.updates} updates · "
            f"{training.env_steps_per_s:.0f} steps/s · {training.updates_per_s:.0f} updates/s · "
            f"temperature {training.temperature:.3g}"
        )
    )


def answer_html(text: str, is_failure: bool) -> str:
    """What the last button led to; announced to screen readers."""
    colour = _COLOURS["bad" if is_failure else "quiet"]
    return f'<div role="status" aria-live="polite" style="{_TEXT};color:{colour}">{escape(text)}</div>'


_TEXT = "padding:0 .75em .35em;font-size:.85em;line-height:1.45;overflow-wrap:anywhere"
_ROW = "display:flex;align-items:baseline"


def _report(node: HealthView) -> str:
    return f"no diagnostics for {node.age_s:.0f} s" if node.level == "stale" else node.message


def _section(content: str) -> str:
    return f'<div style="{_TEXT}">{content}</div>'


def _quiet(text: str) -> str:
    return _section(_small(text))


def _small(text: str) -> str:
    return f'<div style="color:{_COLOURS["quiet"]};font-size:.9em">{text}</div>'


def _badge(text: str, kind: str) -> str:
    style = f"background:{_COLOURS[kind]};color:white;border-radius:.3em;padding:.05em .5em;font-weight:600"
    return f'<span class="badge" style="{style}">{escape(text)}</span>'


def _bar(share: float, colour: str) -> str:
    width = 100.0 * min(max(share, 0.0), 1.0)
    return (
        '<div style="height:.4em;background:#e5e7eb;border-radius:.2em;margin:.25em 0">'
        f'<div style="height:100%;width:{width:.1f}%;background:{colour};border-radius:.2em"></div></div>'
    )


def _latent_bar(index: int, value: float) -> str:
    """One dimension of the latent, from the middle to the left or to the right."""
    width = 50.0 * min(abs(value) / _WIDEST_LATENT, 1.0)
    left = 50.0 - width if value < 0.0 else 50.0
    colour = _COLOURS["busy"] if value >= 0.0 else _COLOURS["warn"]
    return (
        f'<div style="{_ROW};font-size:.85em"><span style="width:1.6em">z{index}</span>'
        '<span style="flex:1;position:relative;height:.7em;background:#e5e7eb;align-self:center">'
        f'<span style="position:absolute;left:{left:.1f}%;width:{width:.1f}%;height:100%;background:{colour}"></span>'
        f'</span><span style="width:3.4em;text-align:right">{value:+.2f}</span></div>'
    )
