"""What the keys of a terminal mean."""

import numpy as np

from spirl_ros.teleoperation.tool_velocity import Request

_ESCAPE_SEQUENCES = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1b[C": "right",
    "\x1b[D": "left",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
}
# In application mode, terminals send arrows with an O.
_ESCAPE_SEQUENCES |= {
    sequence.replace("[", "O"): key for sequence, key in _ESCAPE_SEQUENCES.items() if "~" not in sequence
}

DIRECTIONS: dict[str, tuple[int, ...]] = {
    # x right, y ahead, z up, then turning about these
    "w": (0, 1, 0, 0, 0, 0),
    "s": (0, -1, 0, 0, 0, 0),
    "a": (-1, 0, 0, 0, 0, 0),
    "d": (1, 0, 0, 0, 0, 0),
    "r": (0, 0, 1, 0, 0, 0),
    "f": (0, 0, -1, 0, 0, 0),
    "i": (0, 0, 0, 1, 0, 0),
    "k": (0, 0, 0, -1, 0, 0),
    "u": (0, 0, 0, 0, -1, 0),
    "o": (0, 0, 0, 0, 1, 0),
    "j": (0, 0, 0, 0, 0, 1),
    "l": (0, 0, 0, 0, 0, -1),
}
DIRECTIONS |= {
    alias: DIRECTIONS[key]
    for alias, key in {"up": "w", "down": "s", "left": "a", "right": "d", "page up": "r", "page down": "f"}.items()
}
"""Direction (6,) of the tool's velocity by key: right, ahead, up, and turning about these."""

REQUESTS = {
    " ": Request.STOP,
    "g": Request.TOGGLE_GRIPPER,
    "+": Request.FASTER,
    "=": Request.FASTER,
    "-": Request.SLOWER,
    "t": Request.START_RECORDING,
    "y": Request.FINISH_AS_SUCCESS,
    "n": Request.FINISH_AS_FAILURE,
    "x": Request.DISCARD_RECORDING,
    "b": Request.RESET_SCENE,
    "c": Request.RELEASE_LATCH,
    "h": Request.SHOW_HELP,
    "?": Request.SHOW_HELP,
    "q": Request.QUIT,
}
"""What other keys ask for."""

SHORT_HELP = "w/s a/d r/f move  i/k j/l u/o turn  g gripper  space stop  +/- speed  h help"
"""Always in sight; fits a terminal of 80 columns."""

HELP = """\
move    w / s ahead, back     a / d left, right     r / f up, down
        or the arrows, page up and page down
turn    i / k nose up, down   j / l left, right     u / o roll
        hold a key to keep moving: a press is a short step, letting go brakes
tool    g open or close the gripper   space stop   + / - faster, slower
episode t start recording   y finish as success   n finish as failure
        x discard   b reset the scene
other   c release the safety latch   h this help
        q quit (Ctrl-C ends the whole graph)"""
"""All keys, for a terminal of 80 columns."""


def direction(key: str) -> np.ndarray | None:
    """Direction (6,) for a key, or None for a key that does not move the tool."""
    found = DIRECTIONS.get(key.lower() if len(key) == 1 else key)
    return None if found is None else np.array(found, dtype=float)


def request(key: str) -> Request | None:
    """What a key asks for, or None."""
    return REQUESTS.get(key.lower())


def next_keys(
    *, is_latched: bool, has_ended: bool, has_recorder: bool, is_recording: bool, has_reset: bool = True
) -> str:
    """The keys that lead on, most likely first.

    Args:
        is_latched: the safety filter holds the arm until somebody releases it.
        has_ended: the task is complete or its time is up.
        has_recorder: somebody would record.
        is_recording: an episode is being recorded.
        has_reset: the scene can be put back by a key.
    """
    keys = []
    if is_latched:
        keys.append("c release the latch")
    if is_recording:
        keys.append("y success  n failure  x discard")
    elif has_ended and has_reset:
        keys.append("b reset the scene")
    elif not has_ended:
        keys += ["t record"] * has_recorder + ["b reset"] * has_reset
    return "  ".join([*keys, "q quit"])


def split_keys(text: str) -> tuple[list[str], str]:
    """Keys in what a terminal sent, and the beginning of an escape sequence that is not complete yet."""
    keys = []
    while text:
        if text[0] != "\x1b":
            keys.append(text[0])
            text = text[1:]
            continue
        if text == "\x1b" or text in ("\x1b[", "\x1bO", "\x1b[5", "\x1b[6"):
            return keys, text
        for sequence, key in _ESCAPE_SEQUENCES.items():
            if text.startswith(sequence):
                keys.append(key)
                text = text[len(sequence) :]
                break
        else:
            text = text[_unknown_sequence_length(text) :]
    return keys, ""


def _unknown_sequence_length(text: str) -> int:
    """Length of an escape sequence that means nothing here: up to and with its final letter or tilde."""
    if text[1] not in "[O":
        return 2
    for index, character in enumerate(text[2:], start=3):
        if "@" <= character <= "~":
            return index
    return len(text)
