"""The reader of table files: Parquet, CSV and TSV, in chunks, with the number of each row in its file.

Text is kept as it is spelled: a CSV file has no types, so `001` stays `001` until a model asks for a number.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from listed_files import DELIMITERS, PARQUET, TABLES, is_table

CHUNK_ROWS = 65_536
BLOCK_BYTES = 8 * 1024 * 1024  # of a CSV file; a longer row is an error


class BrokenTableError(ValueError):
    """A file that cannot be read as a table. The message is one sentence."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of a file: those that could be read, and those that could not.

    `rows` has the number of each row of `table` in its file, from 0. `broken` maps the numbers of the other
    rows to what is wrong with them.
    """

    table: pa.Table
    rows: np.ndarray[Any, np.dtype[np.int64]]
    broken: Mapping[int, str] = field(default_factory=dict)


def read_chunks(path: Path, columns: Collection[str] | None = None) -> Iterator[Chunk]:
    """Yield the rows of a file in order, all columns or only some. Columns that the file lacks are left out.

    A file without rows gives one empty chunk, which has its columns. Raise BrokenTableError at any time if
    the file cannot be read to its end.
    """
    name = path.name.lower()
    if not is_table(name):
        raise BrokenTableError(f"it is no table: the name of a table ends with {', '.join(TABLES)}")
    read = _read_parquet if name.endswith(PARQUET) else _read_text
    try:
        yield from read(path, _chosen(columns))
    except (OSError, EOFError, pa.ArrowException) as error:
        raise BrokenTableError(f"it cannot be read: {_first_line(error)}") from error


Choose = Callable[[list[str]], list[str]]


def _chosen(columns: Collection[str] | None) -> Choose:
    """Return the function that selects the columns to read from all columns of a file."""

    def choose(names: list[str]) -> list[str]:
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise BrokenTableError(f"the column {doubled[0]} occurs twice")
        return [name for name in names if columns is None or name in columns]

    return choose


def _read_parquet(path: Path, choose: Choose) -> Iterator[Chunk]:
    with pq.ParquetFile(path) as file:
        columns = choose(file.schema_arrow.names)
        first = 0
        # Without columns the batches have no rows, so that one column is read for their number.
        read = columns or file.schema_arrow.names[:1]
        for batch in file.iter_batches(batch_size=CHUNK_ROWS, columns=read):
            table = pa.Table.from_batches([batch])
            yield Chunk(table, np.arange(first, first + len(table)))
            first += len(table)
        if not first:
            yield Chunk(file.schema_arrow.empty_table().select(columns), np.arange(0))


def _read_text(path: Path, choose: Choose) -> Iterator[Chunk]:
    """Yield the rows of a file with a header, all columns as text. An empty cell is null, `""` is not."""
    delimiter = next(of for suffix, of in DELIMITERS.items() if path.name.lower().endswith(suffix))
    header = _header(path, delimiter)
    columns, broken = choose(header), _BrokenRows()
    reader = pa_csv.open_csv(
        path,
        read_options=pa_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        parse_options=pa_csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, invalid_row_handler=broken.add
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()),
            include_columns=columns or header[:1],
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    first, empty = 0, True
    for batch in reader:
        rows = broken.place(first, len(batch))
        end = int(rows[-1]) + 1 if len(rows) else first
        yield Chunk(pa.Table.from_batches([batch]), rows, broken.take(end))
        first, empty = end, False
    if empty or broken.rows:
        yield Chunk(reader.schema.empty_table(), np.arange(0), broken.take(None))


class _BrokenRows:
    """The rows of a CSV file that have too many or too few cells, by their number in the file."""

    def __init__(self) -> None:
        self.rows: dict[int, str] = {}

    def add(self, row: pa_csv.InvalidRow) -> str:
        cells = f"{row.actual_columns} cell{'s' if row.actual_columns != 1 else ''}"
        self.rows[row.number - 2] = f"it has {cells}, and the header has {row.expected_columns}"
        return "skip"

    def place(self, first: int, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the numbers of the next `count` rows that are not broken."""
        candidates = np.arange(first, first + count + len(self.rows))
        return candidates[~np.isin(candidates, list(self.rows))][:count]

    def take(self, end: int | None) -> dict[int, str]:
        """Remove and return the broken rows before a number, or all of them."""
        taken = {row: error for row, error in self.rows.items() if end is None or row < end}
        self.rows = {row: error for row, error in self.rows.items() if row not in taken}
        return taken


def _header(path: Path, delimiter: str) -> list[str]:
    """Return the names in the first row of a CSV file."""
    import csv
    import gzip

    opened = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        # What is not UTF-8 further down is found by the reader of the rows.
        with opened(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as lines:
            rows = csv.reader(lines, delimiter=delimiter)
            header = next((row for row in rows if row), [])
    except csv.Error as error:
        raise BrokenTableError(f"its header cannot be read: {_first_line(error)}") from error
    if any("\ufffd" in name for name in header):
        raise BrokenTableError("its header cannot be read: it is not in UTF-8")
    if not header:
        raise BrokenTableError("it is empty: a table has at least a row with the names of its columns")
    return header


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
