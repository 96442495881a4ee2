"""The split: the rows of many files by key into hash buckets, with DuckDB and bounded memory.

One node splits all files in one pass. Several nodes split some of the files each, and write their part of
every bucket.
"""

import json
import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_sets.errors import TableError
from model_sets.info import SetInfo
from model_sets.queries import (
    FILE,
    covariate_columns,
    expressions,
    key_columns,
    name,
    number,
    scan,
    selection,
    text,
    time,
)
from model_sets.sources import Header, Source, check_headers, read_header

if TYPE_CHECKING:
    import duckdb

NO_BUCKET = "bucket=none"  # rows without a key or without a time
MEMORY = "1GB"


@dataclass(frozen=True)
class Plan:
    """The files of a split with their columns, all checked. A file's number is its place in `sources`."""

    info: SetInfo
    sources: tuple[Source, ...]
    headers: tuple[Header, ...]
    buckets: int = 64


def plan_split(sources: Sequence[Source], info: SetInfo, *, target: bool, buckets: int = 64) -> Plan:
    """Read the columns of all files, and check them. Files with an error in the manifest are left out.

    With `target` each file needs the target column. Raise TableError if files do not fit together.
    """
    readable = [source for source in sources if not source.error]
    needed = [*info.keys, info.time, *info.covariates, *([info.target] if target else [])]
    headers = [read_header(source, needed) for source in readable]
    files = list(zip(readable, headers, strict=True))
    check_headers(files, info.keys, info.time, needed[len(info.keys) + 1 :])
    return Plan(info, tuple(readable), tuple(headers), buckets)


def with_files(plan: Plan, changed: Mapping[int, Source]) -> Plan:
    """Return a plan with other files in the place of some. Raise TableError if they do not fit the others."""
    info, sources = plan.info, list(plan.sources)
    headers = list(plan.headers)
    needed = [*info.keys, info.time, *info.covariates, info.target]
    for place, source in changed.items():
        sources[place], headers[place] = source, read_header(source, needed)
    files = list(zip(sources, headers, strict=True))
    check_headers(files, info.keys, info.time, needed[len(info.keys) + 1 :])
    return Plan(info, tuple(sources), tuple(headers), plan.buckets)


def split(
    plan: Plan,
    numbers: Sequence[int],
    out: Path,
    *,
    part: str = "0",
    only: Sequence[Sequence[str]] | None = None,
) -> dict[int, int]:
    """Write the rows of some files to `out/bucket=<n>/part-<part>_<i>.parquet`. Return the rows of each file.

    `only` are the keys whose rows are written; all keys by default. The bucket's columns are the keys as
    text, step, value, the covariates, and the file's number. Raise TableError if a value does not fit its
    column; the error names the file, the column and the value.
    """
    import duckdb

    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob(f"bucket=*/part-{part}_*.parquet"):
        stale.unlink()
    with connect() as connection:
        connection.execute(f"CREATE TABLE numbers ({FILE} VARCHAR, file INTEGER)")
        connection.executemany(
            "INSERT INTO numbers VALUES (?, ?)", [(str(plan.sources[place].path), place) for place in numbers]
        )
        query = " UNION ALL ".join(_queries(plan, numbers))
        if only is not None:
            query = _restricted(connection, query, plan.info, only)
        try:
            connection.execute(
                f"COPY ({query}) TO {text(str(out))} (FORMAT parquet, PARTITION_BY (bucket), "
                f"COMPRESSION lz4_raw, OVERWRITE_OR_IGNORE true, FILENAME_PATTERN 'part-{part}_{{i}}')"
            )
        except duckdb.Error as error:
            raise _explained(connection, plan, numbers, error) from error
        _name_the_rest(out)
        return _count(connection, plan, numbers)


def connect(memory: str = MEMORY) -> "duckdb.DuckDBPyConnection":
    """Return a connection with a memory limit, which spills to a folder of its own, and knows only UTC."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET memory_limit = '{memory}'")
    # DuckDB makes this folder when it spills, and removes it at the end.
    spilled = Path(tempfile.gettempdir(), f"duckdb-{uuid.uuid4().hex}")
    connection.execute(f"SET temp_directory = {text(str(spilled))}")
    connection.execute(f"SET threads = {os.cpu_count() or 1}")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _groups(plan: Plan, numbers: Sequence[int]) -> Iterator[tuple[Header, list[Source]]]:
    """Yield the files that one query can read together: those with the same columns."""
    groups: dict[Header, list[Source]] = {}
    for place in numbers:
        groups.setdefault(plan.headers[place], []).append(plan.sources[place])
    yield from groups.items()


def _queries(plan: Plan, numbers: Sequence[int]) -> Iterator[str]:
    for header, sources in _groups(plan, numbers):
        chosen = expressions(header, plan.info)
        yield selection(chosen, scan(sources, header), plan.buckets, key_columns(plan.info))


def _restricted(
    connection: "duckdb.DuckDBPyConnection", query: str, info: SetInfo, only: Sequence[Sequence[str]]
) -> str:
    import pyarrow as pa

    columns = key_columns(info)
    keys = pa.table([[key[place] for key in only] for place in range(len(columns))], columns)
    connection.register("only_keys", keys.cast(pa.schema([(column, pa.string()) for column in columns])))
    return f"SELECT * FROM ({query}) SEMI JOIN only_keys USING ({', '.join(columns)})"


def _name_the_rest(out: Path) -> None:
    rest = out / "bucket=-1"
    if rest.is_dir():
        (out / NO_BUCKET).mkdir(exist_ok=True)
        for file in rest.iterdir():
            file.replace(out / NO_BUCKET / file.name)
        rest.rmdir()


def _count(connection: "duckdb.DuckDBPyConnection", plan: Plan, numbers: Sequence[int]) -> dict[int, int]:
    """Return the number of rows of each file. Parquet files have it in their footer."""
    import pyarrow.parquet as pq

    counts = {}
    for place in numbers:
        source, header = plan.sources[place], plan.headers[place]
        if header.delimiter:
            counted = connection.execute(f"SELECT count(*) FROM {scan([source], header)}").fetchone()
            counts[place] = int(counted[0]) if counted else 0
        else:
            counts[place] = pq.read_metadata(source.path).num_rows
    return counts


def _explained(
    connection: "duckdb.DuckDBPyConnection", plan: Plan, numbers: Sequence[int], error: Exception
) -> TableError:
    """Return an error that names the file, the column and the value, found with one query for each column."""
    import duckdb

    info = plan.info
    for place in numbers:
        source, header = plan.sources[place], plan.headers[place]
        scanned = scan([source], header)
        try:
            for column in (info.time, info.target, *info.covariates):
                kind = header.get(column)
                if kind is None or kind.kind != "text":
                    continue
                convert = time if column == info.time else number
                tried = convert(name(column), kind).replace("CAST(", "TRY_CAST(")
                bad: Any = connection.execute(
                    f"SELECT {name(column)} FROM {scanned} WHERE nullif({name(column)}, '') IS NOT NULL "
                    f"AND {tried} IS NULL AND lower({name(column)}) NOT IN ('nan', 'inf', '-inf') LIMIT 1"
                ).fetchone()
                if bad:
                    needed = "date or time in ISO 8601" if column == info.time else "number"
                    return TableError(
                        f"column {column!r} of {source.name} has {bad[0]!r}, which is no {needed}"
                    )
            connection.execute(f"SELECT count(*) FROM {scanned}")
        except duckdb.Error as broken:
            return TableError(f"{source.name} cannot be read: {' '.join(str(broken).split())[:500]}")
    return TableError(f"the files cannot be split: {' '.join(str(error).split())[:500]}")


def write_files(folder: Path, sources: Sequence[Source], rows: dict[str, int]) -> None:
    """Write files.json: each file of the manifest with its number of rows, or with its error."""
    entries = [
        {"name": source.name, "partition": source.partition}
        | ({"error": source.error} if source.error else {"rows": rows.get(source.name, 0)})
        for source in sources
    ]
    (folder / "files.json").write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")


__all__ = ["NO_BUCKET", "Plan", "connect", "covariate_columns", "plan_split", "split", "write_files"]
