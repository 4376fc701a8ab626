"""Reads what ONNX Runtime does not tell of an ONNX file, its operator sets above all, without the onnx package.

An ONNX file is a protocol buffer: a sequence of fields, each a key (number * 8 + wire type) and a value. `opset_import` is
field 8 of ModelProto, with the domain as field 1 and the version as field 2 (onnx.proto3).
"""

from collections.abc import Iterator

from spirl_ros.errors import BundleError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_OPSET_IMPORT, _DOMAIN, _VERSION = 8, 1, 2


def operator_sets(model: bytes) -> dict[str, int]:
    """Version of each operator domain that a model uses; the standard domain is the empty text.

    Raises:
        BundleError: not an ONNX model, or truncated.
    """
    try:
        sets: dict[str, int] = {}
        for number, value in fields(memoryview(model)):
            if number == _OPSET_IMPORT and isinstance(value, memoryview):
                entry = dict(fields(value))
                domain, version = entry.get(_DOMAIN, memoryview(b"")), entry.get(_VERSION, 0)
                if not isinstance(domain, memoryview) or not isinstance(version, int):
                    raise ValueError("opset_import has fields of another type")
                sets[bytes(domain).decode()] = version
    except (IndexError, ValueError) as error:
        raise BundleError(f"it is not an ONNX model: {error}.") from error
    return sets


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a protocol buffer; raises IndexError or ValueError where it is none."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire_type == _BYTES:
            size, position = _varint(message, position)
        elif wire_type in (_FIXED64, _FIXED32):
            size = 8 if wire_type == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire_type} at byte {position}")
        if position + size > len(message):
            raise ValueError(f"a field of {size} bytes at byte {position} is truncated")
        yield number, message[position : position + size]
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """A number in groups of seven bits, lowest first, and where the next field begins."""
    value = 0
    for index in range(10):
        byte = message[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise ValueError(f"a number at byte {position} has more than 10 bytes")
