"""Reads Parquet files of others as arrays, and no more of them than such a file can be meant to hold."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from spirl_ros.errors import DatasetError

_ALWAYS_ALLOWED_BYTES = 256 * 2**20
_LARGEST_RATIO = 20
"""Memory that the columns of a file may take, relative to its size. A few bytes can stand for a billion equal numbers."""


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
            known = file.schema_arrow.names
            chosen = known if names is None else [name for name in names if name in known]
            _require_size(path, file.metadata, set(chosen))
            table = file.read(columns=chosen)
            table.validate(full=True)
            return table
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


def _require_size(path: Path, metadata: parquet.FileMetaData, chosen: set[str]) -> None:
    unpacked = 0
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        for column in (group.column(number) for number in range(group.num_columns)):
            if column.path_in_schema.split(".")[0] in chosen or any(
                column.path_in_schema.startswith(f"{name}.") for name in chosen
            ):
                unpacked += max(8 * column.num_values, column.total_uncompressed_size)
    allowed = max(_ALWAYS_ALLOWED_BYTES, _LARGEST_RATIO * path.stat().st_size)
    if unpacked > allowed:
        raise DatasetError(
            f"{path} takes {unpacked / 2**20:.0f} MB in memory, expected at most {allowed / 2**20:.0f} MB of a file of this "
            f"size ({_LARGEST_RATIO} times as much). Split it, or store it without compression."
        )
