"""The reconciliation of scored tables with the manifest: each row of each file must occur exactly once."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from listed_files import ListedFiles
from table_parts import FileRecord, part_path

Verdict = Literal["ok", "incomplete", "too_many_errors"]

# The greatest number of names in a list. The counts always include all names.
SHOWN_NAMES = 1_000
SHOWN_ERRORS = 20
SHOWN_ROWS = 5
MOST_KINDS = 10_000  # of errors and labels that are counted


class FileRows(NamedTuple):
    """The rows of a file in the predictions: how many, how many of them with an error, and what is wrong."""

    name: str
    rows: int
    errors: int
    state: Literal["ok", "broken", "missing", "doubled"]
    error: str = ""


@dataclass
class Reconciliation:
    """The tally of what is published, file by file. It is complete after `tables` is read to its end.

    `listed` has the record of each file of the manifest, or None if it was not scored.
    """

    listed: Mapping[str, FileRecord | None]
    doubled_records: frozenset[str]
    repeated: int
    unlisted: int
    torn: int
    max_error_rate: float
    files: list[FileRows] = field(default_factory=list)
    errors_by_text: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    label_column: str = ""

    def tables(self, parts: Path) -> Iterator[pa.Table]:
        """Yield the rows to publish, file by file in the manifest's order, and count them."""
        for name, record in self.listed.items():
            if record is None:
                self.files.append(FileRows(name, 0, 0, "missing", "it was not scored"))
            elif record.error:
                yield self._broken(name, record.error)
            else:
                yield from self._rows(name, record, parts)

    def _broken(self, name: str, error: str) -> pa.Table:
        self.files.append(FileRows(name, 1, 1, "broken", error))
        self._count_errors([error], [name])
        return pa.table({"file": [name], "row": pa.array([None], pa.int64()), "error": [error]})

    def _rows(self, name: str, record: FileRecord, parts: Path) -> Iterator[pa.Table]:
        expected, errors, why = 0, 0, ""
        for number in range(record.parts):
            try:
                for batch in pq.ParquetFile(part_path(parts, name, number)).iter_batches():
                    table = pa.Table.from_batches([batch])
                    rows = table.column("row").to_numpy()
                    if not np.array_equal(rows, np.arange(expected, expected + len(rows))):
                        why = why or f"its rows are not those after row {expected - 1}"
                    expected += len(rows)
                    errors += self._count(name, table)
                    yield table.add_column(0, "file", pa.array([name] * len(table), pa.string()))
            except (OSError, pa.ArrowException) as error:
                why = why or f"a part of its rows cannot be read: {str(error).splitlines()[0]}"
        if not why and expected != record.rows:
            why = f"{expected} of its {record.rows} rows were found"
        state: Literal["ok", "missing", "doubled"] = "missing" if why else "ok"
        if name in self.doubled_records:
            state, why = "doubled", "it was scored several times with different results"
        self.files.append(FileRows(name, expected, errors, state, why))

    def _count(self, name: str, table: pa.Table) -> int:
        """Count errors and labels of some rows, and return the number of rows with an error."""
        broken = table.filter(pc.not_equal(table.column("error"), ""))
        rows = [f"{name} row {row}" for row in broken.column("row").to_pylist()] if len(broken) else []
        self._count_errors(broken.column("error").to_pylist(), rows)
        if self.label_column in table.column_names and len(self.labels) < MOST_KINDS:
            counts = pc.value_counts(table.column(self.label_column).cast(pa.string()).drop_null())
            self.labels.update({item["values"]: item["counts"] for item in counts.to_pylist()})
        return len(broken)

    def _count_errors(self, errors: Sequence[str], rows: Sequence[str]) -> None:
        for error, row in zip(errors, rows, strict=True):
            if error in self.errors_by_text or len(self.errors_by_text) < MOST_KINDS:
                self.errors_by_text[error] += 1
                if len(shown := self.examples.setdefault(error, [])) < SHOWN_ROWS:
                    shown.append(row)

    def _named(self, *states: str) -> list[str]:
        return [file.name for file in self.files if file.state in states]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def errors(self) -> int:
        return sum(file.errors for file in self.files)

    @property
    def error_rate(self) -> float:
        """Return the share of rows with an error, or that of files that cannot be read if it is greater."""
        of_rows = self.errors / self.rows if self.rows else 0.0
        of_files = len(self._named("broken")) / len(self.files) if self.files else 0.0
        return max(of_rows, of_files)

    @property
    def verdict(self) -> Verdict:
        if self._named("missing", "doubled"):
            return "incomplete"
        return "too_many_errors" if self.error_rate > self.max_error_rate else "ok"

    def metrics(self) -> dict[str, float]:
        return {
            "files": len(self.files),
            "rows": self.rows,
            "errors": self.errors,
            "error_rate": self.error_rate,
            "broken_files": len(self._named("broken")),
            "missing": len(self._named("missing")),
            "doubled": len(self._named("doubled")),
            "repeated": self.repeated,
            "unlisted": self.unlisted,
            "torn": self.torn,
        }

    def summary(self) -> dict[str, Any]:
        """Return the outcome for a JSON file of limited size."""
        worst = sorted(self.errors_by_text.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_ERRORS]
        return self.metrics() | {
            "unit": "rows",
            "verdict": self.verdict,
            "max_error_rate": self.max_error_rate,
            "missing_names": self._named("missing")[:SHOWN_NAMES],
            "doubled_names": self._named("doubled")[:SHOWN_NAMES],
            "worst_errors": [
                {"error": error, "count": count, "images": self.examples[error]} for error, count in worst
            ],
            "labels": dict(self.labels.most_common(SHOWN_NAMES)),
        }


def match(
    records: Iterable[FileRecord | None], manifest: ListedFiles, max_error_rate: float
) -> Reconciliation:
    """Match the records with the files of the manifest. Equal records of a file count once."""
    errors = manifest.errors
    listed: dict[str, FileRecord | None] = {
        name: FileRecord(name, error=errors[name]) if name in errors else None for name in manifest.names
    }
    repeated = unlisted = torn = 0
    doubled = set()
    for record in records:
        if record is None:
            torn += 1
        elif record.name not in listed:
            unlisted += 1
        elif record.name in errors:
            continue
        elif (first := listed[record.name]) is None:
            listed[record.name] = record
        elif first == record:
            repeated += 1
        else:
            doubled.add(record.name)
    return Reconciliation(listed, frozenset(doubled), repeated, unlisted, torn, max_error_rate)


def common_schema(listed: Mapping[str, FileRecord | None], parts: Path) -> pa.Schema:
    """Return the columns of all parts, between `file` and `row`, and `error`.

    A column that has types without a common one in several files becomes text.
    """
    schemas = [
        schema
        for name, record in listed.items()
        if record is not None
        for number in range(record.parts)
        if (schema := _schema(part_path(parts, name, number)))
    ]
    fields: dict[str, pa.DataType] = {}
    for schema in schemas:
        for column in schema:
            fields[column.name] = _common_type(fields.get(column.name, pa.null()), column.type)
    for fixed in ("file", "row", "error"):
        fields.pop(fixed, None)
    return pa.schema([("file", pa.string()), ("row", pa.int64()), *fields.items(), ("error", pa.string())])


def _schema(path: Path) -> pa.Schema | None:
    """Return the schema of a part, or None if it cannot be read, which is counted with its rows."""
    try:
        return pq.read_schema(path).remove_metadata()
    except (OSError, pa.ArrowException):
        return None


def _common_type(first: pa.DataType, second: pa.DataType) -> pa.DataType:
    try:
        merged = pa.unify_schemas(
            [pa.schema([("x", first)]), pa.schema([("x", second)])], promote_options="permissive"
        )
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.string()
    return merged.field("x").type


def with_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the rows with all columns of a schema, null where the table has none."""
    columns = [
        table.column(column.name).cast(column.type)
        if column.name in table.column_names
        else pa.nulls(len(table), column.type)
        for column in schema
    ]
    return pa.table(columns, schema=schema)
