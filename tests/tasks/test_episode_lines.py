from spirl_ros.tasks.episode_lines import EpisodeLines


def test_each_subtask_is_told_once_and_episodes_are_counted() -> None:
    lines = EpisodeLines()
    assert lines.completed([("kettle", 12)]) == ["episode 1: kettle done at step 12"]
    assert lines.completed([("kettle", 12), ("microwave", 40)]) == ["episode 1: microwave done at step 40"]
    assert lines.end(1, 2, 4, 280) == "episode 1: 1 of 4 subtasks in order, 2 in any, 280 steps"
    assert lines.completed([("kettle", 9)]) == ["episode 2: kettle done at step 9"]
    lines.begin()  # somebody reset the scene: the same episode begins again
    assert lines.completed([("kettle", 11)]) == ["episode 2: kettle done at step 11"]
    lines.end(4, 4, 4, 150)
    assert lines.summary(4) == "2 episodes: 2.50 of 4 subtasks in order on average"


def test_without_a_task_there_are_only_steps() -> None:
    lines = EpisodeLines()
    assert lines.end(0, 0, 0, 100) == "episode 1: 100 steps" and lines.summary(0) == "1 episodes"
