"""Damages what parsers read: bytes as disks and networks do, and values as people and other programs do."""

import copy
import datetime
from typing import Any

import numpy as np

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 0.0, -0.0, 0.5, 1e-320, 1e308),
    *(float("nan"), float("inf"), float("-inf"), "", " ", "x", "\0", "nan", "1e3", "../..", "é" * 50, "a" * 10_000),
    *([], {}, [[]], [None], {"": None}, {"a": {"b": []}}, [0.0] * 1000, b"\xff\0", datetime.date(2026, 1, 1)),
)


def damaged_bytes(data: bytes, generator: np.random.Generator) -> bytes:
    """A few random changes: bits, bytes, runs, lengths."""
    changed = bytearray(data)
    for _ in range(int(generator.integers(1, 6))):
        if not changed:
            return b""
        at = int(generator.integers(len(changed)))
        length = int(generator.integers(1, 33))
        match int(generator.integers(8)):
            case 0:
                changed[at] ^= 1 << int(generator.integers(8))
            case 1:
                changed[at] = int(generator.integers(256))
            case 2:
                changed[at : at + length] = generator.bytes(length)
            case 3:
                del changed[at : at + length]
            case 4:
                changed[at:at] = generator.bytes(length)
            case 5:
                changed[at : at + 8] = [b"\xff" * 8, b"\0" * 8, b"\xff\xff\xff\x7f\0\0\0\0"][int(generator.integers(3))]
            case 6:
                other = int(generator.integers(len(changed)))
                changed[at : at + length] = changed[other : other + length]
            case _:
                if generator.random() < 0.2:
                    del changed[at:]
    return bytes(changed)


def damaged_tree(tree: Any, generator: np.random.Generator) -> Any:
    """Nested lists and dictionaries with one to three values replaced, removed, repeated or renamed."""
    changed = copy.deepcopy(tree)
    for _ in range(int(generator.integers(1, 4))):
        places = list(_places(changed))
        if not places:
            return odd_value(generator)
        holder, key = places[int(generator.integers(len(places)))]
        match int(generator.integers(6)):
            case 0:
                del holder[key]
            case 1:
                if isinstance(holder, dict):
                    holder[odd_key(generator)] = holder.pop(key)
                else:
                    holder.append(copy.deepcopy(holder[key]))
            case _:
                holder[key] = odd_value(generator)
    return changed


def odd_value(generator: np.random.Generator) -> Any:
    """One that few programs expect."""
    return copy.deepcopy(ODD_VALUES[int(generator.integers(len(ODD_VALUES)))])


def odd_key(generator: np.random.Generator) -> Any:
    """A name nobody gave, or none at all."""
    return ("unknown", "", 7, None, "é")[int(generator.integers(5))]


def _places(tree: Any):
    """Every (container, key) in it."""
    if isinstance(tree, (dict, list)):
        for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
            yield tree, key
            yield from _places(value)
