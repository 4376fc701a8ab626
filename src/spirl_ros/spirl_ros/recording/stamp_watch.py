"""Notices while it is recorded that the stamps of a topic cannot be true."""

import re
import struct

_HEADER_FIRST = re.compile(r"(?:\s*(?:#[^\n]*)?\n)*\s*std_msgs/Header\s+header\b")
_SET_BACK_NS = 20_000_000
"""Stamps that fall by less may have overtaken each other [ns]."""
_SET_FORWARD_NS = 250_000_000
"""Stamps that rise by so much more than the time between two of them leap [ns]; a simulation that hurries does less."""
_STILL_NS = 500_000_000
"""A stamp that is repeated for so long stands still [ns]."""
_FEWEST = 5
"""Messages before something is said: the first may be an old one, a few may be sent twice."""


def has_stamp(definition: str) -> bool:
    """Whether a message begins with a header."""
    return _HEADER_FIRST.match(definition) is not None


def stamp_ns(data: bytes) -> int:
    """The stamp of a serialised message that begins with a header [ns]."""
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return seconds * 1_000_000_000 + nanoseconds


class StampWatch:
    """Follows the stamps of one topic."""

    def __init__(self) -> None:
        """Begin before the first message."""
        self._stamp_ns = self._changed_ns = 0
        self._messages = self._repeats = self._lower = 0
        self._is_zero_told = self._is_still_told = False

    def follow(self, stamp_ns: int, received_ns: int) -> str:
        """Take in a message's stamp; says what is wrong when that begins, else nothing."""
        self._messages += 1
        if stamp_ns == 0:
            is_new, self._is_zero_told = not self._is_zero_told, True
            return "header.stamp is 0" if is_new else ""
        between_ns, waited_ns = stamp_ns - self._stamp_ns, received_ns - self._changed_ns
        if between_ns == 0:
            self._repeats += 1
            if self._is_still_told or self._repeats < _FEWEST or waited_ns <= _STILL_NS:
                return ""
            self._is_still_told = True
            return "header.stamp stands still"
        if between_ns < -_SET_BACK_NS and self._messages > _FEWEST:
            self._lower += 1
            if self._lower < _FEWEST:  # a few may have been overtaken
                return ""
            said = f"the clock of its stamps was set back by {-between_ns * 1e-9:.2f} s"
        elif between_ns - waited_ns > _SET_FORWARD_NS and self._messages > _FEWEST:
            said = f"the clock of its stamps was set forward by {(between_ns - waited_ns) * 1e-9:.2f} s"
        else:
            said = ""
        self._stamp_ns, self._changed_ns = stamp_ns, received_ns
        self._repeats = self._lower = 0
        return said
