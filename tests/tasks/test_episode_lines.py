from spirl_ros.tasks.episode_lines import EpisodeLines

KITCHEN = ("microwave", "kettle", "bottom_burner", "light_switch")


def test_each_subtask_is_told_once_and_episodes_are_counted() -> None:
    lines = EpisodeLines()
    assert lines.completed([("kettle", 12)]) == ["episode 1: kettle done at step 12"]
    assert lines.completed([("kettle", 12), ("microwave", 40)]) == ["episode 1: microwave done at step 40"]
    assert lines.end(1, 2, KITCHEN, 280) == "episode 1: 1 of 4 subtasks in order, 2 in any, 280 steps"
    assert lines.completed([("kettle", 9)]) == ["episode 2: kettle done at step 9"]
    lines.begin()  # somebody reset the scene: the same episode begins again
    assert lines.completed([("kettle", 11)]) == ["episode 2: kettle done at step 11"]
    lines.end(4, 4, KITCHEN, 150)
    assert lines.summary() == "2 episodes: 2.50 of 4 subtasks in order on average"


def test_without_a_task_there_are_only_steps() -> None:
    lines = EpisodeLines()
    assert lines.summary() == "0 episodes"
    assert lines.end(0, 0, (), 100) == "episode 1: 100 steps" and lines.summary() == "1 episodes"


def test_task_that_was_changed_between_episodes_is_counted_by_itself() -> None:
    """It said "1 episodes: 2.00 of 1 subtasks": subtasks of the task before, over the number of the new one's."""
    lines = EpisodeLines()
    lines.end(2, 2, KITCHEN, 280)
    lines.end(3, 3, KITCHEN, 280)
    assert lines.end(1, 1, ("slide_cabinet",), 40) == "episode 3: 1 of 1 subtasks in order, 1 in any, 40 steps"
    assert lines.summary() == (
        "2 episodes of microwave,kettle,bottom_burner,light_switch: 2.50 of 4 subtasks in order on average; "
        "1 episodes of slide_cabinet: 1.00 of 1 subtasks in order on average"
    )
