"""Undoes what zstd and lz4 did to bags, their chunks and their messages, in bounded memory."""

from io import BytesIO
from pathlib import Path
from typing import IO

import lz4.frame
import zstandard

_ZSTD_BEGIN, _LZ4_BEGIN = b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"
"""No MCAP file begins so, and no message does: CDR begins with a zero."""

_LARGEST_WINDOW_BYTES = 2**27
"""How far back zstd may refer, as much as its strongest level asks for."""

DECOMPRESSION_ERRORS = (zstandard.ZstdError, RuntimeError, EOFError)
"""What the libraries raise over damaged data; lz4 the last two."""


def open_bag_file(path: Path) -> IO[bytes]:
    """A file to read, decompressed on the way when it was compressed as a whole. Raises OSError."""
    file = path.open("rb")
    begin = file.read(4)
    file.seek(0)
    return _stream(file, begin) if begin in (_ZSTD_BEGIN, _LZ4_BEGIN) else file


def decompress_chunk(data: bytes, compression: str, size: int) -> bytes:
    """The records of a chunk, which says how it was compressed, and what size that gives.

    The size that the compressed data claim of themselves is not believed: by it the libraries reserve memory.

    Raises:
        ValueError: another compression, or another size. One of DECOMPRESSION_ERRORS: damaged.
    """
    if compression == "lz4":
        data = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=size + 1)
    elif compression == "zstd":
        claimed = zstandard.get_frame_parameters(data).content_size
        if claimed not in (size, zstandard.CONTENTSIZE_UNKNOWN):
            raise ValueError(f"a chunk has {claimed} bytes, expected {size}")
        data = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW_BYTES).decompress(data, max_output_size=size)
    elif compression:
        raise ValueError(f"a chunk is compressed with {compression!r:.40}, expected zstd or lz4")
    if len(data) != size:
        raise ValueError(f"a chunk has {len(data)} bytes or more, expected {size}")
    return data


def decompress_message(data: bytes, largest: int) -> bytes:
    """A message, decompressed if it was compressed by itself, and cut behind `largest` + 1 bytes.

    Raises:
        One of DECOMPRESSION_ERRORS: damaged.
    """
    begin = data[:4]
    return _stream(BytesIO(data), begin).read(largest + 1) if begin in (_ZSTD_BEGIN, _LZ4_BEGIN) else data


def _stream(compressed: IO[bytes], begin: bytes) -> IO[bytes]:
    if begin == _LZ4_BEGIN:
        return lz4.frame.open(compressed, "rb")  # pyright: ignore[reportReturnType]
    decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW_BYTES)
    return decompressor.stream_reader(compressed, read_across_frames=True)  # pyright: ignore[reportReturnType]
