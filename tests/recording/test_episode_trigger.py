from spirl_ros.recording.episode_trigger import EpisodeMoment, EpisodeTrigger


def actions(*moments: tuple[int, int, bool]) -> list[tuple[str, ...]]:
    trigger = EpisodeTrigger()
    return [trigger.follow(EpisodeMoment(*moment)) for moment in moments]


def test_episode_starts_at_its_reset_and_ends_with_the_task() -> None:
    assert actions((1, 0, False), (1, 1, False), (1, 2, True), (1, 3, True)) == [("start",), (), ("end",), ()]


def test_episode_that_was_joined_late_is_left_out() -> None:
    assert actions((4, 17, False), (4, 18, True), (5, 0, False)) == [(), (), ("start",)]


def test_reset_before_the_end_aborts_and_starts_the_next() -> None:
    assert actions((1, 0, False), (1, 1, False), (2, 0, False)) == [("start",), (), ("abort", "start")]


def test_restarted_simulator_counts_from_one_again() -> None:
    assert actions((3, 0, False), (3, 1, False), (1, 0, False)) == [("start",), (), ("abort", "start")]


def test_forgotten_episode_does_not_start_again() -> None:
    trigger = EpisodeTrigger()
    trigger.follow(EpisodeMoment(1, 0, False))
    trigger.reset()
    assert trigger.follow(EpisodeMoment(1, 1, False)) == ()
    assert trigger.follow(EpisodeMoment(1, 2, True)) == ()
