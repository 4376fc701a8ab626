"""Families by name, and what the engine asks of one."""

from pathlib import Path

import numpy as np
import pytest

from spirl_ros.errors import ConfigError
from spirl_ros.tasks import families
from spirl_ros.tasks.families import family_names, find_family, full_task, known_targets, split_task
from spirl_ros.tasks.task import NO_NOISE, EpisodeConfig
from tests.tasks.small_family import install


def test_an_unknown_family_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match="task family is 'kitchn', expected one of kitchen.*Did you mean 'kitchen'"):
        find_family("kitchn")


@pytest.mark.parametrize(
    ("text", "task"),
    [("kitchen", "kitchen"), ("kitchen:kettle", "kettle"), ("kettle,light_switch", "kettle,light_switch")],
)
def test_a_text_names_a_family_and_a_task_in_it(text: str, task: str) -> None:
    kitchen = find_family("kitchen")
    assert split_task(text) == (kitchen, kitchen.task(task))
    assert full_task(text) == task


def test_task_of_another_family_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(families._OURS, "small", "tests.tasks.small_family:SMALL")
    assert full_task("small") == "small:out_in"
    assert full_task("out", default="small") == "small:out"
    with pytest.raises(ConfigError, match="neither a task nor a subtask"):
        split_task("small:kettle")


def test_family_of_an_installed_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(install(tmp_path))
    assert {"kitchen", "small", "alone"} <= set(family_names())
    assert find_family("small").tasks["out_in"] == ("out", "in")


@pytest.mark.parametrize("text", ["", "kitchen:"])
def test_no_task_at_all_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="spirl tasks"):
        split_task(text)


def test_a_task_that_nobody_knows_has_no_targets() -> None:
    assert known_targets("stack the blocks") == known_targets("mylab:left") == ()
    assert known_targets("kitchen:kettle") == ("kettle",)


def test_the_first_task_is_the_default() -> None:
    kitchen = find_family("kitchen")
    assert kitchen.task("").goals == ("microwave", "kettle", "bottom_burner", "light_switch")
    assert "kitchen" in family_names()


def test_robot_facts_are_those_of_the_scene() -> None:
    robot = find_family("kitchen").robot
    assert robot.observation_names[:9] == robot.limits.joint_names
    assert len(robot.observation_names) == 30 and robot.units["kettle_z"] == "m" and robot.units["kettle_qw"] == "1"


def test_what_is_done_in_hindsight_is_what_was_rewarded() -> None:
    kitchen = find_family("kitchen")
    environment = kitchen.environment(EpisodeConfig(task="kettle", noise=NO_NOISE, max_steps=2))
    assert environment is not None
    kettle_at_goal = environment.reset(seed=0).copy()
    kettle_at_goal[-7:] = (-0.23, 0.75, 1.62, 0.99, 0.0, 0.0, -0.06)
    start = environment.reset(seed=0)
    assert list(kitchen.done(np.stack((start, kettle_at_goal)))) == [set(), {"kettle"}]
