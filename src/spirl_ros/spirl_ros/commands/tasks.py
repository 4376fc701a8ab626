"""`spirl tasks`: the task families that are installed, and what each has."""

import argparse
import json
from typing import Any

from spirl_ros.errors import ConfigError
from spirl_ros.tasks.families import DEFAULT_FAMILY, MAKERS, family_names, find_family


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "tasks",
        help="list the tasks that are installed",
        description="List task families: robot, subtasks, tasks with a name, and whether there are a simulator, a "
        "scripted operator and a view. Other commands take a task as --task FAMILY:TASK, where TASK is one of its "
        "tasks, or subtasks in order with commas; FAMILY alone is its first task, and TASK alone one of the "
        f"{DEFAULT_FAMILY}'s. A package brings a family of its own: docs/new_task.md.",
        epilog="example: spirl tasks",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Print a paragraph per family. One that does not load says why, and does not hide the others."""
    found = {name: _described(name) for name in (*family_names(), *MAKERS)}
    for name, about in found.items():
        line = about.get("problem") or about.get("each")
        print(f"{name}: {line}" if line else _paragraph(name, about))
    if parsed.json:
        print(json.dumps(found))
    return 0


def _described(name: str) -> dict[str, Any]:
    from spirl_ros.demonstrations.operator_style import DEFAULT_STYLE

    if name in MAKERS:
        return {"each": MAKERS[name].about}
    try:
        family = find_family(name)
        robot = family.robot
        has = {
            "simulator": family.environment() is not None,
            "operator": family.operator(DEFAULT_STYLE) is not None,
            "view": family.view() is not None,
        }
    except ConfigError as error:
        return {"problem": str(error)}
    return {
        "joints": list(robot.limits.joint_names),
        "control_rate_hz": 1.0 / robot.control_period_s,
        "observed": len(robot.observation_names),
        "subtasks": list(family.subtasks),
        "tasks": {task: list(goals) for task, goals in family.tasks.items()},
        "max_steps": family.max_steps,
        **has,
    }


def _paragraph(name: str, about: dict[str, Any]) -> str:
    has = [part for part in ("simulator", "operator", "view") if about[part]]
    lines = [
        f"{name}: {len(about['joints'])} joints at {about['control_rate_hz']:g} Hz, "
        f"{about['observed']} observed values",
        f"  has       {', '.join(has) or 'nothing but a real robot'}",
        f"  subtasks  {', '.join(about['subtasks'])}",
    ]
    for task, goals in about["tasks"].items():
        lines.append(f"  task      {task}: {', '.join(goals)}")
    return "\n".join(lines)
