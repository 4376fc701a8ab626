import pytest

from spirl_ros.errors import ConfigError
from spirl_ros.kitchen.subtasks import SUBTASKS, target_subtasks


def test_task_name_gives_the_papers_order() -> None:
    assert target_subtasks("kitchen") == ("microwave", "kettle", "bottom_burner", "light_switch")


def test_list_keeps_its_order_and_takes_d4rl_spelling() -> None:
    assert target_subtasks("light switch, kettle") == ("light_switch", "kettle")


@pytest.mark.parametrize("task", ["kitchn", "kettle,microwav", "", "kettle,,microwave"])
def test_unknown_name_lists_the_known_ones(task: str) -> None:
    with pytest.raises(ConfigError) as error:
        target_subtasks(task)
    assert all(name in str(error.value) for name in SUBTASKS)


def test_close_name_is_suggested() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'microwave'"):
        target_subtasks("kettle,microwav")


def test_repeated_subtask_is_refused() -> None:
    with pytest.raises(ConfigError, match="twice"):
        target_subtasks("kettle,kettle")
