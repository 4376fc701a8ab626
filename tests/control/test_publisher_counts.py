import pytest

from spirl_ros.control.publisher_counts import PublisherCounts


def heard(*numbers: int, period_s: float = 0.01) -> PublisherCounts:
    counts = PublisherCounts()
    for index, number in enumerate(numbers):
        counts.hear(number, 5.0 + index * period_s)
    return counts


@pytest.mark.parametrize(
    "numbers",
    [
        (7001, 3, 7002, 4, 7003, 5),
        (5, 5, 6, 6, 7, 7, 8, 8),  # started together
        (100, 103, 101, 104, 102, 105, 103, 106),
    ],
)
def test_two_publishers_that_take_turns_are_told_apart(numbers: tuple[int, ...]) -> None:
    assert heard(*numbers).has_two


@pytest.mark.parametrize(
    "numbers",
    [
        (1, 2, 3, 5, 90, 91, 92),  # some were lost
        (500, 501, 502, 1, 2, 3, 4),  # the driver was started again
        (1, 2, 3, 2, 4, 5, 6, 7),  # one came late
        (0, 0, 0, 0, 0),  # a middleware that does not count
    ],
)
def test_one_publisher_is_one(numbers: tuple[int, ...]) -> None:
    assert not heard(*numbers).has_two


def test_publisher_that_has_gone_is_forgotten() -> None:
    counts = heard(7001, 3, 7002, 4, 7003, 5)
    for number in range(7004, 7014):
        counts.hear(number, 6.0 + 0.1 * (number - 7003))
    assert not counts.has_two
