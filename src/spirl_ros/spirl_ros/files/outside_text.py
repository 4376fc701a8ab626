"""Shows texts and values from outside in messages: in one line, printable, and never all of a huge one."""

import reprlib


def shortened(value: object, limit: int = 80) -> str:
    """A value as `repr` shows it, in at most `limit` characters of one line, control characters escaped.

    The whole of a huge value is never written out, so that a message about one is as quick as any other.
    """
    return _cut(_Short(limit).repr(value), limit)


def printable(text: str, limit: int = 1000) -> str:
    """A text from outside as one line for a log or a terminal: at most `limit` characters, control characters escaped.

    A name can neither move the cursor nor begin a line that looks like another message.
    """
    letters = (" " if letter == "\n" else letter for letter in text[: limit + 1])
    return _cut("".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in letters), limit)


class _Short(reprlib.Repr):
    def __init__(self, limit: int) -> None:
        super().__init__()
        self.maxstring = self.maxother = limit
        self.maxlevel = 3

    def repr_int(self, x: int, level: int) -> str:
        if x.bit_length() > 256:
            return f"<whole number of {x.bit_length()} bits>"
        return repr(x)

    def repr_bytes(self, x: bytes, level: int) -> str:
        return repr(x[: self.maxstring])

    repr_bytearray = repr_bytes

    def repr_instance(self, x: object, level: int) -> str:
        try:
            size = len(x)  # type: ignore[arg-type]
        except TypeError:
            size = 0
        if size > 1000:
            return f"<{type(x).__name__} of {size}>"
        return printable(super().repr_instance(x, level))


def _cut(line: str, limit: int) -> str:
    return line if len(line) <= limit else line[: max(limit - 1, 0)] + "…"
