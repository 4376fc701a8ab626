"""Reads Parquet files of others as arrays, and no more of them than such a file can be meant to hold."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from spirl_ros.errors import DatasetError

_ALWAYS_ALLOWED_BYTES = 256 * 2**20
_LARGEST_RATIO = 20
"""Memory that the columns of a file may take, relative to its size. A few bytes can stand for a billion equal
numbers."""
_ROWS_AT_ONCE = 1024


def read_table(path: Path, names: Sequence[str] | None = None) -> pa.Table:
    """Some columns of a file, those that it has.

    Args:
        path: the file.
        names: of the columns; None is all.

    Raises:
        DatasetError: no Parquet file, damaged, or it unpacks to far more than it is.
    """
    if not path.is_file():
        raise DatasetError(f"there is no file {path}.")
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            if len({*schema.names}) < len(schema.names):
                raise DatasetError(f"{path} has two columns of one name: {', '.join(schema.names)}.")
            chosen = [name for name in schema.names if names is None or name in names]
            batches, allowed = [], max(_ALWAYS_ALLOWED_BYTES, _LARGEST_RATIO * path.stat().st_size)
            taken, unpacked = 0, 8 * file.metadata.num_rows * len(chosen)
            # What the file says of its columns is not asked for: in a damaged file pyarrow ends the process over that.
            rows = file.iter_batches(_ROWS_AT_ONCE, columns=chosen, use_threads=False) if unpacked <= allowed else ()
            for batch in rows:
                batches.append(batch)
                taken += batch.nbytes
                if taken > allowed:
                    break
            if max(taken, unpacked) > allowed:
                raise DatasetError(
                    f"{path} takes more than {allowed / 2**20:.0f} MB in memory, which is the most that is read "
                    "from a file of "
                    f"this size ({_LARGEST_RATIO} times as much). Split it, or store it without compression."
                )
            table = pa.Table.from_batches(batches) if batches else schema.empty_table().select(chosen)
            table.validate(full=True)
            return table.replace_schema_metadata(schema.metadata)
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, MemoryError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(
            f"{path} cannot be read: {str(error)[:200]} Expected a complete Parquet file; it may be truncated."
        ) from error


def numbers(table: pa.Table, name: str, path: Path) -> np.ndarray:
    """A column of numbers (N,), or of lists of equally many (N, size); empty lists too.

    Raises:
        DatasetError: other values, lists of different lengths, or a value that is missing.
    """
    column = table[name].combine_chunks()
    width: tuple[int, ...] = ()
    try:
        while pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or _is_fixed(column.type):
            rows, inner = len(column), column.flatten()
            size = len(inner) // rows if rows else 0
            lengths = column.value_lengths() if not _is_fixed(column.type) else None
            if column.null_count or (lengths is not None and rows and set(lengths.unique().to_pylist()) != {size}):
                raise DatasetError(f"{path}: {name} has lists of different lengths, expected the same in every row.")
            width, column = (*width, size), inner
    except pa.ArrowException as error:
        raise DatasetError(f"{path}: {name} cannot be read: {error}") from error
    kind = column.type
    if column.null_count or not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise DatasetError(f"{path}: {name} is {table.schema.field(name).type}, expected numbers in every row.")
    return column.to_numpy(zero_copy_only=False).reshape(table.num_rows, *width)


def _is_fixed(kind: pa.DataType) -> bool:
    return pa.types.is_fixed_size_list(kind)
