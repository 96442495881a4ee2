"""A user's `prepare(table)`: it runs on the raw rows before training, judging, scoring, and in an endpoint.

The set holds the file, and its hash is among the facts of the set, so that all of them run the same code. A
file that is too large for the memory is prepared in batches: `prepare` sees some rows of a file, not all.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from model_sets.errors import SetError, TableError
from model_sets.sources import Source, read_header
from model_sets.user_file import import_file

PREPARE = "prepare.py"
BATCH_ROWS = 65_536

Prepare = Callable[[Any], Any]


def file_hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def load_prepare(file: Path, sha256: str = "") -> Prepare:
    """Return the function `prepare` of a file. It takes and returns a pandas table, with the same rows.

    Raise SetError if the file does not have this hash, or defines no such function.
    """
    if sha256 and (not file.is_file() or file_hash(file) != sha256):
        raise SetError(f"{file.name} of the set is missing, or does not match its hash in MLmodel")
    module = import_file(file, f"prepare_{file_hash(file)[:16]}")
    prepare = getattr(module, "prepare", None)
    if not callable(prepare):
        raise SetError(f"{file.name} defines no function prepare(table)")
    return prepare  # type: ignore[no-any-return]


def prepare_files(
    sources: Sequence[Source], prepare: Prepare, scratch: Path, most_rows: int | None = None
) -> list[Source]:
    """Write each file as prepare changes it to a Parquet file in `scratch`, and return the new files.

    They keep their names. With `most_rows`, only the first rows of each file are written, to see which
    columns it has. Raise TableError, which names the file, if prepare raises or returns other rows.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    return [
        source
        if source.error
        else replace(source, path=_prepared(source, prepare, scratch / f"{number:05}.parquet", most_rows))
        for number, source in enumerate(sources)
    ]


def prepare_table(table: pa.Table, prepare: Prepare, name: str) -> pa.Table:
    """Return the prepared rows of an Arrow table. Raise TableError, with the name, if that fails."""
    try:
        prepared = prepare(table.to_pandas())
        rows = len(prepared)
        if rows == table.num_rows:
            return pa.Table.from_pandas(prepared, preserve_index=False)
    except Exception as error:
        raise TableError(f"{name}: prepare raised {type(error).__name__}: {error}") from error
    raise TableError(f"{name}: prepare returned {rows} rows for {table.num_rows} rows")


def _prepared(source: Source, prepare: Prepare, path: Path, most_rows: int | None) -> Path:
    parts: list[Path] = []
    for batch in _batches(source, most_rows):
        parts.append(path.with_suffix(f".{len(parts)}"))
        pq.write_table(prepare_table(batch, prepare, source.name), parts[-1], compression="lz4")
    try:
        # A column without values in one batch, or of whole numbers only, has another type there.
        schemas = [pq.read_schema(part) for part in parts]
        schema = pa.unify_schemas(schemas, promote_options="permissive")
        with pq.ParquetWriter(path, schema, compression="lz4") as writer:
            for part in parts:
                writer.write_table(pq.read_table(part, partitioning=None).select(schema.names).cast(schema))
                part.unlink()
    except (pa.ArrowException, KeyError) as error:
        raise TableError(
            f"{source.name}: prepare returned other columns in a later batch: {error}"
        ) from error
    return path


def _batches(source: Source, most_rows: int | None) -> Iterator[pa.Table]:
    """Yield the rows of a file, at least one batch. Cells of CSV files are text, None if they are empty."""
    left = most_rows
    empty = True
    for batch in _read(source):
        table = pa.Table.from_batches([batch])
        yield table if left is None else table.slice(0, left)
        empty = False
        if left is not None:
            left -= min(left, table.num_rows)
            if not left:
                return
    if empty:
        yield _no_rows(source)


def _read(source: Source) -> Iterator[pa.RecordBatch]:
    try:
        if source.format == "parquet":
            with pq.ParquetFile(source.path) as file:
                yield from file.iter_batches(BATCH_ROWS)
            return
        header = read_header(source, [])
        columns = {name: pa.string() for name, _ in header.columns}
        yield from pc.open_csv(
            source.path,
            read_options=pc.ReadOptions(column_names=list(columns), skip_rows=1),
            parse_options=pc.ParseOptions(delimiter=header.delimiter, newlines_in_values=True),
            convert_options=pc.ConvertOptions(
                column_types=columns, null_values=[""], strings_can_be_null=True
            ),
        )
    except (OSError, pa.ArrowException) as error:
        raise TableError(f"{source.name} cannot be read: {' '.join(str(error).split())}") from error


def _no_rows(source: Source) -> pa.Table:
    if source.format == "parquet":
        return pq.read_schema(source.path).empty_table()
    header = read_header(source, [])
    return pa.schema([(name, pa.string()) for name, _ in header.columns]).empty_table()
