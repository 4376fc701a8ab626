"""A choice made on the page: it holds against what nodes tell of it, which comes up to a second late."""

from typing import Generic, TypeVar

SETTLES_IN_S = 2.0
"""So long after the answer to an order [s], what is told is newer than the order: diagnostics come once a second."""

Value = TypeVar("Value")


class PageChoice(Generic[Value]):
    """What to show of something that can be ordered and that diagnostics tell of. One thread; time is an argument."""

    def __init__(self) -> None:
        """Nothing is ordered."""
        self._ordered: Value | None = None
        self._until_s = 0.0
        self._is_answered = False

    def order(self, value: Value, until_s: float) -> None:
        """It was ordered; without an answer it counts until then [s]."""
        self._ordered, self._until_s, self._is_answered = value, until_s, False

    def answered(self, now_s: float) -> None:
        """The order was carried out."""
        self._until_s, self._is_answered = now_s + SETTLES_IN_S, True

    def refused(self) -> None:
        """The order was not carried out: what is told counts again."""
        self._ordered = None

    def awaits_answer(self, now_s: float) -> bool:
        """Whether an order is under way."""
        return self._ordered is not None and not self._is_answered and now_s <= self._until_s

    def shown(self, told: Value, now_s: float) -> Value:
        """What was ordered while that counts, and what is told otherwise."""
        return self._ordered if self._ordered is not None and now_s <= self._until_s else told
