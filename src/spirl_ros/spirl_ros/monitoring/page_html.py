"""What the page says, as HTML: pure functions of what is known. Every text that comes from elsewhere is escaped."""

import math
from html import escape

from spirl_ros.monitoring.views import ChoiceView, GraphView, HealthView, SafetyView, SkillView, TaskView, TrainingView

SILENT_AFTER_S = 1.0
"""Joint states older than this [s] are called old."""
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


def status_html(view: GraphView) -> str:
    """One line: is the arm alive, moving, stopped; and why."""
    if not math.isfinite(view.state_age_s):
        return _section(_badge("no arm", "quiet") + " no joint states yet")
    if view.state_age_s > SILENT_AFTER_S:
        return _section(_badge("silent", "bad") + f" no joint states for {view.state_age_s:.1f} s")
    skill = view.skill
    if skill is None:
        return _section(_badge("live", "good") + " no skill executor")
    text = f" {escape(skill.reason)}" if skill.reason else f" bundle {escape(skill.bundle or 'none')}"
    if view.skill_age_s > SILENT_AFTER_S:
        return _section(_badge("executor silent", "bad") + f" for {view.skill_age_s:.1f} s; it was {skill.state}")
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


def skill_html(skill: SkillView | None, choice: ChoiceView | None) -> str:
    """The skill under way: who chose it, how far it is, and its latent as bars."""
    if skill is None:
        return _quiet("no skill executor in this graph")
    if skill.skill_id == 0 and not skill.latent:
        return _quiet(f"no skill yet · bundle {escape(skill.bundle or 'none')}")
    left = skill.horizon - skill.step if skill.state == "executing" else 0
    head = f"skill {skill.skill_id} · {left} of {skill.horizon} steps left"
    if choice is not None and choice.skill_id == skill.skill_id:
        head += f" · by the {choice.source}"
        if math.isfinite(choice.prior_divergence):
            head += f" · {choice.prior_divergence:.2f} nats from the prior"
    bars = "".join(_latent_bar(index, value) for index, value in enumerate(skill.latent))
    progress = _bar(skill.step / max(1, skill.horizon), _COLOURS[_KINDS[skill.state]])
    return _section(f"<div>{head}</div>{progress}<div style='margin-top:.4em'>{bars}</div>")


def safety_html(safety: SafetyView | None) -> str:
    """The safety filter's state, its count of interventions, and the first reason."""
    if safety is None:
        return _quiet("no safety filter in this graph")
    parts = [_badge(safety.state, _KINDS[safety.state])]
    parts.append(f" {safety.interventions} interventions · state {safety.joint_state_age_s * 1e3:.0f} ms old")
    if safety.reason:
        parts.append(f"<div>{escape(safety.reason)}</div>")
    if safety.limited_joint_names:
        parts.append(_small(escape(f"limited: {', '.join(safety.limited_joint_names)}")))
    return _section("".join(parts))


def health_html(health: tuple[HealthView, ...], view: GraphView) -> str:
    """Rates and latencies, then a line per node."""
    gauges = [f"page {view.frame_rate_hz:.0f} Hz", f"{view.viewers} viewers"]
    if math.isfinite(view.state_rate_hz):
        gauges.insert(0, f"joint states {view.state_rate_hz:.0f} Hz")
    rows = [_small(" · ".join(gauges))]
    for node in health:
        colour = _COLOURS[_KINDS[node.level]]
        text = f"no diagnostics for {node.age_s:.0f} s" if node.level == "stale" else node.message
        values = " · ".join(f"{name} {value}" for name, value in node.values.items() if value)
        rows.append(
            f'<div style="margin-top:.35em"><span style="color:{colour}">●</span> <b>{escape(node.name)}</b> '
            f"{escape(text)}</div>{_small(escape(values))}"
        )
    return _section("".join(rows))


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


_TEXT = "padding:0 .75em;font-size:.85em;line-height:1.45;overflow-wrap:anywhere"
_ROW = "display:flex;align-items:baseline"


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
